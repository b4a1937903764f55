# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Read PACS maps as they come from the archive.
"""

import warnings

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.wcs import WCS, FITSFixedWarning

__all__ = ['read_pacs_map']

# Cards that describe the file rather than the observation.
_STRUCTURE = {'SIMPLE', 'XTENSION', 'BITPIX', 'NAXIS', 'NAXIS1', 'NAXIS2',
              'EXTEND', 'PCOUNT', 'GCOUNT', 'GROUPS', 'EXTNAME', 'EXTVER',
              'EXTLEVEL', 'BUNIT', 'BSCALE', 'BZERO', 'BLANK', 'CHECKSUM',
              'DATASUM', 'LONGSTRN', 'COMMENT', 'HISTORY', ''}


def read_pacs_map(path):
    """
    Read a PACS map product (Level 2, 2.5 or 3), or a plain map.

    A product has an image HDU ``image`` and usually ``coverage`` and
    ``stDev`` or ``error`` (JScanam and high-pass-filter maps). Any other
    FITS file is read as a plain map if exactly one of its HDUs is a 2-D
    image with a unit (``BUNIT``) and a celestial WCS.

    Parameters
    ----------
    path : str or path-like
        The FITS file, may be gzipped.

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The map, float64, with its unit and WCS. ``mask`` is True in
        pixels that are not finite or have no coverage; their values are
        NaN. ``uncertainty`` comes from ``error``, else from ``stDev``,
        and is NaN where that is not positive; `None` without such a
        HDU. They are what the archive gives: in JScanam maps ``stDev``
        is the scatter of the samples, somewhat below the noise of the
        map. ``meta`` holds the cards of the primary and the image
        header, without WCS and structure.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is neither kind of map.

    Examples
    --------
    >>> from compact_removal.datasets import read_pacs_map
    >>> ccd = read_pacs_map('hpacs_map.fits.gz')  # doctest: +SKIP
    """
    try:
        with fits.open(path, memmap=False) as hdus:
            return _read(hdus, path)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise
        msg = f'path is no readable FITS file: {path}'
        raise ValueError(msg) from error


def _read(hdus, path):
    """
    Make a CCDData of an open file.
    """
    names = {hdu.name.lower(): hdu for hdu in hdus
             if hdu.is_image and hdu.data is not None}
    product = 'image' in names
    hdu = names['image'] if product else _find_plain(hdus, path)
    if hdu.data.ndim != 2:
        msg = f'path holds no 2-D image in its HDU {hdu.name!r}: {path}'
        raise ValueError(msg)
    unit, wcs = _unit(hdu.header), _wcs(hdu.header)
    if unit is None:
        msg = f'path has no known unit (BUNIT) in HDU {hdu.name!r}: {path}'
        raise ValueError(msg)
    if wcs is None:
        msg = f'path has no celestial WCS in HDU {hdu.name!r}: {path}'
        raise ValueError(msg)
    data = np.array(hdu.data, dtype=float)
    mask = ~np.isfinite(data)
    uncertainty = None
    if product:
        for name in ('coverage', 'error', 'stdev'):
            if name in names and names[name].data.shape != data.shape:
                msg = (f'path has HDUs image and {name} of different '
                       f'shapes: {path}')
                raise ValueError(msg)
        if 'coverage' in names:
            coverage = names['coverage'].data
            mask |= ~(np.isfinite(coverage) & (coverage > 0))
        for name in ('error', 'stdev'):
            if name in names:
                error = np.array(names[name].data, dtype=float)
                good = np.isfinite(error) & (error > 0) & ~mask
                uncertainty = StdDevUncertainty(
                    np.where(good, error, np.nan))
                break
    data[mask] = np.nan
    return CCDData(data, unit=unit, wcs=wcs, mask=mask,
                   uncertainty=uncertainty, meta=_meta(hdus, hdu, wcs))


def _find_plain(hdus, path):
    """
    The only HDU that is a 2-D image with a unit and a celestial WCS.
    """
    found = [hdu for hdu in hdus
             if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2
             and _unit(hdu.header) is not None
             and _wcs(hdu.header) is not None]
    if len(found) != 1:
        msg = ('path must be a PACS map with an image HDU, or have one 2-D '
               'image HDU with a unit (BUNIT) and a celestial WCS; it has '
               f'{len(found)} such HDUs: {path}')
        raise ValueError(msg)
    return found[0]


def _unit(header):
    """
    Unit of an image, or None.
    """
    text = header.get('BUNIT', header.get('QTTY____'))
    try:
        return u.Unit(text) if text else None
    except ValueError:
        return None


def _wcs(header):
    """
    Celestial WCS of an image, or None.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', FITSFixedWarning)
        wcs = WCS(header)
    return wcs if wcs.naxis == 2 and wcs.has_celestial else None


def _meta(hdus, hdu, wcs):
    """
    Cards of the primary header and that of the image.
    """
    drop = _STRUCTURE | set(wcs.to_header(relax=True))
    drop |= {'CROTA1', 'CROTA2'}
    meta = fits.Header()
    for header in (hdus[0].header, hdu.header):
        for card in header.cards:
            keyword = card.keyword
            if (keyword not in drop and '.' not in keyword
                    and not keyword.startswith(('CD1_', 'CD2_', 'PC'))):
                # a comment that does not fit would be cut with a warning
                plain = str(fits.Card(keyword, card.value)).rstrip()
                fits_in = len(plain) + 3 + len(card.comment) <= 80
                meta[keyword] = (card.value, card.comment if fits_in else '')
    return meta
