# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fluxes of removed sources, and standard photometry beside them.
"""

import astropy.units as u
import numpy as np

from compact_removal.removal.locate import FLAG
from compact_removal.removal.calibration import interpolate_errors
from compact_removal.photometry import (annulus_background,
                                        aperture_correction, aperture_scatter,
                                        aperture_sums)
from compact_removal.psf import fwhm_in_pixels

__all__ = ['measure']


def measure(input_map, background, sources, *, band, apertures, error_scale):
    """
    Fluxes of the removed sources, and standard photometry beside them.

    Parameters
    ----------
    input_map : InputMap
        The map.
    background : Background
        The map without the sources, and their light.
    sources : Sources
        The sources.
    band : Band
        The band.
    apertures : `~astropy.units.Quantity`
        Radii (angle), shape ``(m,)``.
    error_scale : callable
        Maps signal-to-noise ratios to factors on the errors of aperture
        sums: on those that the network tells, or else on the scatter of
        aperture sums around the source.

    Returns
    -------
    columns : dict
        Arrays of shape ``(n,)`` by column name.
    """
    scale = input_map.pixel_scale
    rows = np.flatnonzero(sources.active)
    x, y = sources.x[rows], sources.y[rows]
    largest = sources.footprint[rows] * scale
    mask = input_map.mask
    annulus = (band.photometry_annulus / scale).to_value(
        u.dimensionless_unscaled)
    level, spread, count = annulus_background(input_map.data, x, y, *annulus,
                                              mask=mask)
    fwhm = fwhm_in_pixels(band, scale)
    variance = _noise_variance(input_map, x, y, annulus)
    factor = error_scale(sources.snr[rows])
    columns = {}
    for i, aperture in enumerate(apertures):
        used = np.minimum(aperture, largest).to(u.arcsec)
        sources.flags[rows[used < aperture]] |= FLAG['aperture_limited']
        radius = (used / scale).to_value(u.dimensionless_unscaled)
        fraction = aperture_correction(band, used)
        unit = input_map.to_flux / fraction
        area = background.areas[i, rows]
        total, total_error, area_total = aperture_sums(
            input_map.data, x, y, radius, mask=mask, error=input_map.error)
        scatter = aperture_scatter(background.data, x, y, radius,
                                   np.mean(annulus), mask=mask)
        scatter = np.fmax(scatter, spread * np.sqrt(np.pi) * radius)
        told = interpolate_errors(sources.flux_error[rows], radius / fwhm)
        told = factor * np.where(np.isfinite(told), told, scatter)
        # the noise of the background is part of the error of its estimate
        noise = np.sqrt(np.maximum(
            total_error ** 2 - area_total * variance, 0))
        suffix = f'_{i}' if i else ''
        # nothing was measured, which is not a flux of 0
        flux = np.where(area > 0, background.sums[i, rows], np.nan)
        columns[f'flux{suffix}'] = flux * unit
        columns[f'flux_err{suffix}'] = np.where(
            area > 0, np.sqrt(noise ** 2 + told ** 2
                              + (sources.blend_error[rows] * fraction) ** 2),
            np.nan) * unit
        columns[f'aperture_radius{suffix}'] = np.round(used.value, 6)
        columns[f'aperture_correction{suffix}'] = fraction
        if i == 0:
            columns['annulus_flux'] = np.where(
                area_total > 0, (total - level * area_total) * unit, np.nan)
            columns['annulus_flux_err'] = np.sqrt(
                total_error ** 2 + scatter ** 2
                + (area_total * spread) ** 2 / np.maximum(count, 1)) * unit
    full = {}
    for name, values in columns.items():
        full[name] = np.full(sources.x.size, np.nan)
        full[name][rows] = values
    return full


def _noise_variance(input_map, x, y, annulus):
    """
    Variance of a pixel around sources, by the uncertainty of the map.
    """
    if input_map.error is None:
        return np.zeros(np.size(x))
    level, spread, _ = annulus_background(input_map.error, x, y, *annulus,
                                          mask=input_map.mask)
    return np.nan_to_num(level ** 2 + spread ** 2)
