# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read PACS maps as they come from the archive.
"""

import contextlib
import re
import warnings

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.utils.exceptions import AstropyUserWarning
from astropy.wcs import WCS, FITSFixedWarning

from compact_removal.maps.beams import set_beam
from compact_removal.maps.headers import find_band, find_mode, is_pacs
from compact_removal.maps.units import read_unit
from compact_removal.utils.files import read_hdus
from compact_removal.utils.parameters import ParameterError

__all__ = ['read_header_unit', 'read_pacs_map', 'read_wcs']

# Cards that describe the file rather than the observation.
_STRUCTURE = frozenset({
    'SIMPLE', 'XTENSION', 'BITPIX', 'NAXIS', 'NAXIS1', 'NAXIS2', 'EXTEND',
    'PCOUNT', 'GCOUNT', 'GROUPS', 'EXTNAME', 'EXTVER', 'EXTLEVEL', 'BUNIT',
    'BSCALE', 'BZERO', 'BLANK', 'CHECKSUM', 'DATASUM', 'LONGSTRN', ''})

# Cards of axes, those of further ones too.
_AXIS = re.compile(r'(NAXIS|CTYPE|CRVAL|CRPIX|CDELT|CUNIT|CNAME|CROTA)\d+$'
                   r'|CD\d+_\d+$|PC|(CPDIS|CPERR|D2IMDIS|D2IMERR)\d$'
                   r'|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)$|PV\d_\d+$')

_COMMENTARY = ('COMMENT', 'HISTORY')

# Cards of distortions that are tables in HDUs of their own.
_TABLES = frozenset({'CPDIS1', 'CPDIS2', 'D2IMDIS1', 'D2IMDIS2'})

# The image HDUs of a product that are read.
_PLANES = frozenset({'image', 'coverage', 'error', 'stdev', 'wcsdvarr',
                     'd2imarr'})


def read_pacs_map(path, *, unit=None, beam=None):
    """
    Read a PACS map product (Level 2, 2.5 or 3), or a plain map.

    A product of the Herschel Science Archive has an image HDU ``image``
    and usually ``coverage`` and ``stDev`` or ``error``, whichever
    mapper (JScanam, high-pass filter, Unimap) made it. Any other FITS
    file is read as a plain map if exactly one of its HDUs is a 2-D
    image with a unit (``BUNIT``) and a celestial WCS. Further axes of
    length 1, as those of frequency and polarization in radio maps, are
    dropped.

    Parameters
    ----------
    path : str or path-like
        The FITS file, may be gzipped.
    unit : str or `~astropy.units.Unit`, optional
        The unit of the map, in place of that of the header.
    beam : `~astropy.units.Quantity`, optional
        Full width at half maximum of the beam (angle), or two, the
        larger one first, for a unit per beam. It becomes ``BMAJ`` and
        ``BMIN`` in ``meta``, in place of those of the header.

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The map, with its unit and WCS, in the native byte order;
        float32 stays float32, integers become float64. ``mask`` is True
        in pixels that are blank (``BLANK``), not finite or have no
        coverage; their values are NaN. In a PACS product without
        ``coverage`` HDU, pixels that are exactly 0 count as not
        observed; in other maps 0 is a value like others here, see
        ``compact_removal.maps.sentinels``.
        ``uncertainty`` comes from ``error``, else from ``stDev``, and
        is NaN where that is not positive; `None` without such a HDU.
        They are what the archive gives: in JScanam maps ``stDev`` is
        the scatter of the samples, somewhat below the noise of the map.
        ``meta`` holds the cards of the primary and the image header,
        ``HISTORY`` and ``COMMENT`` at the end, without WCS and
        structure, and what they say of a PACS map: ``PACSMODE``
        (``'scanmap'`` or ``'parallel'``) and ``PACSBAND`` (``'blue'``,
        ``'green'`` or ``'red'``), each only if it was recognized. They
        are names for `~compact_removal.instruments.get_band`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is neither kind of map, or is truncated or corrupt,
        as far as this can be seen: cards ``CHECKSUM`` and ``DATASUM``
        are checked where there are any.

    Warns
    -----
    AstropyUserWarning
        If ``unit`` is not the same as that of the header.

    Notes
    -----
    The mode is that of the cards ``INSTMODE``, ``CUSMODE`` and
    ``OBS_MODE``, the band that of ``WAVELNTH``, if ``INSTRUME`` is
    PACS. Pixel scales say little: parallel-mode maps come with 1.6, 2
    and 3.2 arcsec.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.datasets import make_example_field, read_pacs_map
    >>> image, _ = make_example_field(shape=(64, 48), n_sources=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'map.fits'
    ...     image.write(path)
    ...     ccd = read_pacs_map(path)
    >>> ccd.shape, str(ccd.unit), ccd.meta['PACSBAND']
    ((64, 48), 'Jy / pix', 'blue')
    """
    if unit is not None:
        unit = read_unit(unit)
    ccd = _make_map(read_hdus(path, choose=_choose_planes), path, unit)
    if beam is not None:
        set_beam(ccd.meta, beam)
    return ccd


def _choose_planes(hdus):
    """
    Those of the images of a file that are read.
    """
    product = any(hdu.name.lower() == 'image' for hdu in hdus)
    return [hdu for hdu in hdus
            if not product or hdu.name.lower() in _PLANES]


def _make_map(hdus, path, unit):
    """
    Make a CCDData of the HDUs of a file.
    """
    names = {hdu.name.lower(): hdu for hdu in hdus
             if hdu.is_image and len(hdu.shape) > 0}
    product = 'image' in names
    hdu = _find_image([names['image']] if product else hdus, hdus, path,
                      unit)
    unit = _choose_unit(hdu.header, unit, path)
    wcs = read_wcs(hdu.header, hdus)
    data = _as_floats(_flatten(hdu.data))
    mask = ~np.isfinite(data)
    meta = _make_meta(hdus, hdu, wcs)
    uncertainty = None
    if product:
        for name in ('coverage', 'error', 'stdev'):
            if (name in names
                    and _flatten(names[name].data).shape != data.shape):
                msg = (f'path has HDUs image and {name} of different '
                       f'shapes: {path}')
                raise ParameterError(msg, 'path')
        if 'coverage' in names:
            coverage = _flatten(names['coverage'].data)
            mask |= ~(np.isfinite(coverage) & (coverage > 0))
        elif is_pacs(meta):
            # no measured value is exactly 0
            mask |= data == 0
        for name in ('error', 'stdev'):
            if name in names:
                error = _as_floats(_flatten(names[name].data))
                good = np.isfinite(error) & (error > 0) & ~mask
                uncertainty = StdDevUncertainty(
                    np.where(good, error, np.nan))
                break
    data[mask] = np.nan
    return CCDData(data, unit=unit, wcs=wcs, mask=mask,
                   uncertainty=uncertainty, meta=meta)


def _as_floats(data):
    """
    A copy as floats in the native byte order.
    """
    dtype = data.dtype.newbyteorder('=') if data.dtype.kind == 'f' else float
    return np.array(data, dtype=dtype)


def _flatten(data):
    """
    An image without leading axes of length 1; a cube stays one.
    """
    return data.reshape(data.shape[-2:]) if _is_flat(data.shape) else data


def _is_flat(shape):
    """
    Whether a shape is that of a 2-D image, but for axes of length 1.
    """
    return len(shape) >= 2 and all(size == 1 for size in shape[:-2])


def _find_image(candidates, hdus, path, unit):
    """
    The only HDU that is a 2-D image with a unit and a celestial WCS.
    """
    found, reasons = {}, []
    for number, hdu in enumerate(candidates):
        if not hdu.is_image or len(hdu.shape) == 0:
            continue
        name = 'primary' if hdu.name == 'PRIMARY' else hdu.name
        name = name or f'HDU {number}'
        faults = _list_faults(hdu, hdus, unit)
        if faults:
            reasons.append(f'{name}: {", ".join(faults)}')
        else:
            found[number] = name
    if len(found) == 1:
        return candidates[next(iter(found))]
    if found:
        reason = f'has {len(found)} of them ({", ".join(found.values())})'
    else:
        reason = f'has none ({"; ".join(reasons) or "it has no images"})'
    msg = f'path must have one image that can be a map; {path} {reason}'
    if 'BUNIT' in reason:
        msg += ('. Give the unit of the map (unit=..., such as Jy/pixel; in '
                'the shell --unit), or write it into the header as BUNIT')
    msg += ('. A map is the image HDU of a PACS product, or the only 2-D '
            'image HDU with a unit and a celestial WCS')
    raise ParameterError(msg, 'path')


def _list_faults(hdu, hdus, unit):
    """
    What keeps an image HDU from being a map.
    """
    faults = []
    if not _is_flat(hdu.shape):
        n_axes = len(hdu.shape)
        faults.append(f'{n_axes} {"axis" if n_axes == 1 else "axes"}')
    if unit is None and read_header_unit(hdu.header) is None:
        text = _unit_text(hdu.header)
        faults.append('no BUNIT' if text is None
                      else f'unknown BUNIT {text!r}')
    if read_wcs(hdu.header, hdus) is None:
        faults.append('no celestial WCS, or one whose distortion tables are '
                      'missing or not of two axes'
                      if _TABLES & set(hdu.header)
                      else 'no celestial WCS')
    return faults


def _unit_text(header):
    """
    What a header gives as the unit; None for nothing or an empty text.
    """
    return header.get('BUNIT', header.get('QTTY____')) or None


def read_header_unit(header):
    """
    Read the unit of an image.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Its header.

    Returns
    -------
    unit : `~astropy.units.Unit` or None
        `None` where there is none, or an unknown one.
    """
    text = _unit_text(header)
    try:
        return read_unit(text) if text else None
    except ParameterError:
        return None


def _choose_unit(header, unit, path):
    """
    The unit that was given, else that of the header.
    """
    found = read_header_unit(header)
    if unit is None:
        return found
    if found is not None and found != unit:
        warnings.warn(f'unit: {path} has the unit {found} in its header '
                      f'(BUNIT), but its values are taken as {unit}, the unit '
                      'that was given; leave it out to use that of the '
                      'header', AstropyUserWarning, stacklevel=4)
    return unit


def read_wcs(header, hdus):
    """
    Read the celestial WCS of an image, with the tables of its distortion.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Its header.
    hdus : list of HDU
        Those of the file, which may hold the tables.

    Returns
    -------
    wcs : `~astropy.wcs.WCS` or None
        `None` where there is none that can be used.
    """
    if not all(f'{name}{axis}' in header for name in ('CRVAL', 'CRPIX')
               for axis in (1, 2)):
        # lost; astropy would take 0 for them
        return None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FITSFixedWarning)
        try:
            wcs = WCS(header, fobj=fits.HDUList(hdus))
            # the celestial axes must be those of the image
            if {wcs.wcs.lng, wcs.wcs.lat} != {0, 1}:
                wcs = None
            elif wcs.naxis > 2:
                wcs = wcs.celestial
        except (ValueError, LookupError, AssertionError, MemoryError):
            # the last three come from tables: missing, or with three axes
            wcs = None
    return wcs


def _make_meta(hdus, hdu, wcs):
    """
    Cards of the primary header and that of the image.
    """
    drop = _STRUCTURE | set(wcs.to_header(relax=True))
    meta = fits.Header()
    commentary = []
    headers = [hdus[0].header]
    if hdu is not hdus[0]:
        headers.append(hdu.header)
    for header in headers:
        for card in header.cards:
            keyword = card.keyword
            if keyword in _COMMENTARY:
                commentary.append((keyword, card.value))
            elif (keyword not in drop and '.' not in keyword
                    and not _AXIS.match(keyword)):
                # a damaged card is no reason to refuse the map
                with contextlib.suppress(ValueError):
                    _copy_card(card, meta)
    for keyword, value in (('PACSMODE', find_mode(meta)),
                           ('PACSBAND', find_band(meta))):
        if value is not None:
            meta[keyword] = value
    for entry in commentary:
        with contextlib.suppress(ValueError):
            meta.append(entry, end=True)
    return meta


def _copy_card(card, header):
    """
    Put a card into another header.
    """
    # a comment that does not fit would be cut with a warning
    plain = str(fits.Card(card.keyword, card.value)).rstrip()
    fits_in = len(plain) + 3 + len(card.comment) <= 80
    header[card.keyword] = (card.value, card.comment if fits_in else '')
