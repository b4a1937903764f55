# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated exposures of optical cameras: stars, galaxies, sky and detector.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal.datasets._detector import bleed, quantize
from compact_removal.datasets._galaxies import add_galaxies
from compact_removal.datasets._ranges import check_ranges
from compact_removal.datasets.moffat import MoffatPSF, convolve, draw_even

__all__ = ['BRIGHT', 'Exposure', 'ExposureSettings', 'make_exposure']

# Objects are bright where they are above so many standard deviations of the
# sky (MaxiMask, Sect. 2.1.12), and spikes end at so many.
BRIGHT = 10.0
_SPIKE = 1.0

# Peak of a star (standard deviations of the sky) whose spikes have a length
# of 15 to 80 pixels, and the longest spikes (pixels).
_SPIKED, _LONGEST = 1000.0, 300.0

# Where stars end that are not in the image, but whose light is (pixels).
_MARGIN = 30


@dataclass(frozen=True)
class ExposureSettings:
    """
    Ranges from which exposures are drawn; densities, sky and levels are
    even in the logarithm.

    Parameters
    ----------
    fwhm : tuple of float, optional
        Full width at half maximum of stars (pixels).
    elongation : float, optional
        Largest ratio of the widths of the PSF.
    stars, galaxies : tuple of float, optional
        Objects per million pixels.
    sky : tuple of float, optional
        Electrons per pixel.
    read_noise : tuple of float, optional
        Electrons.
    saturation : tuple of float, optional
        Full well above the sky, in standard deviations of the sky.
    spike_chance, bleed_chance : float, optional
        Share of exposures whose bright stars have diffraction spikes, and
        whose saturated ones bleed.
    n_bright : float, optional
        Mean number of bright stars, which saturate, per exposure of
        400 x 400 pixels, where there are any.

    Raises
    ------
    ParameterError
        If a range is not one of positive numbers.

    Examples
    --------
    >>> from compact_removal.datasets import ExposureSettings
    >>> ExposureSettings(fwhm=(2.0, 2.0)).fwhm
    (2.0, 2.0)
    """

    fwhm: tuple = (1.5, 6.0)
    elongation: float = 1.2
    stars: tuple = (60.0, 6000.0)
    galaxies: tuple = (30.0, 1500.0)
    sky: tuple = (60.0, 20000.0)
    read_noise: tuple = (2.0, 12.0)
    saturation: tuple = (400.0, 10000.0)
    spike_chance: float = 0.7
    bleed_chance: float = 0.5
    n_bright: float = 1.5

    def __post_init__(self):
        check_ranges(self)


@dataclass(frozen=True, eq=False)
class Exposure:
    """
    A simulated exposure without contaminants, and its truth.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Counts, sky included, shape ``(ny, nx)``.
    sky, noise : float
        Level of the sky, and standard deviation of its noise (counts).
    gain : float
        Electrons per count.
    psf : `~compact_removal.datasets.moffat.MoffatPSF`
        The PSF.
    saturation : float
        The level at which pixels are full (counts).
    bright, saturated, spikes : `~numpy.ndarray` of bool
        Pixels of objects above 10 standard deviations, saturated ones
        with what bleeds from them, and diffraction spikes.
    x, y, flux : `~numpy.ndarray`
        The stars: positions (pixels) and fluxes (counts).

    Examples
    --------
    >>> from compact_removal.datasets import make_exposure
    >>> exposure = make_exposure((64, 64), seed=1)
    >>> exposure.image.shape, exposure.bright.dtype
    ((64, 64), dtype('bool'))
    """

    image: np.ndarray
    sky: float
    noise: float
    gain: float
    psf: MoffatPSF
    saturation: float
    bright: np.ndarray
    saturated: np.ndarray
    spikes: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray


def make_exposure(shape=(400, 400), *, galaxies=None, motion=None,
                  settings=None, seed=None):
    """
    Simulate an exposure of stars and galaxies.

    Stars have a Moffat profile, their fluxes follow a power law. Bright
    ones have diffraction spikes of any orientation, saturate and bleed.
    There are no contaminants.

    Parameters
    ----------
    shape : tuple of int, optional
        Rows and columns.
    galaxies : list of `~numpy.ndarray`, optional
        Stamps of galaxies, without noise, much finer than the pixels of
        the exposure. Default: Sersic profiles.
    motion : `~numpy.ndarray`, optional
        Share of the time that the telescope points to each place: a small
        image whose sum is 1, with which all light is convolved.
    settings : `ExposureSettings`, optional
        The ranges that everything is drawn from.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    exposure : `Exposure`
        Image and truth.

    Examples
    --------
    >>> from compact_removal.datasets import make_exposure
    >>> exposure = make_exposure((100, 120), seed=2)
    >>> exposure.image.shape, bool(exposure.sky > exposure.noise)
    ((100, 120), True)
    """
    rng = np.random.default_rng(seed)
    settings = ExposureSettings() if settings is None else settings
    sky, read_noise = draw_even(rng, settings.sky), rng.uniform(
        *settings.read_noise)
    noise = np.hypot(np.sqrt(sky), read_noise)
    fwhm = draw_even(rng, settings.fwhm)
    psf = MoffatPSF(fwhm, rng.choice([np.inf, *rng.uniform(2.2, 5.0, 4)]),
                    rng.uniform(1, settings.elongation),
                    rng.uniform(0, np.pi))
    well = noise * draw_even(rng, settings.saturation)
    x, y, flux = _draw_stars(rng, shape, psf, noise, well, settings)
    light = np.zeros(shape, dtype=np.float32)
    psf.add(light, x, y, flux, noise)
    add_galaxies(light, rng, psf, noise, galaxies,
                 draw_even(rng, settings.galaxies) * light.size / 1e6)
    spikes = np.zeros(shape, dtype=np.float32)
    if rng.random() < settings.spike_chance:
        spikes = _make_spikes(rng, shape, psf, noise, x, y, flux)
        light += spikes
    if motion is not None:
        light = np.maximum(convolve(light, motion), 0)
    light += sky * _make_gradient(rng, shape)
    electrons = rng.poisson(light) + read_noise * rng.standard_normal(shape)
    saturated = electrons >= sky + well
    if rng.random() < settings.bleed_chance:
        bleed(electrons, sky + well, rng)
        saturated = electrons >= sky + well
    np.minimum(electrons, sky + well, out=electrons)
    gain = min(rng.uniform(0.5, 5.0), noise)
    image = quantize(electrons / gain, rng)
    return Exposure(
        image, sky / gain, noise / gain, gain, psf, (sky + well) / gain,
        electrons - sky > BRIGHT * noise, saturated,
        spikes > _SPIKE * noise, x, y, flux / gain)


