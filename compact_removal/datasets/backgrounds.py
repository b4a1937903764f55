# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated backgrounds that look like the interstellar medium.
"""

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy import fft

from compact_removal.utils.parameters import ParameterError, check_choice

__all__ = ['draw_background_settings', 'list_background_kinds',
           'make_background', 'make_random_background']

# Fields are made on a grid larger by this factor and cropped, so that
# opposite edges do not match.
_MARGIN = 1.35


class _Grid:
    """
    A periodic grid with its frequencies, and fields made on it.
    """

    def __init__(self, shape, rng):
        self.shape = tuple(fft.next_fast_len(int(np.ceil(n * _MARGIN)) + 8,
                                             real=True) for n in shape)
        self.rng = rng
        self.ky = fft.fftfreq(self.shape[0])[:, None]
        self.kx = fft.rfftfreq(self.shape[1])[None, :]

    def filter(self, data, amplitude):
        """
        Multiply the Fourier transform of an image.
        """
        return fft.irfft2(fft.rfft2(data) * amplitude, s=self.shape)

    def smooth(self, data, fwhm):
        """
        Convolve with a round Gaussian.
        """
        sigma = fwhm * gaussian_fwhm_to_sigma
        squared = self.kx ** 2 + self.ky ** 2
        return self.filter(data, np.exp(-2 * (np.pi * sigma) ** 2 * squared))

    def white(self):
        """
        White noise of standard deviation 1.
        """
        return self.rng.standard_normal(self.shape)

    def fbm(self, slope, *, stretch=1.0):
        """
        Fractional Brownian field: Gaussian, power ``k ** -slope``.

        With ``stretch`` above 1, structure is longer by that factor
        along a random direction.
        """
        kx, ky = self.kx, self.ky
        if stretch != 1:
            angle = self.rng.uniform(0, np.pi)
            kx, ky = (kx * np.cos(angle) + ky * np.sin(angle),
                      ky * np.cos(angle) - kx * np.sin(angle))
            kx, ky = kx * np.sqrt(stretch), ky / np.sqrt(stretch)
        squared = kx ** 2 + ky ** 2
        squared[0, 0] = np.inf
        field = self.filter(self.white(), squared ** (-slope / 4))
        return field / field.std()


def _cloud(grid, slope):
    """
    Lognormal fractional Brownian field.
    """
    return np.exp(grid.rng.uniform(0.4, 1.2) * grid.fbm(slope))


def _anisotropic(grid, slope):
    """
    Lognormal fractional Brownian field, stretched.
    """
    stretch = grid.rng.uniform(1.5, 4)
    return np.exp(grid.rng.uniform(0.4, 1.2)
                  * grid.fbm(slope, stretch=stretch))


def _filaments(grid, slope):
    """
    A cloud with filaments of finite width along level lines of smoother
    fields.
    """
    rng = grid.rng
    cloud = _cloud(grid, slope)
    scale = cloud.std()
    for _ in range(rng.integers(1, 4)):
        field = grid.fbm(rng.uniform(3.4, 4.2), stretch=rng.uniform(1, 3))
        # distance from the level line in pixels, to first order
        gy, gx = np.gradient(field)
        distance = ((field - rng.uniform(-1, 1))
                    / (np.hypot(gx, gy) + 1e-3))
        width = rng.uniform(1, 4)
        ridge = 1 / (1 + (distance / width) ** 2) ** rng.uniform(1, 2)
        envelope = np.exp(0.8 * grid.fbm(3.0))
        cloud = cloud + rng.uniform(0.3, 2) * scale * ridge * envelope
    return cloud


def _cirrus(grid, slope):
    """
    Gaussian fractional Brownian field.
    """
    return grid.fbm(slope)


_KINDS = {'cloud': _cloud, 'anisotropic': _anisotropic,
          'filaments': _filaments, 'cirrus': _cirrus}


def list_background_kinds():
    """
    List the kinds of background that can be made.

    Returns
    -------
    kinds : list of str
        Names for `make_background`.

    Examples
    --------
    >>> from compact_removal.datasets import list_background_kinds
    >>> list_background_kinds()
    ['cloud', 'anisotropic', 'filaments', 'cirrus']
    """
    return list(_KINDS)


def make_background(shape, *, kind='cloud', slope=3.0, fwhm=3.5, noise=0.05,
                    noise_fwhm=1.5, seed=None):
    """
    Make a background with structure on all scales, and noise.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    kind : {'cloud', 'anisotropic', 'filaments', 'cirrus'}, optional
        ``'cloud'``: lognormal fractional Brownian field;
        ``'anisotropic'``: the same, stretched along a random direction;
        ``'filaments'``: a cloud crossed by filaments of finite width;
        ``'cirrus'``: Gaussian fractional Brownian field. Contrast,
        stretch and filaments are drawn at random.
    slope : float, optional
        The power of the fractional Brownian field falls with wave
        number as ``k ** -slope``.
    fwhm : float, optional
        Full width at half maximum (pixels) of the Gaussian beam to
        which the structure is smoothed.
    noise : float, optional
        Standard deviation of the noise in units of that of the
        structure.
    noise_fwhm : float, optional
        Width (pixels) of the Gaussian with which white noise is
        correlated; 0 for white noise.
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.

    Returns
    -------
    background : `~numpy.ndarray`
        Dimensionless, float64, shape ``(ny, nx)``. Structure has mean 0
        and standard deviation 1.

    Raises
    ------
    ValueError
        If ``kind`` is unknown, ``shape`` is not two positive numbers, or
        ``fwhm``, ``noise`` or ``noise_fwhm`` is negative.

    Examples
    --------
    >>> from compact_removal.datasets import make_background
    >>> background = make_background((64, 48), kind='filaments', seed=1)
    >>> background.shape
    (64, 48)
    """
    check_choice('kind', kind, _KINDS)
    if len(shape) != 2 or min(shape) < 1:
        msg = f'shape must be two positive numbers, got {shape!r}'
        raise ParameterError(msg, 'shape')
    for name, value in (('fwhm', fwhm), ('noise', noise),
                        ('noise_fwhm', noise_fwhm)):
        if not value >= 0:
            msg = f'{name} must not be negative, got {value!r}'
            raise ParameterError(msg, name)
    rng = np.random.default_rng(seed)
    grid = _Grid(shape, rng)
    crop = (slice(shape[0]), slice(shape[1]))
    structure = grid.smooth(_KINDS[kind](grid, slope), fwhm)[crop]
    structure = structure - structure.mean()
    std = structure.std()
    if std > 0:
        structure = structure / std
    if noise > 0:
        grain = grid.smooth(grid.white(), noise_fwhm)
        structure = structure + noise / grain.std() * grain[crop]
    return structure


def draw_background_settings(rng):
    """
    Draw kind, slope and noise of a background, for training.

    Parameters
    ----------
    rng : `~numpy.random.Generator`
        Source of randomness.

    Returns
    -------
    settings : dict
        Arguments ``kind``, ``slope``, ``noise`` and ``noise_fwhm`` of
        `make_background`, see `make_random_background`.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets.backgrounds import (
    ...     draw_background_settings)
    >>> list(draw_background_settings(np.random.default_rng(1)))
    ['kind', 'slope', 'noise', 'noise_fwhm']
    """
    return {'kind': list(_KINDS)[rng.integers(len(_KINDS))],
            'slope': rng.uniform(2.6, 3.6),
            'noise': np.exp(rng.uniform(np.log(0.005), np.log(4))),
            'noise_fwhm': rng.uniform(1, 2)}


def make_random_background(shape, *, fwhm=3.5, seed=None):
    """
    Make a background of random kind, slope and noise, for training.

    All kinds are equally likely; the slope is uniform between 2.6 and
    3.6, the noise log-uniform between 0.005 and 4 times the standard
    deviation of the structure, correlated over 1 to 2 pixels, so that
    structure dominates some fields and noise others.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    fwhm : float, optional
        Full width at half maximum of the beam (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.

    Returns
    -------
    background : `~numpy.ndarray`
        Dimensionless, float64, shape ``(ny, nx)``.

    Raises
    ------
    ValueError
        If ``shape`` is not two positive numbers or ``fwhm`` is negative.

    Examples
    --------
    >>> from compact_removal.datasets import make_random_background
    >>> make_random_background((32, 32), seed=3).shape
    (32, 32)
    """
    rng = np.random.default_rng(seed)
    return make_background(shape, fwhm=fwhm, seed=rng,
                           **draw_background_settings(rng))
