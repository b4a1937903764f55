# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Regions: which of them mark sources, and files of DS9.
"""

import re
import warnings
from collections import Counter

from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.utils.files import check_overwrite, replace_file
from compact_removal.utils.parameters import ParameterError
from compact_removal.utils.text import one_line

__all__ = ['list_sources', 'read_ds9', 'select_sources', 'write_ds9']

# Shapes that mark a source; their centre is its position.
_SOURCES = ('circle', 'ellipse', 'point')

# Shapes of DS9, also those that it writes behind a #.
_SHAPES = frozenset((
    *_SOURCES, 'annulus', 'box', 'boxcircle', 'bpanda', 'compass',
    'composite', 'cpanda', 'diamond', 'epanda', 'line', 'panda', 'pie',
    'polygon', 'polyline', 'projection', 'rectangle', 'rotbox', 'ruler',
    'segment', 'text', 'vector'))

_SHAPE = re.compile(r'(?P<sign>[+-]?)\s*(?P<hash>#?)\s*(?P<shape>[a-z]+)',
                    re.IGNORECASE)

# Statements of a file of DS9: up to a semicolon or the end of a line that
# is in no text.
_STATEMENT = re.compile(r'(?:\{[^}\n]*\}|"[^"\n]*"|\'[^\'\n]*\'|[^;\n])+')

_FRAME = re.compile(
    r'(image|physical|amplifier|detector|linear|fk4|b1950|fk5|j2000|icrs|'
    r'galactic|ecliptic|wcs[a-z]?|tile(\s+\d+)?)$', re.IGNORECASE)


def select_sources(regions):
    """
    Select the regions that mark sources.

    These are points, circles and ellipses that are not excluded and no
    background.

    Parameters
    ----------
    regions : list of `~regions.Region`
        What is no region is kept.

    Returns
    -------
    selected : list
        Those that mark sources, in their order.

    Raises
    ------
    ParameterError
        If there are regions, and none of them marks a source.

    Warns
    -----
    AstropyUserWarning
        If regions are left out: how many of each kind, and why.

    Examples
    --------
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from regions import CircleSkyRegion
    >>> from compact_removal.maps.source_regions import select_sources
    >>> circle = CircleSkyRegion(SkyCoord(8, 5, unit='deg'), 5 * u.arcsec)
    >>> len(select_sources([circle]))
    1
    """
    reasons = [_why_not(region) for region in regions]
    selected = list_sources(regions)
    _report([reason for reason in reasons if reason], len(selected),
            'positions')
    return selected


def list_sources(regions):
    """
    List the regions that mark sources, without a word about others.

    Parameters
    ----------
    regions : list of `~regions.Region`
        What is no region is kept.

    Returns
    -------
    selected : list
        See `select_sources`.

    Examples
    --------
    >>> from compact_removal.maps.source_regions import list_sources
    >>> list_sources([])
    []
    """
    return [region for region in regions if not _why_not(region)]


def _why_not(region):
    """
    What keeps a region from marking a source; '' if nothing does.
    """
    from regions import (CirclePixelRegion, CircleSkyRegion,
                         EllipsePixelRegion, EllipseSkyRegion,
                         PointPixelRegion, PointSkyRegion, Region,
                         TextPixelRegion, TextSkyRegion)

    if not isinstance(region, Region):
        return ''
    if (not isinstance(region, (
            CirclePixelRegion, CircleSkyRegion, EllipsePixelRegion,
            EllipseSkyRegion, PointPixelRegion, PointSkyRegion))
            or isinstance(region, (TextPixelRegion, TextSkyRegion))):
        name = type(region).__name__
        return re.sub('(Pixel|Sky|SphericalSky)?Region$', '', name).lower()
    # 0, False or '-' for excluded ones
    if region.meta.get('include', True) in (0, '-', 'exclude'):
        return 'excluded'
    return 'background' if region.meta.get('background') else ''


def _report(reasons, n_selected, name):
    """
    Warn of regions that are left out; refuse to have no others.
    """
    if not reasons:
        return
    kinds = ', '.join(f'{number} {reason}' for reason, number
                      in Counter(reasons).items())
    rule = ('sources are points, circles and ellipses that are neither '
            'excluded nor background')
    if n_selected == 0:
        msg = f'{name} must be regions that mark sources, got {kinds}; {rule}'
        raise ParameterError(msg, name)
    warnings.warn(f'{name}: {len(reasons)} regions are left out ({kinds}); '
                  f'{rule}', AstropyUserWarning, stacklevel=4)


def read_ds9(text):
    r"""
    Read the regions of a DS9 file that mark sources.

    Parameters
    ----------
    text : str
        The content of the file.

    Returns
    -------
    regions : list of `~regions.Region`
        Those that mark sources, see `select_sources`. Members of a
        composite region are none.

    Raises
    ------
    ParameterError
        If there are regions, and none of them marks a source. The
        message starts with ``catalog``.

    Warns
    -----
    AstropyUserWarning
        If regions are left out: how many of each kind, and why.

    Examples
    --------
    >>> from compact_removal.maps.source_regions import read_ds9
    >>> text = 'fk5\ncircle(83.8,-5.4,5") # text={IRS 1}\npoint(83.9,-5.4)'
    >>> [region.meta.get('text') for region in read_ds9(text)]
    ['IRS 1', None]
    """
    selected, reasons = [], []
    frame, common, in_composite = 'image', '', False
    for line in text.splitlines():
        # a comment may hold semicolons
        for statement in ([line] if line.lstrip().startswith('#')
                          else _STATEMENT.findall(line)):
            statement = statement.strip()
            if _FRAME.match(statement):
                frame = statement
                continue
            if statement.lower().startswith('global'):
                common = statement
                continue
            match = _SHAPE.match(statement)
            if match is None or not _is_shape(match, statement):
                continue
            shape = match['shape'].lower()
            if shape == 'composite':
                in_composite = True
                reasons.append(shape)
                continue
            joined = statement.partition('#')[0].rstrip().endswith('||')
            if in_composite:
                reasons.append(f'{shape} of a composite')
                in_composite = joined
                continue
            region, reason = _parse(statement, shape, frame, common)
            if reason:
                reasons.append(reason)
            else:
                selected.append(region)
    _report(reasons, len(selected), 'catalog')
    return selected


def _is_shape(match, statement):
    """
    Whether a statement is a region, not a comment.
    """
    if match['hash'] and match['shape'].lower() not in _SHAPES:
        return False
    following = statement[match.end():].lstrip()
    return following.startswith('(') or (
        not match['hash'] and bool(re.match(r'[-+.\d]', following)))


def _parse(statement, shape, frame, common):
    """
    A region and '', or None and the reason.
    """
    from regions import Regions

    if shape not in _SOURCES:
        return None, shape
    options = re.sub(r'\{[^}]*\}|"[^"]*"|\'[^\']*\'', '',
                     statement.partition('#')[2]).lower()
    if 'background' in options.split():
        return None, 'background'
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        try:
            found = Regions.parse(f'{common}\n{frame}\n{statement}',
                                  format='ds9')
        except Exception as error:  # whatever a damaged line raises
            return None, f'that cannot be read ({statement!r}: ' + (
                one_line(error)) + ')'
    if len(found) != 1:
        reason = one_line(caught[0].message) if caught else 'no region'
        return None, f'that cannot be read ({statement!r}: {reason})'
    reason = _why_not(found[0])
    return (None, reason) if reason else (found[0], '')


def write_ds9(positions, path, *, radius, labels, overwrite=False):
    """
    Write circles around positions as regions of DS9.

    Parameters
    ----------
    positions : `~astropy.coordinates.SkyCoord`
        Centres, shape ``(n,)``.
    path : str or path-like
        The file.
    radius : `~astropy.units.Quantity`
        Radius of the circles (angle).
    labels : iterable of str
        A text for each.
    overwrite : bool, optional
        Whether an existing file may be replaced.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import astropy.units as u
    >>> from astropy.coordinates import SkyCoord
    >>> from compact_removal.maps.source_regions import read_ds9, write_ds9
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'found.reg'
    ...     write_ds9(SkyCoord([8], [5], unit='deg'), path,
    ...               radius=5 * u.arcsec, labels=['1'])
    ...     len(read_ds9(path.read_text()))
    1
    """
    from regions import CircleSkyRegion, Regions

    path = check_overwrite(path, overwrite=overwrite)
    circles = Regions([CircleSkyRegion(center, radius, meta={'text': label})
                       for center, label in zip(positions.icrs, labels,
                                                strict=True)])
    text = (circles.serialize(format='ds9') if len(circles)
            else '# Region file format: DS9\n')
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding='utf-8')