def _draw_stars(rng, shape, psf, noise, well, settings):
    """
    Positions and fluxes of stars (electrons).

    The faintest have a peak of half the noise. Some exposures have a few
    more that saturate.
    """
    n = rng.poisson(draw_even(rng, settings.stars) * np.prod(shape) / 1e6)
    slope = rng.uniform(0.45, 1.1)
    peak = 0.5 * noise * (1 - rng.random(n)) ** (-1 / slope)
    n_bright = rng.poisson(settings.n_bright * np.prod(shape) / 160000
                           * rng.choice([0, 1, 2]))
    peak = np.concatenate([np.minimum(peak, 3 * well),
                           well * _spread(rng, n_bright)])
    x, y = (rng.uniform(-_MARGIN, size + _MARGIN, peak.size)
            for size in shape[::-1])
    return x, y, peak / psf.peak


def _spread(rng, n):
    """
    Peaks of bright stars in units of the full well.
    """
    return 10 ** rng.uniform(-0.3, 2.0, n)


def _make_spikes(rng, shape, psf, noise, x, y, flux):
    """
    Light of diffraction spikes: straight arms that fade along a power law.

    The arms of all stars have the same directions, and cross at any
    angle (those of a cross, mostly).
    """
    result = np.zeros(shape, dtype=np.float32)
    first = rng.choice([0.0, np.pi / 4, rng.uniform(0, np.pi)])
    angles = first + np.array([0.0, np.pi / 2] if rng.random() < 0.8
                              else [0.0, np.pi / 3, 2 * np.pi / 3])
    if rng.random() < 0.2:
        angles = angles[:1]
    slope = rng.uniform(1.0, 2.5)
    width = psf.fwhm * rng.uniform(0.35, 0.7)
    end = _SPIKE * noise
    strengths = 1 + 0.3 * rng.standard_normal(2 * len(angles))
    # where the arms of a star of a given peak end
    reaches = rng.uniform(15, 80) * (flux * psf.peak
                                     / (_SPIKED * noise)) ** (1 / slope)
    for x0, y0, reach in zip(x, y, np.minimum(reaches, _LONGEST),
                             strict=True):
        if reach < 2.5 * psf.fwhm:
            continue
        for angle, strength in zip(np.concatenate([angles, angles + np.pi]),
                                   strengths, strict=True):
            _add_arm(result, x0, y0, angle, reach, slope, width,
                     max(strength, 0.2) * end, psf.fwhm)
    return result


def _add_arm(image, x0, y0, angle, reach, slope, width, end, core):
    """
    Add one arm, in place.

    It falls to ``end`` at ``reach``, and is drawn twice as far.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    far, side = 2 * reach, 4 * width
    corners = [(x0 + a * cos - b * sin, y0 + a * sin + b * cos)
               for a in (0, far) for b in (-side, side)]
    limits = []
    for values, size in zip(zip(*corners, strict=True), image.shape[::-1],
                            strict=True):
        low = min(max(int(np.floor(min(values))), 0), size)
        high = min(max(int(np.ceil(max(values))) + 1, 0), size)
        limits.append((low, high))
    (left, right), (bottom, top) = limits
    if left >= right or bottom >= top:
        return
    dx = np.arange(left, right, dtype=np.float32) - np.float32(x0)
    dy = np.arange(bottom, top, dtype=np.float32)[:, None] - np.float32(y0)
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    inside = (along > 0) & (along < far) & (np.abs(across) < side)
    along, across = along[inside], across[inside]
    fade = ((along + core) / (reach + core)) ** -slope
    # to nothing at the far end
    fade *= np.clip((far - along) / reach, 0, 1)
    image[bottom:top, left:right][inside] += (
        end * fade * np.exp(-0.5 * (across / width) ** 2))


def _make_gradient(rng, shape):
    """
    A sky that is not quite flat: 1, and a smooth change of some percent.
    """
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    a, b, c, d, e = rng.normal(0, rng.choice([0, 0.002, 0.008]), 5)
    return np.float32(1 + a * x + b * y[:, None] + c * x ** 2
                      + d * y[:, None] ** 2 + e * x * y[:, None])
