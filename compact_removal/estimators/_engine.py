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

from compact_removal.cutouts import (blend_cutouts, disc_weights,
                                     extract_cutouts)
from compact_removal.estimators.flags import PIXEL_FLAGS, SOURCE_FLAGS
from compact_removal.masks import (draw_discs, mask_radius, scale_factor,
                                   source_snr)
from compact_removal.photometry import (annulus_background,
                                        aperture_correction,
                                        aperture_scatter, aperture_sums)
from compact_removal.wings import core_fluxes, radial_profile, wing_map

FLAG = {flag.name: flag.value for flag in SOURCE_FLAGS}
PIXEL_FLAG = {flag.name: flag.value for flag in PIXEL_FLAGS}

# Soft edge of the holes, in nominal pixels.
_TAPER = 3.0

# Positions closer than this many pixels are one source.
_SAME_POSITION = 0.1

# Box of the quadratic centroid fit, in pixels.
_CENTROID_BOX = 5


@dataclass
class Sources:
    """
    The sources of one removal, as columns of equal length.

    ``active`` tells which rows are processed; ``first`` gives for every
    row the row that is processed in its place.
    """

    x: np.ndarray
    y: np.ndarray
    flags: np.ndarray
    active: np.ndarray
    first: np.ndarray
    snr: np.ndarray
    std: np.ndarray
    radius: np.ndarray


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
    sources = Sources(x, y, flags, active, first, snr, std, radius)
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


def estimate_background(input_map, sources, predict, *, band, cutout_size):
    """
    Fill the holes of all sources.

    Parameters
    ----------
    input_map : InputMap
        The map.
    sources : Sources
        The sources.
    predict : callable
        Takes images (float64) and validity (bool), both of shape
        ``(n, size, size)``, and returns backgrounds of that shape.
    band : Band
        The band.
    cutout_size : int
        Side of the cutouts in pixels.

    Returns
    -------
    background : `~numpy.ndarray`
        The map without the sources, float64.
    pixel_flags : `~numpy.ndarray` of int
        Bits of ``PIXEL_FLAGS``.
    """
    data = input_map.data
    pixel_flags = np.zeros(data.shape, dtype=np.uint8)
    rows = np.flatnonzero(sources.active)
    if rows.size == 0:
        return data.copy(), pixel_flags
    # An order of the sky, not of the catalogue: sums of floats depend
    # on their order.
    rows = rows[np.lexsort((sources.x[rows], sources.y[rows]))]
    x, y, radius = sources.x[rows], sources.y[rows], sources.radius[rows]
    holes = draw_discs(data.shape, x, y, radius) > 0
    open_pixels = input_map.valid & ~holes
    profile = radial_profile(band, input_map.pixel_scale)
    flux = core_fluxes(data, input_map.valid, x, y, profile)
    wings = wing_map(data.shape, x, y, flux, profile)
    clean = np.where(open_pixels, data - wings, 0.0)
    images, corners = extract_cutouts(clean, x, y, cutout_size, fill=0.0)
    validity, _ = extract_cutouts(open_pixels, x, y, cutout_size, fill=False)
    usable = validity.any(axis=(1, 2))
    sources.flags[rows[~usable]] |= FLAG['no_background']
    sources.active[rows[~usable]] = False
    rows, x, y, radius, corners = (value[usable] for value in
                                   (rows, x, y, radius, corners))
    estimates = predict(images[usable], validity[usable])
    if not np.all(np.isfinite(estimates)):
        msg = ('weights: the network gave values that are not finite; the '
               'weights are damaged, or not those of a trained network')
        raise ValueError(msg)
    taper = _TAPER * scale_factor(band, input_map.pixel_scale)
    weights = disc_weights(x, y, radius, corners, cutout_size, taper=taper)
    blended, weight = blend_cutouts(data, estimates, weights, corners)
    changed = (weight > 0) & input_map.valid
    pixel_flags[changed & (weight < 1)] = PIXEL_FLAG['blended']
    pixel_flags[changed & (weight >= 1)] = PIXEL_FLAG['filled']
    return np.where(changed, blended, data), pixel_flags


