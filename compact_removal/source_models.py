# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fit sources with the nominal PSF, and draw what was fitted.

The peak of a source may be ten thousand times brighter than the
structure around it, and a third of its flux falls outside the smallest
hole. So a model of each source, the round nominal PSF with a free
flux, centre, width and elongation, is fitted to its core and taken out
of the map, wings included, before a network sees it. The paper does not
do this.
"""

import astropy.units as u
import numpy as np
from scipy.spatial import KDTree

from compact_removal.cutouts import extract_cutouts
from compact_removal.psf import as_psf

__all__ = ['RadialPSF', 'fit_sources', 'render_sources']

# Reach of the wings that are modelled, in full widths at half maximum.
_REACH = 15

# Points of the radial profile per full width at half maximum.
_N_POINTS = 40

# Beyond this many full widths the shape of the core has no influence.
_CORE = 2.0

# Standard deviations of the priors on shift in x and y (pixels), log of
# the width, and the two components of the elongation; and limits.
_PRIOR = np.array([0.35, 0.35, 0.12, 0.12, 0.12])
_LIMIT = np.array([1.5, 1.5, 0.6, 0.45, 0.45])
_STEP = np.array([0.02, 0.02, 0.01, 0.01, 0.01])

_N_ITERATIONS = 4
_CHUNK = 2000


class RadialPSF:
    """
    Mean of a PSF over position angles, for one pixel scale.

    Parameters
    ----------
    band : Band
        The band.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels of the map (angle).

    Attributes
    ----------
    fwhm : float
        Full width at half maximum of the core (pixels).

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.source_models import RadialPSF
    >>> band = get_band('scanmap', 'blue')
    >>> psf = RadialPSF(band, band.pixel_scale)
    >>> round(psf.fwhm, 1), bool(psf(0) > 2 * psf(psf.fwhm))
    (3.1, True)
    """

    def __init__(self, band, pixel_scale):
        psf = as_psf(band, pixel_scale=pixel_scale)
        scale = pixel_scale.to_value(u.arcsec)
        self.fwhm = float(psf.fwhm / scale)
        self.reach = _REACH * self.fwhm
        radius = np.linspace(0, self.reach, _N_POINTS * _REACH + 1)
        angle = np.arange(24) * (2 * np.pi / 24)
        arcsec = radius[:, None] * scale
        values = psf.evaluate(arcsec * np.cos(angle), arcsec * np.sin(angle))
        values = values.mean(axis=1) * scale ** 2
        # linear to zero behind the last point
        self._values = np.append(values, [0.0, 0.0])
        self._slopes = np.append(np.diff(self._values), 0.0)
        self._inverse_step = _N_POINTS / self.fwhm

    def __call__(self, radius):
        """
        Fraction of the flux per pixel at a radius.

        Parameters
        ----------
        radius : array_like
            Radii (pixels).

        Returns
        -------
        values : `~numpy.ndarray`
            Values >= 0; 0 beyond 15 full widths.
        """
        place = np.asarray(radius) * self._inverse_step
        place = np.minimum(place, self._values.size - 1)
        index = place.astype(np.intp)
        return self._values[index] + self._slopes[index] * (place - index)

    def evaluate(self, dx, dy, shapes):
        """
        The PSF, shifted, broadened and stretched.

        Only the core takes part in broadening and stretching, not the
        wings.

        Parameters
        ----------
        dx, dy : array_like
            Offsets (pixels) from the catalogue position.
        shapes : array_like
            Shift in x and in y (pixels), log of the width, and the two
            components of the elongation: half of the log of the axis
            ratio times cosine and sine of twice the position angle.
            Shape ``(..., 5)`` such that each broadcasts with ``dx``.

        Returns
        -------
        values : `~numpy.ndarray`
            Fraction of the flux per pixel.
        """
        shift_x, shift_y, width, e1, e2 = np.moveaxis(shapes, -1, 0)
        dx, dy = dx - shift_x, dy - shift_y
        squared = dx ** 2 + dy ** 2
        weight = np.exp(-squared / (_CORE * self.fwhm) ** 2)
        size = np.hypot(e1, e2)
        ratio = np.sinh(size) / np.maximum(size, 1e-12)
        cosh, shrink = np.cosh(size), np.exp(-width)
        e1, e2 = e1 * ratio, e2 * ratio
        inner_x = shrink * ((cosh - e1) * dx - e2 * dy)
        inner_y = shrink * ((cosh + e1) * dy - e2 * dx)
        squared = squared + weight * (inner_x ** 2 + inner_y ** 2 - squared)
        return ((1 + weight * (shrink ** 2 - 1))
                * self(np.sqrt(np.maximum(squared, 0))))


def fit_sources(data, valid, x, y, psf, noise):
    """
    Fit flux and shape of sources, with a constant below each.

    Maximum of the posterior within 1.2 FWHM. Priors keep shift, width
    and elongation near their nominal values where a source is faint.
    Neighbours are taken out in a second round.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``.
    valid : array_like of bool
        True where a pixel may be used, shape ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    psf : RadialPSF
        The nominal PSF.
    noise : array_like
        Standard deviation of the background around each source, shape
        ``(n,)``. Where it is not positive and finite, the shape is not
        fitted.

    Returns
    -------
    flux : `~numpy.ndarray`
        In the unit of ``data`` times pixel, not below 0, shape
        ``(n,)``; 0 where too few pixels are usable.
    shapes : `~numpy.ndarray`
        See `RadialPSF.evaluate`, shape ``(n, 5)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import make_psf_stamp
    >>> from compact_removal.source_models import RadialPSF, fit_sources
    >>> band = get_band('scanmap', 'blue')
    >>> psf = RadialPSF(band, band.pixel_scale)
    >>> data = 1.0 + 5.0 * make_psf_stamp(band, shape=(41, 41),
    ...                                   center=(20.4, 20))
    >>> flux, shapes = fit_sources(data, data > 0, [20], [20], psf, [0.001])
    >>> bool(abs(flux[0] - 5) < 0.25), bool(abs(shapes[0, 0] - 0.4) < 0.02)
    (True, True)
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    noise = np.asarray(noise, dtype=float)
    flux, shapes = np.zeros(x.size), np.zeros((x.size, 5))
    clean = np.where(valid, data, np.nan)
    neighbors, owners = _close_pairs(x, y, 5 * psf.fwhm)
    for second in (False, True):
        chosen = np.arange(x.size)
        if second:
            chosen = np.unique(owners)
        for start in range(0, chosen.size, _CHUNK):
            rows = chosen[start:start + _CHUNK]
            patches, dx, dy, used = _patches(clean, x[rows], y[rows], psf)
            if second:
                _subtract(patches, rows, neighbors, owners, x, y, flux,
                          shapes, dx, dy, psf)
            flux[rows], shapes[rows] = _fit_patches(
                patches, dx, dy, used, psf, noise[rows])
    return flux, shapes


