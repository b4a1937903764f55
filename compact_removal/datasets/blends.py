# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Blends of galaxies and stars, with the light of each.
"""

import math
import warnings
from dataclasses import dataclass, fields

import numpy as np
from scipy import ndimage

from compact_removal.datasets.galaxies import (GALAXY_KINDS,
                                               half_light_radius, make_galaxy,
                                               place_galaxy)
from compact_removal.datasets.moffat import (MoffatPSF, convolve, draw_even,
                                             turn_randomly)
from compact_removal.maps import add_cutouts
from compact_removal.utils.parameters import (ParameterError, check_choice,
                                              check_positive_integer)

__all__ = ['STAR', 'Blend', 'BlendSettings', 'make_blends']

STAR = 'star'

# Half the side of the PSF with which galaxies are convolved (full widths).
_REACH = 4.0

# The mask of a source: where its light is above so many standard deviations
# of the noise.
_MASK_LEVEL = 1.0

# A detection: so many pixels that are so many standard deviations above the
# noise after smoothing with a Gaussian of this width (pixels).
_N_PIXELS, _DETECTED, _SMOOTH = 6, 3.0, 1.0

# Draws of a place before the last one is taken.
_N_TRIES = 25


@dataclass(frozen=True)
class BlendSettings:
    """
    Ranges from which blends are drawn; numbers are even in the logarithm,
    magnitude differences and separations are even.

    Parameters
    ----------
    fwhm : tuple of float, optional
        Full width at half maximum of the PSF (pixels).
    radius : tuple of float, optional
        Half-light radii of galaxies before the PSF (pixels).
    snr : tuple of float, optional
        Signal-to-noise ratio of the first source: the root of the sum of
        its squared light, over the noise.
    difference : float, optional
        Largest difference of the magnitudes of a source and the first
        one, both ways.
    separation : tuple of float, optional
        Distance of a source from an earlier one, in units of the larger
        half-light radius of the two.
    shift : {'separation', 'paper', 'code', 'field'}, optional
        Where further sources are: within ``separation``; as blend2flux
        says, in each axis from half the larger radius to a quarter of the
        image (Sect. 2.2); as its program does, from the larger radius to
        four times the smaller; or anywhere.
    stars : float, optional
        Share of the sources that are stars.
    photons : float, optional
        Share of the blends whose light has noise of its own.

    Raises
    ------
    ParameterError
        If a value is not allowed.

    Examples
    --------
    >>> from compact_removal.datasets import BlendSettings
    >>> BlendSettings(shift='paper').snr
    (40.0, 400.0)
    """

    fwhm: tuple = (2.0, 4.0)
    radius: tuple = (2.5, 10.0)
    snr: tuple = (40.0, 400.0)
    difference: float = 2.0
    separation: tuple = (0.6, 3.5)
    shift: str = 'separation'
    stars: float = 0.1
    photons: float = 0.0

    def __post_init__(self):
        check_choice('shift', self.shift, ('separation', 'paper', 'code',
                                           'field'))
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == 'shift':
                continue
            numbers = value if isinstance(value, tuple) else (value,)
            least = 0 if field.name in ('difference', 'stars', 'photons',
                                        'separation') else 1e-6
            if not (all(least <= number < np.inf for number in numbers)
                    and list(numbers) == sorted(numbers)):
                msg = (f'{field.name} must be a number >= 0 or a range of '
                       f'positive ones, got {value!r}')
                raise ParameterError(msg, field.name)


@dataclass(frozen=True, eq=False)
class Blend:
    """
    A simulated blend and its truth.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Light and noise, shape ``(ny, nx)``; the background is 0.
    noise : float
        Standard deviation of the noise without light.
    fwhm : float
        Full width at half maximum of the PSF (pixels).
    sources : `~numpy.ndarray`
        Light of each source without noise, shape ``(n, ny, nx)``.
    x, y, flux, radius : `~numpy.ndarray`
        Centres of the light (pixels), fluxes also of what falls beyond
        the edges, and half-light radii (pixels), shape ``(n,)``.
    kind : tuple of str
        What the sources are: one of ``GALAXY_KINDS``, ``'real'`` or
        ``'star'``.

    Examples
    --------
    >>> from compact_removal.datasets import make_blends
    >>> blend, = make_blends(1, seed=1)
    >>> blend.masks.shape, len(blend.flux)
    ((2, 96, 96), 2)
    """

    image: np.ndarray
    noise: float
    fwhm: float
    sources: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    radius: np.ndarray
    kind: tuple

    @property
    def masks(self):
        """
        Where the light of each source is above the noise.
        """
        return self.sources > _MASK_LEVEL * self.noise

    @property
    def snr(self):
        """
        Signal-to-noise ratio of each source if it were alone.
        """
        return np.sqrt((self.sources ** 2).sum(axis=(1, 2))) / self.noise

    def measure_alone(self):
        """
        Measure each source without the others, as catalogues do.

        blend2flux takes such fluxes for the truth (Sect. 2.1). They lack
        light in faint wings.

        Returns
        -------
        flux : `~numpy.ndarray`
            Flux in the Kron aperture of `~photutils.segmentation`, with
            the noise of the blend; NaN where nothing is detected. Shape
            ``(n,)``.

        Examples
        --------
        >>> from compact_removal.datasets import make_blends
        >>> blend, = make_blends(1, seed=1)
        >>> print((blend.measure_alone() / blend.flux).round(1))
        [1. 1.]
        """
        noise = self.image - self.sources.sum(axis=0)
        return np.array([_measure_kron(source + noise, self.noise, x, y)
                         for source, x, y in zip(self.sources, self.x, self.y,
                                                 strict=True)])


def make_blends(n, *, n_sources=2, shape=(96, 96), galaxies=None,
                settings=None, seed=None):
    """
    Simulate blends of galaxies and stars.

    All sources share one realisation of the noise.

    Parameters
    ----------
    n : int
        Number of blends.
    n_sources : int or tuple of int, optional
        Sources of each, or the least and the largest number.
    shape : tuple of int, optional
        Rows and columns.
    galaxies : list of `~numpy.ndarray`, optional
        Stamps of real galaxies, see
        `~compact_removal.datasets.clean_galaxy`. Default: simulated ones.
    settings : `BlendSettings`, optional
        The ranges that everything is drawn from.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Yields
    ------
    blend : `Blend`
        Image and truth.

    Raises
    ------
    ParameterError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal.datasets import make_blends
    >>> [blend.image.shape for blend in make_blends(2, shape=(64, 80), seed=1)]
    [(64, 80), (64, 80)]
    """
    n = check_positive_integer('n', n)
    least, most = (n_sources if isinstance(n_sources, tuple)
                   else (n_sources, n_sources))
    if not 1 <= least <= most:
        msg = f'n_sources must be at least 1, got {n_sources!r}'
        raise ParameterError(msg, 'n_sources')
    settings = BlendSettings() if settings is None else settings
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield _make_blend(rng, int(rng.integers(least, most + 1)), shape,
                          galaxies, settings)


def _measure_kron(image, noise, x, y):
    """
    Kron flux of the source at a position.
    """
    from photutils.segmentation import SourceCatalog, detect_sources
    from photutils.utils.exceptions import NoDetectionsWarning

    smooth = ndimage.gaussian_filter(image, _SMOOTH)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', NoDetectionsWarning)
        segments = detect_sources(smooth, _DETECTED * noise / (
            2 * np.sqrt(np.pi) * _SMOOTH), n_pixels=_N_PIXELS)
    if segments is None:
        return np.nan
    label = segments.data[round(float(y)), round(float(x))]
    if not label:
        return np.nan
    return float(SourceCatalog(image, segments).select_label(label).kron_flux)


def _make_blend(rng, n, shape, galaxies, settings):
    """
    One blend.
    """
    psf = MoffatPSF(draw_even(rng, settings.fwhm),
                    rng.choice([np.inf, *rng.uniform(2.5, 5.0, 3)]),
                    rng.uniform(1, 1.2), rng.uniform(0, np.pi))
    kernel = psf.make_kernel(_REACH)
    sources, places, radii, kinds = [], [], [], []
    for _ in range(n):
        kind, stamp, radius = _draw_source(rng, galaxies, settings)
        seen = np.hypot(radius, 0.5 * psf.fwhm)
        x, y = _draw_place(rng, shape, places, radii, seen, settings)
        places.append((x, y))
        radii.append(seen)
        kinds.append(kind)
        sources.append(_draw_light(rng, shape, x, y, stamp, radius, kernel,
                                   psf))
    sources = np.array(sources)
    faintness = rng.uniform(-1, 1, n) * settings.difference
    faintness[0] = 0
    flux = 10 ** (-0.4 * faintness)
    sources *= flux[:, None, None]
    # in units of the noise
    scale = draw_even(rng, settings.snr) / max(np.linalg.norm(sources[0]),
                                               1e-9)
    sources *= scale
    light = sources.sum(axis=0)
    spread = np.ones(shape)
    if rng.random() < settings.photons:
        # noise of the light is that of the sky where it is so bright
        spread = np.sqrt(1 + light / draw_even(rng, (3.0, 300.0)))
    image = light + spread * rng.standard_normal(shape)
    places = np.array(places)
    return Blend(image.astype(np.float32), 1.0, psf.fwhm,
                 sources.astype(np.float32), places[:, 0], places[:, 1],
                 flux * scale, np.array(radii), tuple(kinds))


def _draw_source(rng, galaxies, settings):
    """
    A kind, a stamp with a sum of 1 (None for a star) and a radius.
    """
    if rng.random() < settings.stars:
        return STAR, None, 0.0
    radius = draw_even(rng, settings.radius)
    if galaxies:
        stamp = turn_randomly(galaxies[rng.integers(len(galaxies))], rng)
        return 'real', stamp / stamp.sum(), radius
    kind = GALAXY_KINDS[rng.integers(len(GALAXY_KINDS))]
    return kind, turn_randomly(make_galaxy(kind, seed=rng), rng), radius


def _draw_place(rng, shape, places, radii, radius, settings):
    """
    Where a source goes: the first one to the middle.
    """
    ny, nx = shape
    if settings.shift == 'field':
        return rng.uniform(0, nx - 1), rng.uniform(0, ny - 1)
    if not places:
        return ((nx - 1) / 2 + rng.uniform(-0.5, 0.5),
                (ny - 1) / 2 + rng.uniform(-0.5, 0.5))
    for _ in range(_N_TRIES):
        number = rng.integers(len(places)) if settings.shift == (
            'separation') else 0
        x0, y0 = places[number]
        large = max(radius, radii[number])
        if settings.shift == 'paper':
            dx, dy = (rng.uniform(0.5 * large, max(n / 4, 0.5 * large))
                      * rng.choice([-1, 1]) for n in (nx, ny))
        else:
            low, high = (settings.separation[0] * large,
                         settings.separation[1] * large)
            if settings.shift == 'code':
                low, high = large, min(4 * min(radius, radii[number]),
                                       min(shape) / 2)
                low = low if low < high else 0.8 * high
            distance, angle = rng.uniform(low, high), rng.uniform(
                0, 2 * np.pi)
            dx, dy = distance * np.cos(angle), distance * np.sin(angle)
        x, y = x0 + dx, y0 + dy
        near = any(np.hypot(x - x1, y - y1) < settings.separation[0]
                   * max(radius, other) for (x1, y1), other in zip(
                       places, radii, strict=True))
        if 2 <= x < nx - 2 and 2 <= y < ny - 2 and not near:
            break
    return float(np.clip(x, 2, nx - 3)), float(np.clip(y, 2, ny - 3))


def _draw_light(rng, shape, x, y, stamp, radius, kernel, psf):
    """
    The light of a source of flux 1 whose centre is at ``x``, ``y``.
    """
    light = np.zeros(shape)
    if stamp is None:
        psf.add(light, [x], [y], [1.0])
        return light
    scale = radius / half_light_radius(stamp)
    angle = rng.uniform(0, 2 * np.pi)
    # the centre of the light, from the middle of the stamp
    columns, rows = (np.arange(n) - (n - 1) / 2 for n in stamp.shape[::-1])
    dx, dy = stamp.sum(axis=0) @ columns, stamp.sum(axis=1) @ rows
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = x - scale * (cos * dx - sin * dy), y - scale * (sin * dx + cos * dy)
    # all that it lights, also beyond the edges
    reach = math.ceil(0.5 * scale * math.hypot(*stamp.shape)
                      + max(kernel.shape) / 2) + 2
    corner = round(float(y)) - reach, round(float(x)) - reach
    window = (2 * reach + 1,) * 2
    drawn = place_galaxy(stamp, window, x - corner[1], y - corner[0],
                         scale=scale, angle=angle)
    add_cutouts(light, [np.maximum(convolve(drawn, kernel), 0)],
                [corner[1]], [corner[0]])
    return light