def estimate_error(input_map, sources, pixel_flags, *, error_scale):
    """
    Error of the background per pixel.

    Outside the footprints it is the error of the input (0 without one);
    inside, the standard deviation of the annulus of eq. 1 times
    ``error_scale``, the error in the hole in units of that deviation
    that the network showed in validation. The input error is added in
    quadrature.

    Parameters
    ----------
    input_map : InputMap
        The map.
    sources : Sources
        The sources.
    pixel_flags : `~numpy.ndarray`
        Bits of ``PIXEL_FLAGS``.
    error_scale : float
        Error in the hole in units of the standard deviation of the
        annulus.

    Returns
    -------
    error : `~numpy.ndarray`
        Standard deviation in the unit of the map.
    """
    variance = np.zeros(input_map.data.shape)
    ny, nx = variance.shape
    margin = _TAPER * 2 + 1
    for i in np.flatnonzero(sources.active):
        reach = sources.radius[i] + margin
        rows = slice(max(0, int(sources.y[i] - reach)),
                     min(ny, int(sources.y[i] + reach) + 2))
        columns = slice(max(0, int(sources.x[i] - reach)),
                        min(nx, int(sources.x[i] + reach) + 2))
        variance[rows, columns] = np.maximum(
            variance[rows, columns], (error_scale * sources.std[i]) ** 2)
    variance[pixel_flags == 0] = 0
    if input_map.error is not None:
        variance = variance + np.nan_to_num(input_map.error) ** 2
    return np.sqrt(variance)


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
    error_scale : float
        Error of the network's aperture sum in units of the scatter of
        aperture sums around the source.

    Returns
    -------
    columns : dict
        Arrays of shape ``(n,)`` by column name.
    """
    scale = input_map.pixel_scale
    rows = np.flatnonzero(sources.active)
    x, y = sources.x[rows], sources.y[rows]
    hole = sources.radius[rows] * scale
    bad = ~input_map.valid
    removed = np.where(bad, 0.0, input_map.data) - np.where(
        bad, 0.0, background)
    inner, outer = (band.photometry_annulus / scale).to_value(
        u.dimensionless_unscaled)
    level, spread, count = annulus_background(input_map.data, x, y, inner,
                                              outer, mask=bad)
    columns = {}
    for i, aperture in enumerate(apertures):
        used = np.minimum(aperture, hole).to(u.arcsec)
        sources.flags[rows[used < aperture]] |= FLAG['aperture_limited']
        radius = (used / scale).to_value(u.dimensionless_unscaled)
        fraction = aperture_correction(band, used)
        unit = input_map.to_flux / fraction
        flux, flux_error, _ = aperture_sums(removed, x, y, radius, mask=bad,
                                            error=input_map.error)
        scatter = aperture_scatter(background, x, y, radius,
                                   (inner + outer) / 2, mask=bad)
        white = spread * np.sqrt(np.pi) * radius
        scatter = np.fmax(scatter, white)
        suffix = f'_{i}' if i else ''
        columns[f'flux{suffix}'] = flux * unit
        columns[f'flux_err{suffix}'] = np.hypot(
            flux_error, error_scale * scatter) * unit
        if i == 0:
            total, total_error, area = aperture_sums(
                input_map.data, x, y, radius, mask=bad,
                error=input_map.error)
            columns['annulus_flux'] = (total - level * area) * unit
            columns['annulus_flux_err'] = np.sqrt(
                total_error ** 2 + scatter ** 2
                + (area * spread) ** 2 / np.maximum(count, 1)) * unit
            columns['aperture_radius'] = used.value
            columns['aperture_correction'] = fraction
    full = {}
    for name, values in columns.items():
        full[name] = np.full(sources.x.size, np.nan)
        full[name][rows] = values
    return full
