# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Maps with known sources for ``trust.py``.

`make_case` makes a map from a kind and a seed; nothing else is random.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import astropy.units as u
import numpy as np
from development_data import (HELD_OUT, NOISE, TRUSTED, as_ccd, draw_positions,
                              load_vesta, pixels_to_avoid, stamp_radius)

from compact_removal.datasets import (list_background_kinds,
                                      load_background_maps, make_background)
from compact_removal.maps import source_snr
from compact_removal.psf import as_psf

# No training starts from this; a case adds its own seed.
SEED = 90_210_000

# Total fluxes of sources in local standard deviations of the background.
FLUX_RANGE = (5, 3000)
FAINT_RANGE = (5, 20)

# Sources in 256 x 256 pixels.
_N_SOURCES = (15, 21)

# Limits of what is drawn for each map.
_WIDTH = (0.93, 1.07)
_ELONGATION = (1.0, 1.1)
_GRADIENT = (0.0, 0.05)

# Shape of the PSF of each kind of case; None: width, elongation and
# gradient are drawn for each map. Sources of 'faint' have 5 to 20 sigma.
PSF_KINDS = {
    'nominal': {}, 'broad5': {'width': 1.05}, 'broad7': {'width': 1.07},
    'narrow5': {'width': 0.95}, 'narrow7': {'width': 0.93},
    'elongated10': {'elongation': 1.1}, 'changing10': {'gradient': 0.05},
    'faint': None, 'vesta': {}, 'mixed': None}


@dataclass(frozen=True)
class VariedPSF:
    """
    A PSF stretched in width, elongated, and changing across the map.

    Parameters
    ----------
    base : PSF object
        The PSF that is stretched as a whole, wings included.
    width : float
        Factor on the width in the middle of the map.
    elongation : float
        Ratio of the stretches along ``angle`` and across it.
    gradient : float
        Relative change of the width from the middle of the map to where
        it ends, along ``direction``.
    angle, direction, turn : float
        Angle of the elongation, of the gradient, and of the base (rad).
    """

    base: object
    width: float = 1.0
    elongation: float = 1.0
    gradient: float = 0.0
    angle: float = 0.0
    direction: float = 0.0
    turn: float = 0.0

    def at(self, x, y, shape):
        """
        The PSF of a source at a pixel of a map.
        """
        ny, nx = shape
        offset = ((2 * x / (nx - 1) - 1) * np.cos(self.direction)
                  + (2 * y / (ny - 1) - 1) * np.sin(self.direction))
        # 1 at the corner or side that lies farthest that way
        offset /= abs(np.cos(self.direction)) + abs(np.sin(self.direction))
        return replace(self, gradient=0.0,
                       width=self.width * (1 + self.gradient * offset))

    def evaluate(self, dx, dy):
        """
        Fraction of the flux per square arcsec at offsets in arcsec.
        """
        ratio = np.sqrt(self.elongation)
        along = (dx * np.cos(self.angle) + dy * np.sin(self.angle)) / ratio
        across = (dy * np.cos(self.angle) - dx * np.sin(self.angle)) * ratio
        turn = self.angle - self.turn
        x = along * np.cos(turn) - across * np.sin(turn)
        y = along * np.sin(turn) + across * np.cos(turn)
        return (self.base.evaluate(x / self.width, y / self.width)
                / self.width ** 2)


class WingedVesta:
    """
    The stamp of Vesta with the wings that it lacks.

    They are those of the band's PSF, into which the stamp passes where it
    is not trusted any more.

    Parameters
    ----------
    folder : path-like
        The data.
    band : Band
        The band.
    """

    def __init__(self, folder, band):
        self.model = as_psf(band)
        self.stamp = load_vesta(Path(folder), band.name)
        self.radius = stamp_radius(self.stamp)

    def evaluate(self, dx, dy):
        """
        Fraction of the flux per square arcsec at offsets in arcsec.
        """
        weight = np.clip((1 - np.hypot(dx, dy) / self.radius)
                         / (1 - TRUSTED), 0, 1)
        return (weight * self.stamp.evaluate(dx, dy)
                + (1 - weight) * self.model.evaluate(dx, dy))


@dataclass(frozen=True)
class Case:
    """
    A map with truth.

    Parameters
    ----------
    kind, field, seed : str, str, int
        Kind of PSF, name of the background, and seed.
    band : Band
        The band.
    psf : VariedPSF
        The PSF.
    truth, image : `~numpy.ndarray`
        Background and map with sources (Jy per pixel), NaN in gaps.
    avoid : `~numpy.ndarray` of bool
        Where no position may lie.
    x, y, flux, sigma : `~numpy.ndarray`
        Positions, total fluxes (Jy) and local standard deviations of the
        background.
    mask : `~numpy.ndarray` of bool, optional
        Pixels that are masked.
    affected : `~numpy.ndarray` of bool, optional
        Sources that are damaged.
    """

    kind: str
    field: str
    seed: int
    band: object
    psf: VariedPSF
    truth: np.ndarray
    image: np.ndarray
    avoid: np.ndarray
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    mask: np.ndarray | None = None
    affected: np.ndarray | None = None

    @property
    def fwhm(self):
        """
        Nominal full width at half maximum in pixels.
        """
        return self.band.psf.fwhm / self.band.pixel_scale.to_value(u.arcsec)

    def ccd(self):
        """
        The map as users hand it over.
        """
        ccd = as_ccd(self.image.copy(), self.band)
        if self.mask is not None:
            ccd.mask = ccd.mask | self.mask
        return ccd

    def radius(self, k):
        """
        Distance of all pixels from a source (pixels).
        """
        ny, nx = self.image.shape
        return np.hypot(*np.ogrid[-self.y[k]:ny - self.y[k] - 0.5,
                                  -self.x[k]:nx - self.x[k] - 0.5])

    def add(self, x, y, flux, sigma):
        """
        The same map with further positions, those with flux as sources.
        """
        image = self.image + render(self.psf, self.band, self.image.shape,
                                    x, y, flux)
        columns = {name: np.append(getattr(self, name), value)
                   for name, value in (('x', x), ('y', y), ('flux', flux),
                                       ('sigma', sigma))}
        return replace(self, image=image, **columns)


