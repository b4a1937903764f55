# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fit sources with the nominal PSF, and draw what was fitted.

The peak of a source may be ten thousand times brighter than the
structure around it, and a third of its flux falls outside the smallest
hole. So a model of each source, the round nominal PSF with a free
flux, centre, width and elongation, is fitted and taken out of the map,
wings included, before a network sees it. The paper does not do this.

The background below a source is taken as a Gaussian random field whose
power falls with the third power of the wave number, seen with the beam,
plus noise.
"""

import warnings
from functools import lru_cache

import astropy.units as u
import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.spatial import KDTree

from compact_removal.cutouts import cutout_radii, extract_cutouts
from compact_removal.psf import as_psf

__all__ = ['RadialPSF', 'fit_sources', 'render_sources']


# Reach of the wings that are modelled, in full widths at half maximum.
_REACH = 15

# Points of the radial profile per full width at half maximum.
_N_POINTS = 40

# Beyond this many full widths the shape of the core has no influence.
_CORE = 2.0

# Standard deviations of the priors on shift in x and y (pixels), and on
# the log of the width; those on the elongation follow from that of the
# PSF: a constant, and a factor on half of the log of its axis ratio.
_PRIOR = (0.3, 0.3, 0.08)
_PRIOR_ELONGATION = (0.03, 1.3)
_LIMIT = np.array([1.5, 1.5, 0.6, 0.45, 0.45])
_STEP = np.array([0.02, 0.02, 0.01, 0.01, 0.01])

_N_ITERATIONS = 4
_CHUNK = 500

# Radius of the fit, in full widths at half maximum.
_FIT_RADIUS = 2.0

# The background: slope of the power spectrum, its outer scale (full
# widths), and width of the noise (pixels).
_SLOPE = 3.0
_OUTER_SCALE = 8.0
_NOISE_FWHM = 1.5

# Noise over structure, in the covariances that sources may get: what the
# pixels around the source show, the least one, and what the error of the
# model adds, as a share of the peak of the source.
_NOISE_LEVELS = (0.15, 0.3, 0.6, 1.2, 2.5, 5.0, 20.0)
_LEAST_NOISE = 0.25
_MODEL_ERROR = 0.025

# Annulus (full widths) in which noise and structure are compared.
_ANNULUS = (3.2, 7.0)


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
        core = values[:_N_POINTS + 1] * (radius[:_N_POINTS + 1, None]
                                         * scale) ** 3
        values = values.mean(axis=1) * scale ** 2
        # linear to zero behind the last point
        self._values = np.append(values, [0.0, 0.0])
        self._slopes = np.append(np.diff(self._values), 0.0)
        self._inverse_step = _N_POINTS / self.fwhm
        # half of the log of the axis ratio, from the second harmonic
        harmonic = np.abs((core * np.exp(2j * angle)).sum()) / core.sum()
        self.elongation = float(np.clip(harmonic, 0, 0.5))
        self._whiteners = {}

    @property
    def prior(self):
        """
        Standard deviations of the priors on the shapes, shape ``(5,)``.
        """
        floor, factor = _PRIOR_ELONGATION
        return np.array([*_PRIOR, *2 * [floor + factor * self.elongation]])

    def whitener(self, level):
        """
        Matrix that makes the background of a patch white.

        Parameters
        ----------
        level : int
            Index into the levels of noise over structure.

        Returns
        -------
        offsets : `~numpy.ndarray` of int
            Row and column of the pixels of the patch, shape ``(2, p)``.
        matrix : `~numpy.ndarray`
            Shape ``(p, p)``.
        """
        if level not in self._whiteners:
            radius = max(_FIT_RADIUS * self.fwhm, 3.0)
            half = int(np.ceil(radius))
            rows, columns = np.indices((2 * half + 1,) * 2) - half
            offsets = np.array(np.nonzero(np.hypot(rows, columns) <= radius))
            covariance = _covariance(self.fwhm, _NOISE_LEVELS[level])
            rows, columns = np.abs(offsets[:, :, None]
                                   - offsets[:, None, :])
            matrix = covariance[rows, columns] + 1e-6 * np.eye(rows.shape[0])
            self._whiteners[level] = (
                offsets, np.linalg.inv(np.linalg.cholesky(matrix)))
        return self._whiteners[level]

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
    Fit flux and shape of sources.

    Maximum of the posterior within 2 FWHM, with the background as a
    Gaussian random field. Priors keep shift, width and elongation near
    their nominal values where a source is faint. Neighbours are taken
    out in a second round.

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
    neighbors, owners = _close_pairs(x, y, 6 * psf.fwhm)
    graininess = np.empty(x.size)
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
            else:
                graininess[rows] = _graininess(clean, x[rows], y[rows], psf)
            flux[rows], shapes[rows] = _fit_patches(
                patches, dx, dy, used, psf, noise[rows], graininess[rows])
    return flux, shapes


def _covariance(fwhm, noise, size=256):
    """
    Covariance of two pixels by their distance along y and x.

    Of unit variance: structure with a power spectrum and a beam, plus
    correlated noise, ``noise`` times stronger.
    """
    k = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    outer = np.maximum(k, 1 / (_OUTER_SCALE * fwhm))
    structure = outer ** -_SLOPE * _beam(k, 1.1 * fwhm)
    structure[0, 0] = 0
    grain = _beam(k, _NOISE_FWHM)
    power = (structure / structure.sum() + noise ** 2 * grain / grain.sum())
    return np.fft.ifft2(power / power.sum()).real * power.size


def _beam(k, fwhm):
    """
    Power of a Gaussian beam at wave numbers.
    """
    sigma = fwhm * gaussian_fwhm_to_sigma
    return np.exp(-4 * (np.pi * sigma * k) ** 2)


@lru_cache(maxsize=64)
def _expected_graininess(fwhm):
    """
    What `_graininess` is expected to find for each level of the noise.
    """
    expected = []
    for noise in _NOISE_LEVELS:
        c = _covariance(fwhm, noise)
        # of a pixel minus the mean of its four neighbours
        near, diagonal, far = c[0, 1], c[1, 1], c[0, 2]
        expected.append(1 - 2 * near + (4 + 8 * diagonal + 4 * far) / 16)
    return np.sqrt(expected)


def _graininess(clean, x, y, psf):
    """
    Rms of pixels minus their neighbours, over that of the pixels.

    Both robust, in an annulus around each source.
    """
    inner, outer = (max(value * psf.fwhm, least) for value, least
                    in zip(_ANNULUS, (6.0, 12.0), strict=True))
    size = 2 * int(np.ceil(outer)) + 3
    patches, corners = extract_cutouts(clean, x, y, size, fill=np.nan)
    fine = patches[:, 1:-1, 1:-1] - (
        patches[:, 2:, 1:-1] + patches[:, :-2, 1:-1]
        + patches[:, 1:-1, 2:] + patches[:, 1:-1, :-2]) / 4
    radius = cutout_radii(x, y, corners + 1, size - 2)
    ring = (radius >= inner) & (radius <= outer)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'All-NaN slice')
        low, high = np.nanpercentile(
            np.where(ring, patches[:, 1:-1, 1:-1], np.nan), [16, 84],
            axis=(1, 2))
        fine_low, fine_high = np.nanpercentile(
            np.where(ring, fine, np.nan), [16, 84], axis=(1, 2))
    return np.divide(fine_high - fine_low, high - low,
                     out=np.zeros(len(x)), where=high > low)


def _patches(clean, x, y, psf):
    """
    Pixels around sources, their offsets, and which are known.
    """
    (rows, columns), _ = psf.whitener(0)
    size = int(rows.max()) + 1
    patches, corners = extract_cutouts(clean, x, y, size, fill=np.nan)
    dx = columns + (corners[:, 0] - x)[:, None]
    dy = rows + (corners[:, 1] - y)[:, None]
    patches = patches[:, rows, columns]
    return patches, dx, dy, np.isfinite(patches)


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
    shift_x = (x[rows[place]] - x[neighbors])[:, None]
    shift_y = (y[rows[place]] - y[neighbors])[:, None]
    light = flux[neighbors, None] * psf.evaluate(
        dx[place] + shift_x, dy[place] + shift_y,
        shapes[neighbors][:, None])
    np.subtract.at(patches, place, light)


def _fit_patches(patches, dx, dy, used, psf, noise, graininess):
    """
    Gauss-Newton steps to the maximum of the posterior.
    """
    n = len(patches)
    shapes = np.zeros((n, 5))
    # without the level, which would cost digits
    count = np.maximum(used.sum(axis=1, keepdims=True), 1)
    values = np.where(used, patches, 0.0)
    level = values.sum(axis=1, keepdims=True) / count
    values = np.where(used, values - level, 0.0)
    known = np.isfinite(noise) & (noise > 0)
    scale = np.where(known, noise, 1.0)
    values = values / scale[:, None]
    enough = used.sum(axis=1) > 3

    # Noise over structure decides on the covariance.
    expected = _expected_graininess(round(psf.fwhm, 3))
    pixel_noise = np.exp(np.interp(graininess, expected,
                                   np.log(_NOISE_LEVELS)))
    core = np.where(used & (dx ** 2 + dy ** 2 < psf.fwhm ** 2), values, 0)
    peak = np.where(known, core.max(axis=1), np.inf)
    wanted = np.sqrt(pixel_noise ** 2 + _LEAST_NOISE ** 2
                     + (_MODEL_ERROR * peak) ** 2)
    levels = np.abs(np.log(np.minimum(wanted, 1e3))[:, None]
                    - np.log(_NOISE_LEVELS)).argmin(axis=1)

    def whiten(design):
        result = np.empty_like(design)
        for one in np.unique(levels):
            rows = levels == one
            _, matrix = psf.whitener(one)
            result[rows] = np.matmul(matrix, design[rows])
        return result

    prior = psf.prior
    flux = np.zeros(n)
    for iteration in range(_N_ITERATIONS + 1):
        model = psf.evaluate(dx, dy, shapes[:, None])
        columns = [np.ones_like(model), model]
        if iteration:
            for k, step in enumerate(_STEP):
                moved = shapes.copy()
                moved[:, k] += step
                other = psf.evaluate(dx, dy, moved[:, None])
                columns.append(flux[:, None] * (other - model) / step)
        columns.append(values)
        design = whiten(np.stack(columns, axis=-1) * used[..., None])
        target, design = design[..., -1], design[..., :-1]
        normal = np.einsum('npi,npj->nij', design, design)
        right = np.einsum('npi,np->ni', design, target)
        # a faint floor keeps the matrices regular
        normal[:, 0, 0] += 1e-9
        normal[:, 1, 1] += 1e-9 * normal[:, 1, 1] + 1e-12
        if iteration:
            shape = np.arange(2, 7)
            normal[:, shape, shape] += prior ** -2.0
            right[:, 2:] -= shapes / prior ** 2
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
