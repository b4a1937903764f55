# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Stars with a Moffat profile, and what else brings light into an image.
"""

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy import fft

from compact_removal.maps import add_cutouts

__all__ = ['MoffatPSF', 'convolve', 'draw_even', 'turn_randomly']

# Positions within a pixel that have a stamp of their own, in x and in y; and
# samples per pixel, in x and in y, for the integral over it.
_N_PHASES = 6
_N_SAMPLES = 3

# Half the side of the stamps (full widths at half maximum).
_REACH = 4.0

# Where the profile has fallen to this (in units of the noise), a bright star
# ends.
_FAINTEST = 0.1


class MoffatPSF:
    """
    An elliptical Moffat profile (Moffat 1969), as seeing makes it.

    Parameters
    ----------
    fwhm : float
        Geometric mean of the two full widths at half maximum (pixels).
    beta : float, optional
        Exponent of the profile; infinite for a Gaussian.
    elongation : float, optional
        Ratio of the larger to the smaller width, >= 1.
    angle : float, optional
        Direction of the larger width (radians, from x to y).

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets.moffat import MoffatPSF
    >>> image = np.zeros((41, 41))
    >>> MoffatPSF(3.0).add(image, [20.0], [20.0], [100.0])
    >>> bool(90 < image.sum() < 100)
    True
    """

    def __init__(self, fwhm, beta=3.0, elongation=1.0, angle=0.0):
        self.fwhm, self.beta = fwhm, beta
        stretch = np.sqrt(elongation)
        cos, sin = np.cos(angle), np.sin(angle)
        # of the square of the radius, with the widths 1
        self._form = (cos ** 2 / stretch ** 2 + sin ** 2 * stretch ** 2,
                      2 * cos * sin * (stretch ** -2 - stretch ** 2),
                      sin ** 2 / stretch ** 2 + cos ** 2 * stretch ** 2)
        self.reach = int(np.ceil(_REACH * fwhm))
        self._stamps = self._make_stamps()

    @property
    def peak(self):
        """
        Value at the centre of a star of flux 1, not averaged over a pixel.
        """
        if np.isinf(self.beta):
            return 1 / (2 * np.pi * (self.fwhm * gaussian_fwhm_to_sigma) ** 2)
        return (self.beta - 1) / (np.pi * self._alpha ** 2)

    @property
    def _alpha(self):
        """
        Core radius of the profile.
        """
        return self.fwhm / (2 * np.sqrt(2 ** (1 / self.beta) - 1))

    def evaluate(self, dx, dy):
        """
        Evaluate the profile.

        Parameters
        ----------
        dx, dy : `~numpy.ndarray`
            Offsets from the centre (pixels).

        Returns
        -------
        values : `~numpy.ndarray`
            Light per pixel of a star of flux 1.
        """
        xx, xy, yy = self._form
        squared = xx * dx ** 2 + xy * dx * dy + yy * dy ** 2
        if np.isinf(self.beta):
            sigma = self.fwhm * gaussian_fwhm_to_sigma
            return self.peak * np.exp(-0.5 * squared / sigma ** 2)
        return self.peak * (1 + squared / self._alpha ** 2) ** -self.beta

    def make_kernel(self, reach):
        """
        Make a kernel that convolves with the profile.

        Parameters
        ----------
        reach : float
            Half its side (full widths at half maximum).

        Returns
        -------
        kernel : `~numpy.ndarray`
            Values at the centres of pixels, with a sum of 1.
        """
        half = int(np.ceil(reach * self.fwhm))
        offsets = np.arange(-half, half + 1, dtype=float)
        kernel = self.evaluate(offsets, offsets[:, None])
        return kernel / kernel.sum()

    def _make_stamps(self):
        """
        Averages over pixels for all positions within one.
        """
        pixels = np.arange(-self.reach, self.reach + 1)
        samples = (np.arange(_N_SAMPLES) + 0.5) / _N_SAMPLES - 0.5
        phases = (np.arange(_N_PHASES) + 0.5) / _N_PHASES - 0.5
        # phase, pixel, sample
        offsets = pixels[:, None] + samples - phases[:, None, None]
        values = self.evaluate(offsets[None, :, None, :, None, :],
                               offsets[:, None, :, None, :, None])
        return values.mean(axis=(-1, -2)).astype(np.float32)

    def add(self, image, x, y, flux, noise=np.inf):
        """
        Add stars to an image, in place.

        Parameters
        ----------
        image : `~numpy.ndarray`
            The image, shape ``(ny, nx)``.
        x, y, flux : array_like
            Positions (pixels), which may lie outside, and fluxes.
        noise : float, optional
            Standard deviation of the noise: the wings of bright stars
            are drawn as far as they matter. Default: no further than
            four full widths.
        """
        reach = self.reach
        columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
        phases = [np.clip(((np.asarray(value) - whole + 0.5)
                           * _N_PHASES).astype(int), 0, _N_PHASES - 1)
                  for value, whole in ((x, columns), (y, rows))]
        edge = self.evaluate(np.float64(reach), 0.0)
        for column, row, px, py, one in zip(columns, rows, *phases, flux,
                                            strict=True):
            if one * edge > _FAINTEST * noise:
                self._add_wings(image, column, row, one, noise)
            add_cutouts(image, [one * self._stamps[py, px]],
                        [column - reach], [row - reach])

    def _add_wings(self, image, column, row, flux, noise):
        """
        Add what lies outside the stamp of a bright star.
        """
        ratio = flux * self.peak / (_FAINTEST * noise)
        if np.isinf(self.beta):
            return
        radius = int(self._alpha * np.sqrt(ratio ** (1 / self.beta))) + 1
        ny, nx = image.shape
        ys = np.arange(max(row - radius, 0), min(row + radius + 1, ny)) - row
        xs = (np.arange(max(column - radius, 0),
                        min(column + radius + 1, nx)) - column)
        if not (ys.size and xs.size):
            return
        wings = flux * self.evaluate(xs.astype(float),
                                     ys[:, None].astype(float))
        wings[(np.abs(ys) <= self.reach)[:, None]
              & (np.abs(xs) <= self.reach)] = 0
        image[ys[0] + row:ys[-1] + row + 1,
              xs[0] + column:xs[-1] + column + 1] += wings


def convolve(image, kernel):
    """
    Convolve an image with a small kernel; beyond the edges there is 0.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    kernel : `~numpy.ndarray`
        Odd numbers of rows and columns.

    Returns
    -------
    convolved : `~numpy.ndarray`
        The same shape.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets.moffat import convolve
    >>> print(convolve(np.eye(3), np.ones((1, 3))).round())
    [[1. 1. 0.]
     [1. 1. 1.]
     [0. 1. 1.]]
    """
    size = [fft.next_fast_len(n + m - 1, real=True)
            for n, m in zip(image.shape, kernel.shape, strict=True)]
    full = fft.irfft2(fft.rfft2(image, s=size) * fft.rfft2(kernel, s=size),
                      s=size)
    return full[tuple(slice(m // 2, m // 2 + n) for n, m in zip(
        image.shape, kernel.shape, strict=True))]


def draw_even(rng, limits):
    """
    Draw a number, even in the logarithm.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Draws it.
    limits : tuple of float
        The least and the largest one, positive.

    Returns
    -------
    number : float
        The number.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets.moffat import draw_even
    >>> 1 <= draw_even(np.random.default_rng(1), (1.0, 100.0)) <= 100
    True
    """
    return float(np.exp(rng.uniform(*np.log(limits))))


def turn_randomly(stamp, rng):
    """
    Turn and mirror a stamp by chance.

    Parameters
    ----------
    stamp : `~numpy.ndarray`
        The stamp, shape ``(ny, nx)``.
    rng : `numpy.random.Generator`
        Draws one of the eight symmetries of a square.

    Returns
    -------
    turned : `~numpy.ndarray`
        A view of it.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets.moffat import turn_randomly
    >>> turn_randomly(np.zeros((2, 2)), np.random.default_rng(1)).shape
    (2, 2)
    """
    stamp = np.rot90(stamp, rng.integers(4))
    return stamp[:, ::-1] if rng.random() < 0.5 else stamp
