# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The pixels around sources, made ready for linear fits.
"""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.spatial import KDTree

from compact_removal.fitting.covariance import (NOISE_LEVELS,
                                                expected_noise_ratio,
                                                make_covariance,
                                                make_whitener)
from compact_removal.maps.cutouts import (chunk_slices, cutout_radii,
                                          extract_valid)
from compact_removal.maps.holes import ANNULUS_FWHM

__all__ = ['SourcePatches', 'close_pairs', 'masked_median',
           'measure_noise_ratio', 'normal_equations', 'percentile_range']

# The least noise over structure that is assumed.
_LEAST_NOISE = 0.25

# The annulus in which noise and structure are compared has at least these
# radii (pixels).
_LEAST_ANNULUS = (6.0, 12.0)

# Pairs of sources and patches that are drawn at a time.
_CHUNK_PAIRS = 20_000

# Steps for the derivatives by the shapes.
_STEPS = (0.02, 0.02, 0.01, 0.01, 0.01)


class SourcePatches:
    """
    Round patches of a map around sources.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map, shape ``(ny, nx)``.
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``.
    psf : SourcePSF
        The PSF.
    radius : float
        Radius of the patches (full widths).
    mask : `~numpy.ndarray` of bool, optional
        True where a pixel must not be used, shape ``(ny, nx)``.

    Attributes
    ----------
    dx, dy : `~numpy.ndarray`
        Offsets of the pixels from the sources, shape ``(n, p)``.
    used : `~numpy.ndarray` of bool
        Which pixels are known, shape ``(n, p)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.fitting.patches import SourcePatches
    >>> from compact_removal.fitting import SourcePSF
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> xy = np.array([20.0])
    >>> patches = SourcePatches(np.ones((41, 41)), xy, xy, psf, 1.0)
    >>> patches.used.shape, float(patches.dx.min())
    ((1, 29), -3.0)
    """

    def __init__(self, data, x, y, psf, radius, *, mask=None):
        (rows, columns), _ = make_whitener(psf.fwhm, 0, radius)
        size = int(rows.max()) + 1
        patches, corners = extract_valid(data, x, y, size, mask=mask)
        self.dx = columns + (corners[:, 0] - x)[:, None]
        self.dy = rows + (corners[:, 1] - y)[:, None]
        self._data = patches[:, rows, columns]
        self.used = np.isfinite(self._data)
        self._radius = radius

    def light(self, place, x, y, flux, shapes, psf):
        """
        Compute the light of sources in patches.

        Parameters
        ----------
        place : `~numpy.ndarray` of int
            In which patch, shape ``(m,)``.
        x, y : `~numpy.ndarray`
            Where the sources are, relative to the centre of the patch
            (pixels), shape ``(m,)``.
        flux, shapes : `~numpy.ndarray`
            Of the sources, shape ``(m,)`` and ``(m, 5)``.
        psf : SourcePSF
            The PSF.

        Returns
        -------
        light : `~numpy.ndarray`
            Shape ``(m, p)``.
        """
        return flux[:, None] * psf.evaluate(
            self.dx[place] - x[:, None], self.dy[place] - y[:, None],
            shapes[:, None])

    def subtract(self, place, x, y, flux, shapes, psf):
        """
        Take neighbours out, in place.

        Parameters
        ----------
        place, x, y, flux, shapes, psf
            See `light`.
        """
        for start in range(0, place.size, _CHUNK_PAIRS):
            part = slice(start, start + _CHUNK_PAIRS)
            np.subtract.at(self._data, place[part], self.light(
                place[part], x[part], y[part], flux[part], shapes[part],
                psf))

    def copy_values(self):
        """
        Copy the pixels, as they are after what was taken out.

        Returns
        -------
        values : `~numpy.ndarray`
            In the unit of the map, NaN where unknown, shape ``(n, p)``.
        """
        return self._data.copy()

    def scale(self, noise, noise_ratio, psf):
        """
        Choose scale and covariance of each patch.

        Sets ``known`` (whether the noise is), ``unit`` (the unit of
        ``values``, which have no mean), ``std`` (of background and
        errors of the PSF, in ``unit``), and ``levels`` (of the noise).

        Parameters
        ----------
        noise, noise_ratio : `~numpy.ndarray`
            Standard deviation of the background around the sources, and
            what `measure_noise_ratio` gives, shape ``(n,)``.
        psf : SourcePSF
            The PSF.
        """
        self.known = np.isfinite(noise) & (noise > 0)
        self.unit = np.where(self.known, noise, 1.0)
        # without the level, which would cost digits
        count = np.maximum(self.used.sum(axis=1, keepdims=True), 1)
        values = np.where(self.used, self._data, 0.0)
        level = values.sum(axis=1, keepdims=True) / count
        self.values = (np.where(self.used, values - level, 0.0)
                       / self.unit[:, None])
        levels = np.array(NOISE_LEVELS)
        pixel_noise = np.exp(np.interp(
            noise_ratio, expected_noise_ratio(psf.fwhm), np.log(levels)))
        core = self.dx ** 2 + self.dy ** 2 < psf.fwhm ** 2
        height = np.where(core & self.used, self.values, 0)
        # where the peak is missing, it follows from what is beside it
        holes = np.flatnonzero((core & ~self.used).any(axis=1))
        height[holes] *= psf(0) / psf(np.hypot(
            self.dx[holes], self.dy[holes]) * core[holes])
        peak = np.where(self.known, height.max(axis=1), np.inf)
        of_model = np.minimum(psf.model_error * peak, 1e3)
        self.std = np.where(self.known, np.hypot(1.0, of_model), 1.0)
        wanted = np.sqrt(pixel_noise ** 2 + _LEAST_NOISE ** 2 + of_model ** 2)
        wanted = np.minimum(wanted, 1e3)
        self._factors = {}
        self.levels = np.abs(np.log(wanted)[:, None]
                              - np.log(levels)).argmin(axis=1)

    def design(self, flux, shapes, psf, functions=()):
        """
        Make the white columns of the linear problem.

        Parameters
        ----------
        flux : `~numpy.ndarray` or None
            In ``unit``; None for no derivatives by the shapes.
        shapes : `~numpy.ndarray`
            Shapes of the sources, shape ``(n, 5)``.
        psf : SourcePSF
            The PSF.
        functions : sequence of `~numpy.ndarray`, optional
            Further columns, shape ``(n, p)`` each.

        Returns
        -------
        design : `~numpy.ndarray`
            Constant, PSF, its derivatives by the shapes, and the
            functions, shape ``(n, p, k)``.
        values : `~numpy.ndarray`
            The pixels, shape ``(n, p)``.
        """
        model = psf.evaluate(self.dx, self.dy, shapes[:, None])
        columns = [self.values, np.ones_like(model), model]
        if flux is not None:
            for k, step in enumerate(_STEPS):
                moved = shapes.copy()
                moved[:, k] += step
                other = psf.evaluate(self.dx, self.dy, moved[:, None])
                columns.append(flux[:, None] * (other - model) / step)
        stack = self.whiten(np.stack([*columns, *functions], axis=-1), psf)
        return stack[..., 1:], stack[..., 0]

    def whiten(self, columns, psf):
        """
        Make columns in which the background is white noise.

        Parameters
        ----------
        columns : `~numpy.ndarray`
            Shape ``(n, p, k)``.
        psf : SourcePSF
            The PSF.

        Returns
        -------
        columns : `~numpy.ndarray`
            Of the same shape.
        """
        columns = columns * self.used[..., None]
        whole = self.used.all(axis=1)
        for level in np.unique(self.levels):
            rows = whole & (self.levels == level)
            _, matrix = make_whitener(psf.fwhm, level, self._radius)
            columns[rows] = np.matmul(matrix, columns[rows])
        for row in np.flatnonzero(~whole & self.used.any(axis=1)):
            used = self.used[row]
            columns[row, used] = solve_triangular(
                self._factor(row, psf), columns[row, used], lower=True)
        return columns

    def _factor(self, row, psf):
        """
        Cholesky factor of the covariance of the pixels that are known.
        """
        if row not in self._factors:
            _, covariance = make_covariance(psf.fwhm, self.levels[row],
                                            self._radius)
            used = np.flatnonzero(self.used[row])
            self._factors[row] = np.linalg.cholesky(
                covariance[np.ix_(used, used)])
        return self._factors[row]


def normal_equations(design, values, offset=None, prior=None):
    """
    Make matrices and right sides for constant, flux and what follows.

    Parameters
    ----------
    design, values : `~numpy.ndarray`
        From `SourcePatches.design`, shape ``(n, p, k)`` and ``(n, p)``.
    offset : `~numpy.ndarray`, optional
        Distance of the columns after the second from the mean of their
        prior, shape ``(n, k - 2)``.
    prior : `~numpy.ndarray`, optional
        Standard deviations of their priors, shape ``(k - 2,)`` or ``(n,
        k - 2)``.

    Returns
    -------
    matrix : `~numpy.ndarray`
        Shape ``(n, k, k)``.
    right : `~numpy.ndarray`
        Shape ``(n, k)``.
    """
    transposed = design.swapaxes(1, 2)
    matrix = transposed @ design
    right = (transposed @ values[..., None])[..., 0]
    # a faint floor keeps the matrices regular
    matrix[:, 0, 0] += 1e-9
    matrix[:, 1, 1] += 1e-9 * matrix[:, 1, 1] + 1e-12
    if prior is not None:
        rest = np.arange(2, design.shape[2])
        matrix[:, rest, rest] += prior ** -2.0
        right[:, 2:] -= offset / prior ** 2
    return matrix, right


def close_pairs(x, y, distance):
    """
    Find pairs of sources: the neighbour, and in whose patch it shines.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions, shape ``(n,)``.
    distance : float
        The largest distance.

    Returns
    -------
    pairs : `~numpy.ndarray` of int
        Each pair twice, shape ``(2, m)``.
    """
    if x.size < 2:
        return np.zeros((2, 0), dtype=int)
    tree = KDTree(np.column_stack([x, y]))
    pairs = tree.query_pairs(distance, output_type='ndarray')
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    return pairs[np.lexsort(pairs.T)].T


def measure_noise_ratio(data, x, y, fwhm, *, mask=None):
    """
    Measure the rms of pixels minus their neighbours over that of pixels.

    Both are robust, in an annulus around each source. Structure is
    smooth, so the ratio grows with the noise.

    Parameters
    ----------
    data, x, y
        See `SourcePatches`.
    fwhm : float
        Width of the PSF (pixels).
    mask
        See `SourcePatches`.

    Returns
    -------
    ratio : `~numpy.ndarray`
        See `~compact_removal.fitting.covariance.expected_noise_ratio`;
        0 where nothing is known, shape ``(n,)``.
    """
    inner, outer = (max(value * fwhm, least) for value, least
                    in zip(ANNULUS_FWHM, _LEAST_ANNULUS, strict=True))
    size = 2 * int(np.ceil(outer)) + 3
    ratio = np.zeros(len(x))
    for part in chunk_slices(len(x), size):
        patches, corners = extract_valid(data, x[part], y[part], size,
                                         mask=mask)
        fine = patches[:, 1:-1, 1:-1] - (
            patches[:, 2:, 1:-1] + patches[:, :-2, 1:-1]
            + patches[:, 1:-1, 2:] + patches[:, 1:-1, :-2]) / 4
        radius = cutout_radii(x[part], y[part], corners + 1, size - 2)
        ring = (radius >= inner) & (radius <= outer)
        whole = percentile_range(np.where(ring, patches[:, 1:-1, 1:-1],
                                          np.nan))
        np.divide(percentile_range(np.where(ring, fine, np.nan)), whole,
                  out=ratio[part], where=whole > 0)
    return ratio


def percentile_range(values):
    """
    Measure the 16-84 % range of each stack, without NaN.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Shape ``(n, ...)``.

    Returns
    -------
    width : `~numpy.ndarray`
        0 where there are not two values, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting.patches import percentile_range
    >>> print(percentile_range(np.arange(101.0)[None]))
    [68.]
    """
    if len(values) == 0:
        return np.zeros(0)
    values = np.sort(values.reshape(len(values), -1), axis=1)
    last = np.isfinite(values).sum(axis=1) - 1
    low, high = (np.rint(share * last).astype(int) for share in (0.16, 0.84))
    rows = np.arange(len(values))
    return np.where(last > 0, values[rows, high] - values[rows, low], 0.0)


def masked_median(values, used):
    """
    Median of each row, of the values that are used.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Shape ``(n, p)``.
    used : `~numpy.ndarray` of bool
        Which of them count; they must be finite. Shape ``(n, p)``.

    Returns
    -------
    median : `~numpy.ndarray`
        0 where no value is used, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting.patches import masked_median
    >>> values = np.array([[3.0, 1.0, np.nan], [1.0, 2.0, 3.0]])
    >>> print(masked_median(values, np.array([[True, True, False],
    ...                                       [False, False, False]])))
    [2. 0.]
    """
    count = np.count_nonzero(used, axis=1)
    ordered = np.sort(np.where(used, values, np.inf), axis=1)
    each, last = np.arange(count.size), np.maximum(count - 1, 0)
    if not ordered.size:
        return np.zeros(count.size)
    middle = (ordered[each, last // 2] + ordered[each, (last + 1) // 2]) / 2
    return np.where(count > 0, middle, 0.0)