def local_sigma(truth, x, y):
    """
    Local standard deviation of the background, as in ``accuracy.py``.
    """
    return source_snr(truth, x, y, source_radius=8, annulus_radii=(0, 22))[2]


def render(psf, band, shape, x, y, flux):
    """
    Light of point sources in all pixels of a map: the PSF has the pixels
    of the map in it, so it is taken at their centres.
    """
    scale = band.pixel_scale.to_value(u.arcsec)
    rows, columns = np.ogrid[:shape[0], :shape[1]]
    light = np.zeros(shape)
    for xi, yi, value in zip(x, y, flux, strict=True):
        if value:
            light += value * scale ** 2 * psf.at(xi, yi, shape).evaluate(
                (columns - xi) * scale, (rows - yi) * scale)
    return light


@lru_cache(maxsize=2)
def load_fields(folder):
    """
    Names of simulated, noisy and real fields, and the real maps.
    """
    folder = Path(folder) / 'backgrounds'
    maps = {}
    for name in HELD_OUT:
        if (folder / name).exists():
            maps[name.split('_')[0]] = load_background_maps(folder / name)[0]
    kinds = list_background_kinds()
    groups = ([f'{kind} simulated' for kind in kinds], list(maps),
              [f'{kind} noisy' for kind in kinds])
    longest = max(map(len, groups))
    # a few maps in a row are of all groups
    return [group[i] for i in range(longest) for group in groups
            if i < len(group)], maps


def make_field(folder, band, size, seed, rng):
    """
    A background, where not to put sources, and its name.
    """
    names, maps = load_fields(str(folder))
    name = names[seed % len(names)]
    if name not in maps:
        kind, group = name.split()
        truth = make_background(
            (size, size), kind=kind, slope=rng.uniform(2.6, 3.6),
            fwhm=band.psf.fwhm / band.pixel_scale.to_value(u.arcsec),
            noise=np.exp(rng.uniform(*np.log(NOISE[group]))), seed=rng)
        return truth, np.zeros(truth.shape, dtype=bool), name
    entry = maps[name]
    avoid = pixels_to_avoid(entry)
    best = None
    for _ in range(30):
        y0, x0 = (rng.integers(max(1, n - size + 1))
                  for n in entry.data.shape)
        window = (slice(y0, y0 + size), slice(x0, x0 + size))
        free = np.mean(~avoid[window])
        if best is None or free > best[0]:
            best = free, window
        if free > 0.5:
            break
    turns = rng.integers(4)
    return (np.rot90(entry.data[best[1]].astype(float), turns).copy(),
            np.rot90(avoid[best[1]], turns).copy(), name)


def make_psf(kind, band, folder, rng):
    """
    The PSF of a map.
    """
    shape = PSF_KINDS[kind]
    if shape is None:
        shape = {'width': rng.uniform(*_WIDTH),
                 'elongation': rng.uniform(*_ELONGATION),
                 'gradient': rng.uniform(*_GRADIENT)}
    angles = dict(zip(('angle', 'direction', 'turn'),
                      rng.uniform(0, 2 * np.pi, 3), strict=True))
    base = WingedVesta(folder, band) if kind == 'vesta' else as_psf(band)
    return VariedPSF(base, **shape, **angles)


def make_case(kind, seed, *, band, folder, size=256, density=1.0,
              flux_range=None):
    """
    Make a map with sources.

    Parameters
    ----------
    kind : str
        One of ``PSF_KINDS``.
    seed : int
        Chooses the field, and everything random.
    band : Band
        The band.
    folder : path-like
        The data; without them there are simulated fields only.
    size : int
        Side of the map in pixels.
    density : float
        Factor on the number of sources.
    flux_range : tuple of float
        In local standard deviations.

    Returns
    -------
    case : Case
        The map.
    """
    rng = np.random.default_rng([SEED, seed, list(PSF_KINDS).index(kind)])
    truth, avoid, name = make_field(folder, band, size, seed, rng)
    psf = make_psf(kind, band, folder, rng)
    area = truth.size / 256 ** 2
    n_sources = max(1, round(rng.integers(*_N_SOURCES) * density * area))
    x, y = draw_positions(truth.shape, n_sources, avoid, rng)
    sigma = local_sigma(truth, x, y)
    if flux_range is None:
        flux_range = FAINT_RANGE if kind == 'faint' else FLUX_RANGE
    flux = sigma * np.exp(rng.uniform(*np.log(flux_range), x.size))
    image = truth + render(psf, band, truth.shape, x, y, flux)
    return Case(kind, name, seed, band, psf, truth, image, avoid, x, y, flux,
                sigma)
