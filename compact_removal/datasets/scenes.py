# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Scenes: maps of sources whose truth is known, and their settings.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from compact_removal.utils.parameters import (ParameterError,
                                              check_positive_integer)

__all__ = ['Scene', 'SceneSettings']

_COUNTS = ('size', 'field_size', 'n_fields', 'n_psfs', 'n_stamps',
           'max_neighbors')
_SHARES = ('real_fraction', 'edge_chance', 'loss_chance', 'neighbor_chance',
           'large_error_chance', 'empty_chance', 'negative_chance', 'knots')
_LENGTHS = ('clearance', 'small_error', 'large_error')
_RANGES = ('log_spread', 'offset', 'beam')
_RATIOS = ('log_ratios', 'neighbor_log_ratios')


@dataclass(frozen=True)
class SceneSettings:
    """
    Settings of simulated scenes.

    Lengths are in pixels of the scene, except for ``clearance``. The
    ratio of a source is its peak over the standard deviation of the
    background around it; the logarithms (base 10) of the ratios follow
    a distribution that is given by quantiles.

    Parameters
    ----------
    size : int, optional
        Side of cutouts.
    field_size : int, optional
        Side of the simulated backgrounds from which cutouts are taken.
    n_fields, n_psfs, n_stamps : int, optional
        Number of simulated backgrounds per band, of PSFs per band, and
        of sources of different shape and sub-pixel position per PSF.
    knots : float, optional
        Largest height of knots beside the core of a PSF, over its peak;
        a PSF is as simple as its band has it where this is 0.
    real_fraction : float, optional
        Share of the scenes on real maps, if there are any.
    clearance : float, optional
        Least distance of the centre of a cutout from sources of a real
        map (nominal pixels of the band).
    edge_chance, loss_chance : float, optional
        How often a cutout may reach over the edge of its map, and how
        often a scene loses pixels.
    log_spread, offset : tuple of float, optional
        Limits of the logarithm of the standard deviation of
        the background, and of its mean.
    beam : tuple of float, optional
        Limits of the beam of simulated backgrounds over the full width
        of the PSF.
    quantiles : tuple of float, optional
        Shares of the sources, rising from 0 to 1.
    log_ratios, neighbor_log_ratios : tuple of float, optional
        Logarithms of the ratios that these shares of the sources, or of
        the neighbours of the central source of a cutout, do not reach.
    neighbor_chance : float, optional
        How often the central source of a cutout has neighbours.
    max_neighbors : int, optional
        Their largest number; all numbers from 1 on are equally likely.
    empty_chance, negative_chance : float, optional
        How often the central source of a cutout has no flux, and how
        often its flux is negative.
    small_error : float, optional
        Standard deviation of errors of catalogue positions, in x and y.
    large_error, large_error_chance : float, optional
        Some positions lie anywhere in a circle of this radius instead;
        how often.

    Raises
    ------
    ParameterError
        If a setting is out of range.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from compact_removal.datasets import SceneSettings
    >>> settings = SceneSettings(size=64, neighbor_chance=0)
    >>> replace(settings, n_psfs=8).size
    64
    """

    size: int = 96
    field_size: int = 192
    n_fields: int = 800
    n_psfs: int = 48
    n_stamps: int = 6
    knots: float = 0.0
    real_fraction: float = 0.5
    clearance: float = 12.0
    edge_chance: float = 0.08
    loss_chance: float = 0.08
    log_spread: tuple = (-1.0, 1.0)
    offset: tuple = (-1.0, 3.0)
    beam: tuple = (0.95, 1.25)
    quantiles: tuple = (0.0, 0.25, 0.55, 0.8, 0.95, 1.0)
    log_ratios: tuple = (-0.6, 0.4, 1.2, 2.2, 3.2, 4.2)
    neighbor_log_ratios: tuple = (-0.6, 0.0, 0.7, 1.5, 2.2, 2.7)
    neighbor_chance: float = 0.5
    max_neighbors: int = 4
    empty_chance: float = 0.0
    negative_chance: float = 0.0
    small_error: float = 0.2
    large_error: float = 1.2
    large_error_chance: float = 0.25

    def __post_init__(self):
        for name in _COUNTS:
            check_positive_integer(name, getattr(self, name))
        for name in _SHARES:
            self._check(name, lambda value: 0 <= value <= 1,
                        'must lie in [0, 1]')
        self._check('negative_chance',
                    lambda value: self.empty_chance + value <= 1,
                    'must be at most 1 with empty_chance')
        for name in _LENGTHS:
            self._check(name, lambda value: 0 <= value < np.inf,
                        'must be a length >= 0 (pixels)')
        for name in _RANGES:
            self._check(name, _is_range,
                        'must be two finite numbers that do not fall')
        self._check('beam', lambda value: value[0] > 0, 'must be positive')
        self._check('field_size', lambda value: value >= self.size,
                    f'must be at least size ({self.size})')
        self._check('quantiles', _are_quantiles,
                    'must rise from 0 to 1')
        n_quantiles = len(self.quantiles)
        for name in _RATIOS:
            self._check(name, lambda value: _rises(value, n_quantiles),
                        f'must be {n_quantiles} finite numbers that do not '
                        f'fall, as there are so many quantiles')

    def _check(self, name, test, rule):
        """
        Raise an error if a setting does not pass a test.
        """
        value = getattr(self, name)
        try:
            good = bool(test(value))
        except (TypeError, ValueError):
            good = False
        if not good:
            msg = f'{name} {rule}, got {value!r}'
            raise ParameterError(msg, name)


