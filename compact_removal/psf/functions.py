# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What can be computed for any point spread function.
"""

import astropy.units as u
import numpy as np

from compact_removal.instruments import Band, PSFParameters
from compact_removal.psf.images import as_arcsec, make_stamp_psf
from compact_removal.psf.models import AnalyticPSF
from compact_removal.psf.reading import find_stamp, is_container
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['as_psf', 'encircled_energy', 'fwhm_in_pixels', 'make_psf_stamp']

# By how much the encircled energies of an image may differ from the table.
_MISFIT = 0.15

# Largest FWHM over the radius of the largest hole: what is wider is not
# covered (that of the tables is at most 0.4).
_WIDEST = 0.75


def as_psf(psf, *, pixel_scale=None):
    """
    Make a PSF object from what a user may have.

    Parameters
    ----------
    psf : Band, PSFParameters, PSF object, image or `~photutils.psf.ImagePSF`
        What to convert. An image is an array or what `StampPSF` takes
        for one, such as the path of a FITS file.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of the pixels of an image (angle), of an ``ImagePSF`` that
        of the detector, before oversampling; needed unless the WCS of a
        file, HDU or NDData gives it, which comes first. In a Band,
        images have the pixels ``psf_pixel_scale``.

    Returns
    -------
    psf : `AnalyticPSF`, `StampPSF` or the given PSF object
        An object with ``evaluate`` and ``encircled_energy``.

    Raises
    ------
    TypeError, ValueError
        If ``psf`` is none of these, or ``pixel_scale`` is missing.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import as_psf
    >>> as_psf(get_band('scanmap', 'red')).fwhm > 9
    True
    """
    if isinstance(psf, Band):
        return _psf_of_band(psf)
    if isinstance(psf, PSFParameters):
        return AnalyticPSF(psf)
    if hasattr(psf, 'encircled_energy') and hasattr(psf, 'evaluate'):
        return psf
    # here, as it takes as long to import as all of this module
    from photutils.psf import GriddedPSFModel, ImagePSF

    if is_container(psf):
        psf, found = find_stamp(psf)
        pixel_scale = pixel_scale if found is None else found
    if isinstance(psf, np.ndarray):
        return make_stamp_psf(psf, pixel_scale)
    if isinstance(psf, ImagePSF):
        if pixel_scale is None:
            msg = 'pixel_scale is needed for a PSF that is an image'
            raise ParameterError(msg, 'pixel_scale')
        y_factor, x_factor = np.broadcast_to(psf.oversampling, 2)
        if x_factor != y_factor:
            msg = 'psf must have equal oversampling along x and y'
            raise ParameterError(msg, 'psf')
        return make_stamp_psf(psf.data, pixel_scale / x_factor,
                              center=psf.origin)
    if isinstance(psf, GriddedPSFModel):
        msg = ('psf must be one PSF for the whole map, got a GriddedPSFModel; '
               'take one of its images, as in ImagePSF(model.data[0], '
               'oversampling=model.oversampling)')
        raise ParameterTypeError(msg, 'psf')
    msg = ('psf must be a Band, PSFParameters, an object with evaluate() '
           'and encircled_energy(), a photutils ImagePSF, a 2-D array or a '
           'FITS file, HDU or NDData with one, '
           f'got {type(psf).__name__}')
    raise ParameterTypeError(msg, 'psf')


def _psf_of_band(band):
    """
    The PSF of a band, and whether it fits the table of the band.
    """
    scale = band.psf_pixel_scale
    psf = as_psf(band.psf, pixel_scale=(band.pixel_scale if scale is None
                                        else scale))
    if isinstance(psf, AnalyticPSF):
        return psf
    width = getattr(psf, 'fwhm', 0) / band.pixel_scale.to_value(u.arcsec)
    if width > _WIDEST * band.mask_radii[0]:
        msg = (f'psf must be narrower than the largest hole of band '
               f'{band.name!r} (radius {band.mask_radii[0]:g} pixels), got a '
               f'FWHM of {width:.1f} pixels; give the right psf_pixel_scale')
        raise ParameterError(msg, 'psf')
    if not band.eef_radii:
        return psf
    expected = np.array(band.eef_values) / band.eef_values[-1]
    found = psf.encircled_energy(np.array(band.eef_radii))
    found = found / found[-1]
    worst = np.argmax(np.abs(found - expected))
    if abs(found[worst] - expected[worst]) > _MISFIT:
        msg = (f'psf must fit the encircled energies of band {band.name!r}: '
               f'within {band.eef_radii[worst]:g} arcsec they have '
               f'{expected[worst]:.2f} of what is within '
               f'{band.eef_radii[-1]:g} arcsec, the PSF has '
               f'{found[worst]:.2f}; give the right psf_pixel_scale, or '
               'eef_radii=() and eef_values=()')
        raise ParameterError(msg, 'psf')
    return psf


def fwhm_in_pixels(psf, pixel_scale):
    """
    Compute the full width at half maximum of a PSF in pixels of a map.

    Parameters
    ----------
    psf : Band, PSFParameters or PSF object
        The PSF, see `as_psf`.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels of the map (angle).

    Returns
    -------
    fwhm : float
        In pixels.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import fwhm_in_pixels
    >>> band = get_band('scanmap', 'blue')
    >>> round(fwhm_in_pixels(band, band.pixel_scale), 1)
    3.1
    """
    return float(as_psf(psf).fwhm / pixel_scale.to_value(u.arcsec))


def encircled_energy(psf, radii):
    """
    Compute the fraction of the flux of a point source within circles.

    Parameters
    ----------
    psf : Band, PSFParameters or PSF object
        The PSF, see `as_psf`.
    radii : `~astropy.units.Quantity`
        Radii (angle), shape ``(n,)``.

    Returns
    -------
    fraction : `~numpy.ndarray`
        Values in [0, 1], shape ``(n,)``.

    Raises
    ------
    TypeError, ValueError
        If ``psf`` is none of these, or ``radii`` have no unit of angle.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import encircled_energy
    >>> band = get_band('scanmap', 'blue')
    >>> print(encircled_energy(band, [6, 18] * u.arcsec).round(1))
    [0.6 0.9]
    """
    return as_psf(psf).encircled_energy(as_arcsec('radii', radii))


def make_psf_stamp(psf, *, pixel_scale=None, shape=(61, 61), center=None,
                   position_angle=0 * u.deg, oversampling=1, **variation):
    """
    Make an image of a point source of unit flux.

    The PSFs are effective ones, as photutils has them: their widening by
    the pixels of the maps is part of them, and a stamp takes its values
    at the pixel centres.

    Parameters
    ----------
    psf : Band, PSFParameters or PSF object
        The PSF, see `as_psf`.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of the pixels (angle); needed unless ``psf`` is a band.
    shape : tuple of int, optional
        ``(ny, nx)``.
    center : tuple of float, optional
        Position ``(x, y)`` of the source in pixels; default: the middle.
    position_angle : `~astropy.units.Quantity`, optional
        Rotation from the x axis towards the y axis.
    oversampling : int, optional
        Points per pixel along each axis over which to average, for a
        PSF that is narrow compared with the pixels.
    **variation
        ``broadening``, ``elongation``, ``lobes``, ``wings``: factors
        handed to the ``vary`` method of the PSF.

    Returns
    -------
    stamp : `~numpy.ndarray`
        Fraction of the flux in each pixel, shape ``(ny, nx)``. The sum
        is below 1: the wings reach beyond.

    Raises
    ------
    TypeError, ValueError
        If ``psf`` is none of these, or ``pixel_scale`` is missing or no
        angle.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> stamp = make_psf_stamp(get_band('scanmap', 'blue'), shape=(31, 31))
    >>> bool(0.85 < stamp.sum() < 1)
    True
    """
    if pixel_scale is None:
        if not isinstance(psf, Band):
            msg = 'pixel_scale is needed unless psf is a Band'
            raise ParameterError(msg, 'pixel_scale')
        pixel_scale = psf.pixel_scale
    model = as_psf(psf, pixel_scale=pixel_scale)
    if variation:
        model = model.vary(**variation)
    scale = float(as_arcsec('pixel_scale', pixel_scale))
    ny, nx = shape
    if center is None:
        center = ((nx - 1) / 2, (ny - 1) / 2)
    offsets = (np.arange(oversampling) + 0.5) / oversampling - 0.5
    x = ((np.arange(nx)[:, None] + offsets).ravel() - center[0]) * scale
    y = ((np.arange(ny)[:, None] + offsets).ravel() - center[1]) * scale
    angle = u.Quantity(position_angle).to_value(u.rad)
    x, y = x[None, :], y[:, None]
    values = model.evaluate(x * np.cos(angle) + y * np.sin(angle),
                            y * np.cos(angle) - x * np.sin(angle))
    blocks = values.reshape(ny, oversampling, nx, oversampling)
    return blocks.mean(axis=(1, 3)) * scale ** 2
