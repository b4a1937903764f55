# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Which maps belong to which band, and the pixels of both.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from compact_removal.maps.holes import scale_factor
from compact_removal.psf import fwhm_in_pixels
from compact_removal.utils.parameters import ParameterError

__all__ = ['SceneBand', 'count_slots', 'match_bands', 'weigh_maps']

# Pixel scales that differ by less are taken as the same.
_SAME_SCALE = 0.01


@dataclass(frozen=True, eq=False)
class SceneBand:
    """
    A band in pixels of one size, and the maps with these pixels.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band with these pixels.
    scale : float
        Pixels per nominal pixel of the band.
    maps : tuple of int
        Numbers of the maps.
    shares : `~numpy.ndarray`, optional
        Cumulative shares of the maps in what is drawn.
    """

    band: object
    scale: float
    maps: tuple
    shares: np.ndarray | None = None

    @property
    def fwhm(self):
        """
        Full width at half maximum of the nominal PSF (pixels).
        """
        return fwhm_in_pixels(self.band, self.band.pixel_scale)

    def draw_map(self, rng):
        """
        Draw the number of a map.
        """
        index = np.searchsorted(self.shares, rng.random())
        return self.maps[min(index, len(self.maps) - 1)]


def match_bands(bands, maps):
    """
    Find the maps of each band, one entry per size of their pixels.

    Parameters
    ----------
    bands : sequence of `~compact_removal.instruments.Band`
        The bands.
    maps : sequence of `~compact_removal.datasets.BackgroundMap`
        The maps. Those without a pixel scale belong to all entries.

    Returns
    -------
    groups : list of list of `SceneBand`
        For each band its entries; one with nominal pixels if it has no
        map with others.

    Raises
    ------
    ParameterError
        If a map belongs to no band.
    """
    groups, left = [], set(range(len(maps)))
    for band in bands:
        own = [number for number, item in enumerate(maps)
               if item.band in (None, band.name)]
        left -= set(own)
        scales = {}
        for number in own:
            if maps[number].pixel_scale is not None:
                scale = scale_factor(band, maps[number].pixel_scale)
                near = [value for value in (1.0, *scales)
                        if abs(scale / value - 1) < _SAME_SCALE]
                scales.setdefault(near[0] if near else scale,
                                  set()).add(number)
        scales = scales or {1.0: set()}
        anywhere = {number for number in own
                    if maps[number].pixel_scale is None}
        groups.append([
            SceneBand(band if scale == 1 else
                      band.with_pixel_scale(band.pixel_scale / scale),
                      scale, tuple(sorted(members | anywhere)))
            for scale, members in scales.items()])
    if left:
        names = ', '.join(repr(band.name) for band in bands)
        msg = (f'maps must be of one of the bands {names}, got one of band '
               f'{maps[min(left)].band!r}')
        raise ParameterError(msg, 'maps')
    return groups


def weigh_maps(groups, count_places):
    """
    Give each map its share, and drop those without room for a cutout.

    Parameters
    ----------
    groups : list of list of `SceneBand`
        From `match_bands`.
    count_places : callable
        Gives the number of places for cutouts in a map, from the number
        of the map and the scale.

    Returns
    -------
    groups : list of list of `SceneBand`
        The same with shares.

    Raises
    ------
    ParameterError
        If no map of a band has room.
    """
    weighed = []
    for group in groups:
        entries = []
        for entry in group:
            counts = {number: float(count_places(number, entry.scale))
                      for number in entry.maps}
            usable = tuple(number for number in entry.maps if counts[number])
            weights = np.sqrt([counts[number] for number in usable])
            if usable or not entry.maps:
                entries.append(replace(
                    entry, maps=usable,
                    shares=np.cumsum(weights / weights.sum())))
        if not entries:
            msg = ('maps have no room for a cutout away from real sources in '
                   f'band {group[0].band.name!r}')
            raise ParameterError(msg, 'maps')
        weighed.append(entries)
    return weighed


def count_slots(groups):
    """
    List entries as often as they are to be drawn.

    All bands are drawn equally often, and the entries of a band as often
    as they have maps.

    Parameters
    ----------
    groups : list of list of `SceneBand`
        From `match_bands`.

    Returns
    -------
    slots : list of int
        Numbers of the entries.
    """
    weights = []
    for group in groups:
        numbers = [max(len(entry.maps), 1) for entry in group]
        weights.append([number // math.gcd(*numbers) for number in numbers])
    total = math.lcm(*(sum(numbers) for numbers in weights))
    slots = []
    start = 0
    for numbers in weights:
        for number, weight in enumerate(numbers, start):
            slots += [number] * (weight * total // sum(numbers))
        start += len(numbers)
    return slots