def _patches(clean, x, y, psf):
    """
    Pixels around sources, their offsets, and which take part.
    """
    radius = max(1.2 * psf.fwhm, 2.2)
    size = 2 * int(np.ceil(radius)) + 1
    patches, corners = extract_cutouts(clean, x, y, size, fill=np.nan)
    grid = np.arange(size)
    dx = (corners[:, 0, None] + grid - x[:, None])[:, None, :]
    dy = (corners[:, 1, None] + grid - y[:, None])[:, :, None]
    used = np.isfinite(patches) & (dx ** 2 + dy ** 2 <= radius ** 2)
    return patches, dx, dy, used


def _close_pairs(x, y, distance):
    """
    Pairs of sources: the neighbour, and in whose patch it shines.
    """
    if x.size < 2:
        return np.zeros((2, 0), dtype=int)
    tree = KDTree(np.column_stack([x, y]))
    pairs = tree.query_pairs(distance, output_type='ndarray')
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    return pairs[np.lexsort(pairs.T)].T


def _subtract(patches, rows, neighbors, owners, x, y, flux, shapes, dx, dy,
              psf):
    """
    Take neighbours out of patches, in place.
    """
    place = np.searchsorted(rows, owners)
    mine = (place < rows.size) & (rows[np.minimum(place, rows.size - 1)]
                                  == owners)
    neighbors, place = neighbors[mine], place[mine]
    shift_x = (x[rows[place]] - x[neighbors])[:, None, None]
    shift_y = (y[rows[place]] - y[neighbors])[:, None, None]
    light = flux[neighbors, None, None] * psf.evaluate(
        dx[place] + shift_x, dy[place] + shift_y,
        shapes[neighbors][:, None, None])
    np.subtract.at(patches, place, light)


