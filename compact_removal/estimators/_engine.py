# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The way of a map through a removal: masks, cutouts, network, blending,
photometry.
"""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.utils.exceptions import AstropyUserWarning
from photutils.centroids import centroid_quadratic
from scipy.spatial import KDTree

from compact_removal import nn
from compact_removal.cutouts import extract_cutouts
from compact_removal.estimators.calibration import interpolate_errors
from compact_removal.estimators.flags import PIXEL_FLAGS, SOURCE_FLAGS
from compact_removal.masks import mask_radius, scale_factor, source_snr
from compact_removal.photometry import (annulus_background,
                                        aperture_correction,
                                        aperture_scatter, aperture_sums)
from compact_removal.psf import as_psf

FLAG = {flag.name: flag.value for flag in SOURCE_FLAGS}
PIXEL_FLAG = {flag.name: flag.value for flag in PIXEL_FLAGS}

# Positions closer than this many pixels are one source.
_SAME_POSITION = 0.1

# Box of the quadratic centroid fit, in pixels.
_CENTROID_BOX = 5


@dataclass
class Sources:
    """
    The sources of one removal, as columns of equal length.

    ``active`` tells which rows are processed; ``first`` gives for every
    row the row that is processed in its place. ``footprint`` is the
    radius (pixels) within which the map is changed, ``flux_error`` what
    the network tells of the errors of aperture sums, ``n_psf`` the
    number of sources from which the PSF of the map was learned.
    """

    x: np.ndarray
    y: np.ndarray
    flags: np.ndarray
    active: np.ndarray
    first: np.ndarray
    snr: np.ndarray
    std: np.ndarray
    radius: np.ndarray
    footprint: np.ndarray
    flux_error: np.ndarray
    n_psf: int = 0


def locate(input_map, coordinates, band, *, recenter):
    """
    Pixel positions, signal-to-noise ratios and mask radii of sources.

    Parameters
    ----------
    input_map : InputMap
        The map.
    coordinates : SkyCoord
        Positions, shape ``(n,)``.
    band : Band
        The band.
    recenter : bool
        Whether to move positions to the centroid.

    Returns
    -------
    sources : Sources
        The sources, in the order of ``coordinates``.
    """
    n_sources = len(coordinates)
    flags = np.zeros(n_sources, dtype=np.int64)
    if n_sources:
        x, y = (np.asarray(value, dtype=float) for value in
                input_map.wcs.world_to_pixel(coordinates))
    else:
        x, y = np.zeros((2, 0))
    ny, nx = input_map.data.shape
    with np.errstate(invalid='ignore'):
        active = ((x >= -0.5) & (x <= nx - 0.5)
                  & (y >= -0.5) & (y <= ny - 0.5))
    flags[~active] |= FLAG['off_map']
    if recenter:
        _recenter(input_map, x, y, active, flags)
    first = _first_of_duplicates(x, y, active)
    duplicate = first != np.arange(n_sources)
    flags[duplicate] |= FLAG['duplicate']
    active &= ~duplicate
    factor = scale_factor(band, input_map.pixel_scale)
    snr, std, radius = np.full((3, n_sources), np.nan)
    inner, outer = band.annulus_radii
    snr[active], mean, std[active] = source_snr(
        input_map.data, x[active], y[active],
        source_radius=band.source_radius * factor,
        annulus_radii=(inner * factor, outer * factor),
        mask=~input_map.valid)
    radius[active] = mask_radius(snr[active], band,
                                 pixel_scale=input_map.pixel_scale)
    empty = np.zeros(n_sources, dtype=bool)
    empty[active] = ~np.isfinite(mean)
    flags[empty] |= FLAG['no_background']
    active &= ~empty
    sources = Sources(x, y, flags, active, first, snr, std, radius,
                      radius.copy(),
                      np.full((n_sources, len(nn.ERROR_RADII)), np.nan))
    _flag_holes(input_map, sources)
    return sources


def _recenter(input_map, x, y, active, flags):
    """
    Move positions to the quadratic centroid of the core, in place.
    """
    rows = np.flatnonzero(active)
    box = 2 * _CENTROID_BOX + 1
    patches, corners = extract_cutouts(input_map.data, x[rows], y[rows], box,
                                       fill=np.nan)
    usable, _ = extract_cutouts(input_map.valid, x[rows], y[rows], box,
                                fill=False)
    for row, patch, good, corner in zip(rows, patches, usable, corners,
                                        strict=True):
        with warnings.catch_warnings():
            # Failures come back as NaN, which is flagged.
            warnings.simplefilter('ignore', AstropyUserWarning)
            found = corner + centroid_quadratic(patch, mask=~good,
                                                fit_boxsize=_CENTROID_BOX)
        if np.hypot(found[0] - x[row], found[1] - y[row]) < _CENTROID_BOX:
            x[row], y[row] = found
        else:
            flags[row] |= FLAG['not_recentered']


def _first_of_duplicates(x, y, active):
    """
    For every row, the first row at the same position.
    """
    first = np.arange(x.size)
    rows = np.flatnonzero(active)
    if rows.size > 1:
        tree = KDTree(np.column_stack([x[rows], y[rows]]))
        for low, high in sorted(tree.query_pairs(_SAME_POSITION)):
            first[rows[high]] = min(first[rows[high]], first[rows[low]])
    return first


def _flag_holes(input_map, sources):
    """
    Flag holes on edges, on invalid pixels, and those that overlap.
    """
    ny, nx = input_map.data.shape
    rows = np.flatnonzero(sources.active)
    x, y, radius = sources.x[rows], sources.y[rows], sources.radius[rows]
    edge = ((x - radius < -0.5) | (x + radius > nx - 0.5)
            | (y - radius < -0.5) | (y + radius > ny - 0.5))
    sources.flags[rows[edge]] |= FLAG['edge']
    center = input_map.valid[np.clip(np.rint(y), 0, ny - 1).astype(int),
                             np.clip(np.rint(x), 0, nx - 1).astype(int)]
    sources.flags[rows[~center]] |= FLAG['invalid_center']
    _, _, good = aperture_sums(input_map.data, x, y, radius,
                               mask=~input_map.valid)
    _, _, inside = aperture_sums(np.zeros((ny, nx)), x, y, radius)
    sources.flags[rows[good < inside - 1e-6]] |= FLAG['invalid_pixels']
    if rows.size > 1:
        tree = KDTree(np.column_stack([x, y]))
        pairs = tree.query_pairs(2 * radius.max(), output_type='ndarray')
        i, j = pairs.T
        close = np.hypot(x[i] - x[j], y[i] - y[j]) < radius[i] + radius[j]
        for index in (i[close], j[close]):
            sources.flags[rows[index]] |= FLAG['overlap']


def measure(input_map, background, sources, *, band, apertures, error_scale):
    """
    Fluxes of the removed sources, and standard photometry beside them.

    Parameters
    ----------
    input_map : InputMap
        The map.
    background : `~numpy.ndarray`
        The map without the sources.
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
    bad = ~input_map.valid
    removed = np.where(bad, 0.0, input_map.data) - np.where(
        bad, 0.0, background)
    inner, outer = (band.photometry_annulus / scale).to_value(
        u.dimensionless_unscaled)
    level, spread, count = annulus_background(input_map.data, x, y, inner,
                                              outer, mask=bad)
    fwhm = float(as_psf(band).fwhm
                 / scale.to_value(u.arcsec))
    factor = error_scale(sources.snr[rows])
    columns = {}
    for i, aperture in enumerate(apertures):
        used = np.minimum(aperture, largest).to(u.arcsec)
        sources.flags[rows[used < aperture]] |= FLAG['aperture_limited']
        radius = (used / scale).to_value(u.dimensionless_unscaled)
        fraction = aperture_correction(band, used)
        unit = input_map.to_flux / fraction
        flux, flux_error, area = aperture_sums(removed, x, y, radius,
                                               mask=bad,
                                               error=input_map.error)
        scatter = aperture_scatter(background, x, y, radius,
                                   (inner + outer) / 2, mask=bad)
        white = spread * np.sqrt(np.pi) * radius
        scatter = np.fmax(scatter, white)
        told = interpolate_errors(sources.flux_error[rows], radius / fwhm)
        noise = _source_noise(input_map, x, y, flux_error, area,
                              (inner, outer))
        suffix = f'_{i}' if i else ''
        # nothing was measured, which is not a flux of 0
        flux = np.where(area > 0, flux, np.nan)
        columns[f'flux{suffix}'] = flux * unit
        columns[f'flux_err{suffix}'] = np.hypot(
            noise, factor * np.where(np.isfinite(told), told, scatter)) * unit
        columns[f'aperture_radius{suffix}'] = np.round(used.value, 6)
        columns[f'aperture_correction{suffix}'] = fraction
        if i == 0:
            total, total_error, area = aperture_sums(
                input_map.data, x, y, radius, mask=bad,
                error=input_map.error)
            columns['annulus_flux'] = np.where(
                area > 0, (total - level * area) * unit, np.nan)
            columns['annulus_flux_err'] = np.sqrt(
                total_error ** 2 + scatter ** 2
                + (area * spread) ** 2 / np.maximum(count, 1)) * unit
    full = {}
    for name, values in columns.items():
        full[name] = np.full(sources.x.size, np.nan)
        full[name][rows] = values
    return full


def _source_noise(input_map, x, y, sum_error, area, annulus):
    """
    Noise of aperture sums beyond that of the background: the sources'.

    The noise of the background is part of the error of its estimate.
    """
    if input_map.error is None:
        return np.zeros(np.size(x))
    variance, _, _ = annulus_background(input_map.error ** 2, x, y, *annulus,
                                        mask=~input_map.valid)
    excess = sum_error ** 2 - area * np.nan_to_num(variance)
    return np.sqrt(np.maximum(excess, 0))
