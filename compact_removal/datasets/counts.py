# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated maps of gamma-ray telescopes: few photons, wide wings.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from compact_removal.datasets._ranges import check_ranges, draw_power_law
from compact_removal.datasets.backgrounds import make_background
from compact_removal.datasets.moffat import MoffatPSF, convolve, draw_even

__all__ = ['CountsMap', 'CountsSettings', 'make_counts_map']

# Exponents of the profile (King functions have such wings), and half the
# side of the PSF (full widths).
_WINGS, _REACH = (1.6, 3.0), 6.0

# Contrasts of the diffuse light (exponent of the field), and how often there
# is a bright plane; its widths (share of the side) and heights.
_CONTRASTS = (0.2, 0.7)
_PLANE, _PLANE_WIDTHS, _PLANE_HEIGHTS = 0.5, (0.03, 0.15), (2.0, 10.0)

# Extended sources: widths over that of the PSF, and how often it is a shell.
_WIDTHS, _SHELL = (1.0, 3.0), 0.4

# Slope of the numbers of sources.
_SLOPE = 1.1

# A source is where this share of its light is, the brightest pixels first.
_SHARE = 0.68


@dataclass(frozen=True)
class CountsSettings:
    """
    Ranges from which maps are drawn; all but ``extended`` are even in the
    logarithm.

    Parameters
    ----------
    fwhm : tuple of float, optional
        Full width at half maximum of the PSF (pixels).
    background : tuple of float, optional
        Mean diffuse counts per pixel.
    density : tuple of float, optional
        Sources per 10,000 pixels.
    significance : tuple of float, optional
        Counts of a source over the root of those expected in a matched
        filter; numbers fall with a power of -1.1.
    extended : float, optional
        Share of extended sources.

    Raises
    ------
    ParameterError
        If a range is not one of positive numbers.

    Examples
    --------
    >>> from compact_removal.datasets import CountsSettings
    >>> CountsSettings(extended=0.0).fwhm
    (3.0, 8.0)
    """

    fwhm: tuple = (3.0, 8.0)
    background: tuple = (0.05, 3.0)
    density: tuple = (1.0, 8.0)
    significance: tuple = (4.0, 100.0)
    extended: float = 0.15

    def __post_init__(self):
        check_ranges(self)


@dataclass(frozen=True, eq=False)
class CountsMap:
    """
    A simulated map of counts and its truth.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Counts, shape ``(ny, nx)``.
    background : `~numpy.ndarray`
        Expected diffuse counts, shape ``(ny, nx)``.
    fwhm : float
        Full width at half maximum of the PSF (pixels).
    x, y, flux : `~numpy.ndarray`
        Positions (pixels) and expected counts of sources, shape ``(n,)``.
    kind : tuple of str
        ``'compact'`` or ``'extended'``.
    masks : `~numpy.ndarray` of bool
        Where 68 % of the light of each source is, shape ``(n, ny, nx)``.

    Examples
    --------
    >>> from compact_removal.datasets import make_counts_map
    >>> field = make_counts_map((64, 64), seed=1)
    >>> field.image.dtype.kind
    'i'
    """

    image: np.ndarray
    background: np.ndarray
    fwhm: float
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    kind: tuple
    masks: np.ndarray


def make_counts_map(shape=(256, 256), *, settings=None, seed=None):
    """
    Simulate a map of a gamma-ray telescope.

    Counts follow Poisson's law. Diffuse light has structure on all
    scales, and often a bright plane.

    Parameters
    ----------
    shape : tuple of int, optional
        Rows and columns.
    settings : `CountsSettings`, optional
        The ranges that everything is drawn from.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    field : `CountsMap`
        Image and truth.

    Examples
    --------
    >>> from compact_removal.datasets import make_counts_map
    >>> make_counts_map((80, 100), seed=1).image.shape
    (80, 100)
    """
    rng = np.random.default_rng(seed)
    settings = CountsSettings() if settings is None else settings
    psf = MoffatPSF(draw_even(rng, settings.fwhm), rng.uniform(*_WINGS))
    kernel = psf.make_kernel(_REACH)
    background = draw_even(rng, settings.background) * _draw_diffuse(
        rng, shape, psf.fwhm)
    # counts that a matched filter sees of the background
    noise = np.sqrt(ndimage.gaussian_filter(background, psf.fwhm)
                    / (kernel ** 2).sum())
    n = max(rng.poisson(draw_even(rng, settings.density) * background.size
                        / 1e4), 1)
    lights, rows = [], []
    for _ in range(n):
        x, y = (rng.uniform(0, side - 1) for side in shape[::-1])
        kind, light = _draw_light(rng, shape, x, y, psf, kernel, settings)
        local = noise[round(y), round(x)]
        significance = draw_power_law(rng, settings.significance, _SLOPE)
        # where there is no background some photons are needed, too
        flux = significance * np.hypot(local, significance)
        lights.append(flux * light)
        rows.append((x, y, flux, kind))
    lights = np.array(lights)
    x, y, flux, kind = zip(*rows, strict=True)
    image = rng.poisson(background + lights.sum(axis=0))
    return CountsMap(image, background, psf.fwhm, np.array(x), np.array(y),
                     np.array(flux), kind,
                     np.array([_find_mask(light) for light in lights]))


def _draw_diffuse(rng, shape, fwhm):
    """
    Diffuse light with a mean of 1.
    """
    field = np.exp(rng.uniform(*_CONTRASTS) * make_background(
        shape, kind='cirrus', fwhm=fwhm, noise=0, seed=rng))
    if rng.random() < _PLANE:
        angle = rng.uniform(0, np.pi)
        rows, columns = (np.linspace(-0.5, 0.5, side) for side in shape)
        across = (rows[:, None] * np.cos(angle) - columns * np.sin(angle)
                  + rng.uniform(-0.5, 0.5))
        field *= 1 + rng.uniform(*_PLANE_HEIGHTS) * np.exp(
            -np.abs(across) / rng.uniform(*_PLANE_WIDTHS))
    return field / field.mean()


def _draw_light(rng, shape, x, y, psf, kernel, settings):
    """
    The kind of a source, and its light of flux 1.
    """
    light = np.zeros(shape)
    if rng.random() >= settings.extended:
        psf.add(light, [x], [y], [1.0])
        return 'compact', light
    width = psf.fwhm * draw_even(rng, _WIDTHS)
    dy, dx = np.arange(shape[0])[:, None] - y, np.arange(shape[1]) - x
    radius = np.hypot(dx, dy) / width
    if rng.random() < _SHELL:
        # seen through: a sphere that is hollow to 0.8 of its radius
        light = np.sqrt(np.maximum(1 - radius ** 2, 0)) - np.sqrt(
            np.maximum(0.64 - radius ** 2, 0))
    else:
        light = np.exp(-2 * radius ** 2)
    light = np.maximum(convolve(light, kernel), 0)
    return 'extended', light / light.sum()


def _find_mask(light):
    """
    The brightest pixels that hold a share of the light.
    """
    values = np.sort(light, axis=None)[::-1]
    growth = np.cumsum(values)
    last = values[np.argmax(growth >= _SHARE * growth[-1])]
    return light >= last