def _fit_patches(patches, dx, dy, used, psf, noise):
    """
    Gauss-Newton steps to the maximum of the posterior.
    """
    n = len(patches)
    shapes = np.zeros((n, 5))
    weight = used.astype(float)
    # without the level, which would cost digits
    count = np.maximum(used.sum(axis=(1, 2), keepdims=True), 1)
    values = np.where(used, patches, 0.0)
    level = values.sum(axis=(1, 2), keepdims=True) / count
    values = np.where(used, values - level, 0.0)
    known = np.isfinite(noise) & (noise > 0)
    # Scaled to the noise, priors and data have the same weight.
    scale = np.where(known, noise, 1.0)
    values = values / scale[:, None, None]
    enough = used.sum(axis=(1, 2)) > 3
    flux = np.zeros(n)
    for iteration in range(_N_ITERATIONS + 1):
        model = psf.evaluate(dx, dy, shapes[:, None, None])
        columns = [np.ones_like(model), model]
        if iteration:
            for k, step in enumerate(_STEP):
                moved = shapes.copy()
                moved[:, k] += step
                other = psf.evaluate(dx, dy, moved[:, None, None])
                columns.append(flux[:, None, None] * (other - model) / step)
        design = np.stack(columns, axis=-1) * weight[..., None]
        design = design.reshape(n, -1, len(columns))
        target = values.reshape(n, -1)
        normal = np.einsum('npi,npj->nij', design, design)
        right = np.einsum('npi,np->ni', design, target)
        # a faint floor keeps the matrices regular
        normal[:, 0, 0] += 1e-9
        normal[:, 1, 1] += 1e-9 * normal[:, 1, 1] + 1e-12
        if iteration:
            shape = np.arange(2, 7)
            normal[:, shape, shape] += _PRIOR ** -2.0
            right[:, 2:] -= shapes / _PRIOR ** 2
        solution = np.linalg.solve(normal, right[..., None])[..., 0]
        if iteration:
            moved = np.clip(shapes + solution[:, 2:], -_LIMIT, _LIMIT)
            shapes = np.where(known[:, None], moved, 0.0)
        flux = np.where(enough, np.maximum(solution[:, 1], 0), 0.0)
    shapes[flux == 0] = 0
    return flux * scale, shapes


def render_sources(shape, x, y, flux, shapes, psf):
    """
    Draw fitted sources.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    flux, shapes : array_like
        From `fit_sources`.
    psf : RadialPSF
        The nominal PSF.

    Returns
    -------
    model : `~numpy.ndarray`
        Sum of the sources in the unit of ``flux`` per pixel.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.source_models import RadialPSF, render_sources
    >>> band = get_band('scanmap', 'blue')
    >>> psf = RadialPSF(band, band.pixel_scale)
    >>> model = render_sources((81, 81), [40], [40], [3.0],
    ...                        np.zeros((1, 5)), psf)
    >>> bool(2.5 < model.sum() < 3)
    True
    """
    ny, nx = shape
    model = np.zeros(shape)
    reach = psf.reach
    for xi, yi, value, form in zip(x, y, flux, shapes, strict=True):
        columns = slice(max(0, int(xi - reach)), min(nx, int(xi + reach) + 2))
        rows = slice(max(0, int(yi - reach)), min(ny, int(yi + reach) + 2))
        if value <= 0 or rows.start >= rows.stop or (columns.start
                                                     >= columns.stop):
            continue
        dx = np.arange(columns.start, columns.stop) - xi
        dy = np.arange(rows.start, rows.stop) - yi
        model[rows, columns] += value * psf.evaluate(dx, dy[:, None], form)
    return model
