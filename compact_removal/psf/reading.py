# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Images of point spread functions in files and other containers.
"""

import os

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import NDData
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from compact_removal.utils.files import read_hdus
from compact_removal.utils.parameters import (ParameterError, name_parameter,
                                              rename_parameter)

__all__ = ['find_stamp', 'is_container']

# Cards with the size of a pixel in arcsec.
_SCALE_CARDS = ('PIXELSCL', 'PIXSCALE')


def is_container(psf):
    """
    Check whether something may hold the image of a PSF.

    Parameters
    ----------
    psf : object
        What a user handed over.

    Returns
    -------
    found : bool
        Whether `find_stamp` takes it.
    """
    return isinstance(psf, (str, os.PathLike, NDData, fits.HDUList, list,
                            fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU))


def find_stamp(psf, *, name='psf'):
    """
    Find the image of a PSF in a file, in HDUs or in NDData.

    Parameters
    ----------
    psf : str, path-like, HDU, HDUList or `~astropy.nddata.NDData`
        What holds it. Of HDUs the first with a 2-D image is taken; axes
        of length 1 are dropped.
    name : str, optional
        What messages call it.

    Returns
    -------
    data : `~numpy.ndarray`
        The image, shape ``(ny, nx)``; NaN where it is masked.
    pixel_scale : `~astropy.units.Quantity` or None
        Size of its pixels, from the WCS or a card ``PIXELSCL`` or
        ``PIXSCALE`` (arcsec).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no readable FITS file, has no 2-D image, or has pixels
        that are not square.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from compact_removal.psf.reading import find_stamp
    >>> hdu = fits.PrimaryHDU(np.ones((1, 3, 4)))
    >>> hdu.header['PIXSCALE'] = 0.4
    >>> data, pixel_scale = find_stamp(hdu)
    >>> print(data.shape, pixel_scale)
    (3, 4) 0.4 arcsec
    """
    if isinstance(psf, NDData):
        data = np.ma.masked_array(psf.data, psf.mask).astype(float)
        return (_image(data.filled(np.nan), name),
                _first(_scale_of(psf.wcs, name), _scale_of_cards(psf.meta)))
    if isinstance(psf, (str, os.PathLike)):
        try:
            psf = read_hdus(psf)
        except FileNotFoundError:
            msg = f'{name}: there is no file {os.fspath(psf)}'
            raise name_parameter(FileNotFoundError(msg), name) from None
        except ParameterError as error:
            raise ParameterError(rename_parameter(error, path=name),
                                 name) from error
    hdus = psf if isinstance(psf, list) else [psf]
    for hdu in hdus:
        shape = getattr(hdu, 'shape', ())
        if getattr(hdu, 'is_image', False) and sum(n > 1 for n in shape) == 2:
            return _image(hdu.data, name), _first(
                _scale_of(_wcs(hdu.header), name),
                _scale_of_cards(hdu.header))
    msg = f'{name} must hold a 2-D image, got none in its HDUs'
    raise ParameterError(msg, name)


def _first(scale, other):
    """
    The first of two pixel scales that is known.
    """
    return other if scale is None else scale


def _image(data, name):
    """
    An image without axes of length 1.
    """
    data = np.squeeze(np.asarray(data))
    if data.ndim != 2:
        msg = f'{name} must be a 2-D image, got shape {data.shape}'
        raise ParameterError(msg, name)
    return data


def _wcs(header):
    """
    The WCS of a header, or None.
    """
    try:
        return WCS(header)
    except (ValueError, TypeError, KeyError, AssertionError):
        return None


def _scale_of(wcs, name):
    """
    Size of the pixels of a celestial WCS, or None.
    """
    wcs = getattr(wcs, 'low_level_wcs', wcs)
    if wcs is None or not getattr(wcs, 'has_celestial', False):
        return None
    scales = proj_plane_pixel_scales(wcs.celestial)
    if not np.all(scales > 0) or abs(scales[0] / scales[1] - 1) > 0.01:
        msg = (f'{name} must have square pixels, got '
               f'{scales[0] * 3600:.3g} x {scales[1] * 3600:.3g} arcsec')
        raise ParameterError(msg, name)
    return np.sqrt(scales[0] * scales[1]) * 3600 * u.arcsec


def _scale_of_cards(header):
    """
    Size of the pixels by a card of the header, or None.
    """
    for card in _SCALE_CARDS:
        value = header.get(card)
        if isinstance(value, (int, float)) and value > 0:
            return float(value) * u.arcsec
    return None
