# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Images in files that need neither a unit nor a WCS, such as exposures.
"""

import warnings

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.maps.pacs import read_header_unit, read_wcs
from compact_removal.maps.units import read_unit
from compact_removal.utils.files import read_hdus
from compact_removal.utils.parameters import ParameterError

__all__ = ['list_images', 'read_exposure', 'to_exposure']


def list_images(hdus):
    """
    Find the images of a file.

    Parameters
    ----------
    hdus : list of HDU
        From ``read_hdus`` of ``utils.files``, or an HDUList.

    Returns
    -------
    numbers : list of int
        Places of the HDUs with two axes, those of length 1 apart.
    """
    return [number for number, hdu in enumerate(hdus)
            if hdu.is_image and len(hdu.shape) >= 2
            and all(n == 1 for n in hdu.shape[:-2]) and 0 not in hdu.shape]


def to_exposure(hdu, unit=None):
    """
    Make an exposure of an HDU.

    Parameters
    ----------
    hdu : HDU
        One of `list_images`.
    unit : str or `~astropy.units.Unit`, optional
        In place of that of the header. Default, where the header has
        none: adu.

    Returns
    -------
    image : `~astropy.nddata.CCDData`
        The image, masked where it is blank or not finite.

    Warns
    -----
    AstropyUserWarning
        If the unit of the header is unknown.
    """
    data = np.asarray(hdu.data).reshape(hdu.shape[-2:])
    if unit is None:
        unit = read_header_unit(hdu.header)
        text = hdu.header.get('BUNIT')
        if unit is None and text:
            warnings.warn(f'unit: BUNIT {text!r} of the header is unknown; '
                          'the values are taken as adu, unless unit is given',
                          AstropyUserWarning, stacklevel=2)
        unit = unit or u.adu
    unit = read_unit(unit)
    mask = ~np.isfinite(data) if data.dtype.kind == 'f' else None
    return CCDData(data, unit=unit, mask=mask, meta=_clean(hdu.header),
                   wcs=read_wcs(hdu.header, [hdu]))


def _clean(header):
    """
    A header without what describes the array and its place.
    """
    meta = fits.Header()
    for card in header.cards:
        name = card.keyword
        if name not in ('', 'SIMPLE', 'XTENSION', 'BITPIX', 'PCOUNT',
                        'GCOUNT', 'EXTEND', 'BZERO', 'BSCALE', 'BLANK',
                        'CHECKSUM', 'DATASUM', 'COMMENT', 'HISTORY',
                        'BUNIT') and not name.startswith('NAXIS'):
            try:
                meta[name] = card.value
            except ValueError:
                continue
    return meta


def read_exposure(path, *, unit=None):
    """
    Read the first image of a file.

    Parameters
    ----------
    path : path-like
        A FITS file, may be compressed.
    unit : str or `~astropy.units.Unit`, optional
        See `to_exposure`.

    Returns
    -------
    image : `~astropy.nddata.CCDData`
        The image, with a WCS if it has one.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no FITS file, or has no image.

    Warns
    -----
    AstropyUserWarning
        If there are more images, or the unit of the header is unknown.
    """
    hdus = read_hdus(path)
    numbers = list_images(hdus)
    if not numbers:
        msg = f'path must have an image of two axes: {path}'
        raise ParameterError(msg, 'path')
    if len(numbers) > 1:
        warnings.warn(f'{path} has {len(numbers)} images, of which the first '
                      'one is read; compact-removal mask reads all',
                      AstropyUserWarning, stacklevel=2)
    return to_exposure(hdus[numbers[0]], unit)
