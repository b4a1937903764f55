# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The light of sources outside their holes.

A third of the flux of a PACS point source falls outside the smallest
hole. There it looks like background, and a network that fills the hole
from its rim would put part of the source into the background. So the
wings are estimated from the core and taken out of what the network sees.
The paper does not do this.
"""

import astropy.units as u
import numpy as np

from compact_removal.cutouts import cutout_radii, extract_cutouts
from compact_removal.psf import as_psf

__all__ = ['core_fluxes', 'radial_profile', 'wing_map']

# Reach of the wings that are modelled, in full widths at half maximum.
_REACH = 15


def radial_profile(band, pixel_scale):
    """
    Mean of the PSF over position angles.

    Parameters
    ----------
    band : Band
        The band.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels of the map (angle).

    Returns
    -------
    radius, profile : `~numpy.ndarray`
        Radii (pixels), and fraction of the flux per pixel.
    fwhm : float
        Width of the core (pixels).

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.wings import radial_profile
    >>> band = get_band('scanmap', 'blue')
    >>> radius, profile, fwhm = radial_profile(band, band.pixel_scale)
    >>> round(fwhm, 1)
    3.1
    """
    psf = as_psf(band, pixel_scale=pixel_scale)
    scale = pixel_scale.to_value(u.arcsec)
    fwhm = float(psf.fwhm / scale)
    radius = np.linspace(0, _REACH * fwhm, 40 * _REACH + 1)
    angle = np.arange(24) * (2 * np.pi / 24)
    arcsec = radius[:, None] * scale
    values = psf.evaluate(arcsec * np.cos(angle), arcsec * np.sin(angle))
    return radius, values.mean(axis=1) * scale ** 2, fwhm


def core_fluxes(data, valid, x, y, profile):
    """
    Fluxes from a fit of PSF plus constant within one FWHM.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, shape ``(ny, nx)``.
    valid : `~numpy.ndarray` of bool
        True where a pixel may be used.
    x, y : `~numpy.ndarray`
        Positions in pixels, shape ``(n,)``.
    profile : tuple
        From `radial_profile`.

    Returns
    -------
    flux : `~numpy.ndarray`
        In the unit of ``data`` times pixel, not below 0; 0 where too
        few pixels are usable.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> from compact_removal.wings import core_fluxes, radial_profile
    >>> band = get_band('scanmap', 'blue')
    >>> data = 1.0 + 5.0 * make_psf_stamp(band, shape=(41, 41))
    >>> profile = radial_profile(band, band.pixel_scale)
    >>> flux = core_fluxes(data, data > 0, [20], [20], profile)
    >>> bool(abs(flux[0] - 5) < 0.25)
    True
    """
    radius, values, fwhm = profile
    size = 2 * int(np.ceil(fwhm)) + 3
    clean = np.where(valid, data, np.nan)
    patches, corners = extract_cutouts(clean, x, y, size, fill=np.nan)
    distance = cutout_radii(x, y, corners, size)
    used = np.isfinite(patches) & (distance <= fwhm)
    count = used.sum(axis=(1, 2))
    model = np.interp(distance, radius, values)

    def center(array):
        total = np.where(used, array, 0).sum(axis=(1, 2))
        mean = total / np.maximum(count, 1)
        return np.where(used, array - mean[:, None, None], 0)

    model, patches = center(model), center(patches)
    norm = (model ** 2).sum(axis=(1, 2))
    flux = np.divide((model * patches).sum(axis=(1, 2)), norm,
                     out=np.zeros(len(norm)), where=(count > 3) & (norm > 0))
    return np.maximum(flux, 0)


def wing_map(shape, x, y, flux, profile):
    """
    The sources of a map as the round nominal PSF.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    x, y, flux : `~numpy.ndarray`
        Positions in pixels and fluxes, shape ``(n,)``.
    profile : tuple
        From `radial_profile`.

    Returns
    -------
    model : `~numpy.ndarray`
        Sum of the sources in the unit of ``flux`` per pixel.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.wings import radial_profile, wing_map
    >>> band = get_band('scanmap', 'blue')
    >>> profile = radial_profile(band, band.pixel_scale)
    >>> model = wing_map((81, 81), [40], [40], [3.0], profile)
    >>> bool(2.5 < model.sum() < 3)
    True
    """
    radius, values, _ = profile
    ny, nx = shape
    model = np.zeros(shape)
    for xi, yi, value in zip(x, y, flux, strict=True):
        reach = radius[-1]
        columns = np.arange(max(0, int(xi - reach)),
                            min(nx, int(xi + reach) + 2))
        rows = np.arange(max(0, int(yi - reach)),
                         min(ny, int(yi + reach) + 2))
        distance = np.hypot(columns - xi, (rows - yi)[:, None])
        model[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1] += (
            value * np.interp(distance, radius, values, right=0.0))
    return model