def _rises(values, n_values):
    """
    Whether these are so many finite numbers that do not fall.
    """
    return (len(values) == n_values and np.all(np.isfinite(values))
            and np.all(np.diff(values) >= 0))


def _is_range(values):
    """
    Whether these are two numbers in order.
    """
    return _rises(values, 2)


def _are_quantiles(values):
    """
    Whether these numbers rise from 0 to 1.
    """
    return (len(values) > 1 and values[0] == 0 and values[-1] == 1
            and np.all(np.diff(values) > 0))


@dataclass(frozen=True, eq=False)
class Scene:
    """
    A simulated map of which all is known.

    The unit is arbitrary. The central source of a cutout comes first.

    Parameters
    ----------
    background : `~numpy.ndarray`
        The map without sources but with noise, float32, shape ``(ny,
        nx)``; NaN where it is not known.
    known : `~numpy.ndarray` of bool
        Whether a pixel was measured, shape ``(ny, nx)``.
    noise : float
        Standard deviation of the noise of the instrument; NaN on a real
        map.
    band : `~compact_removal.instruments.Band`
        The band, with the pixels of the map.
    psf : int
        Number of the PSF; the sources of scenes of a simulator with the
        same band and number have the same PSF.
    x, y : `~numpy.ndarray`
        Positions of the sources (pixels), shape ``(n,)``.
    x_catalog, y_catalog : `~numpy.ndarray`
        Positions as a catalogue gives them (pixels), shape ``(n,)``.
    flux : `~numpy.ndarray`
        Fluxes, shape ``(n,)``.
    std : `~numpy.ndarray`
        Standard deviation of the background around each source, which
        its flux is drawn with, shape ``(n,)``.
    extent : `~numpy.ndarray`
        Width of each source over that of the PSF, 1 for points, shape
        ``(n,)``.
    stamps : tuple of `~numpy.ndarray`
        Image of each source: fraction of the flux per pixel, shape
        ``(m, m)`` with an odd m.
    pixels : `~numpy.ndarray` of int
        ``(x, y)`` of the pixels on which the central pixels of the
        stamps fall, shape ``(n, 2)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets import make_scene
    >>> scene = make_scene('scanmap', 'blue', (80, 100), n_sources=3, seed=1)
    >>> scene.image.shape, scene.flux.size
    ((80, 100), 3)
    >>> light = scene.render()
    >>> bool(np.nanmax(np.abs(scene.image - scene.background - light))
    ...      < 1e-4 * np.nanmax(scene.image))
    True
    """

    background: np.ndarray
    known: np.ndarray
    noise: float
    band: object
    psf: int
    x: np.ndarray
    y: np.ndarray
    x_catalog: np.ndarray
    y_catalog: np.ndarray
    flux: np.ndarray
    std: np.ndarray
    extent: np.ndarray
    stamps: tuple
    pixels: np.ndarray

    @cached_property
    def image(self):
        """
        The map: float32, NaN where a pixel was not measured.
        """
        image = self.background.copy()
        self._add_sources(image, range(self.flux.size))
        image[~self.known] = np.nan
        return image

    def render(self, index=None):
        """
        Draw the light of sources alone.

        Parameters
        ----------
        index : int, optional
            Number of a source; default: all of them together.

        Returns
        -------
        light : `~numpy.ndarray`
            In the unit of the map, float32, shape ``(ny, nx)``.
        """
        light = np.zeros_like(self.background)
        self._add_sources(light, range(self.flux.size) if index is None
                          else [index])
        return light

    def _add_sources(self, image, numbers):
        """
        Add sources to an image, in place.
        """
        for k in numbers:
            _add_stamp(image, self.stamps[k], self.flux[k], *self.pixels[k])


def _add_stamp(image, stamp, flux, x, y):
    """
    Add a stamp, whose central pixel falls on (x, y), to an image.
    """
    ny, nx = image.shape
    half = stamp.shape[0] // 2
    x0, x1 = max(0, x - half), min(nx, x + half + 1)
    y0, y1 = max(0, y - half), min(ny, y + half + 1)
    if x0 < x1 and y0 < y1:
        image[y0:y1, x0:x1] += np.float32(flux) * stamp[
            y0 - y + half:y1 - y + half, x0 - x + half:x1 - x + half]
