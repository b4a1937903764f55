# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
From the maps that a user hands to ``fit`` to those that are trained on.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.nddata import NDData

from compact_removal.datasets import BackgroundMap
from compact_removal.instruments import get_band
from compact_removal.maps.holes import scale_factor
from compact_removal.maps.headers import warn_of_band
from compact_removal.maps.images import read_image
from compact_removal.maps.positions import pair_catalogs, read_pixels
from compact_removal.utils.parameters import (ParameterError,
                                              ParameterTypeError,
                                              rename_parameter)

__all__ = ['TrainingData', 'make_training_data']


@dataclass(frozen=True, eq=False)
class TrainingData:
    """
    Bands and maps to train on.

    Parameters
    ----------
    bands : tuple of `~compact_removal.instruments.Band`
        The bands with their nominal pixels.
    maps : tuple of `~compact_removal.datasets.BackgroundMap`
        Maps with bands and pixel scales; none for simulated ones.
    validation_maps : tuple of `~compact_removal.datasets.BackgroundMap`
        Those that decide which weights are kept: for each band its
        ``maps``, where the user has given no others.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.base.training_data import TrainingData
    >>> data = TrainingData((get_band('scanmap', 'blue'),), (), ())
    >>> [band.name for band in data.bands], data.maps
    (['blue'], ())
    """

    bands: tuple
    maps: tuple
    validation_maps: tuple

    @property
    def summary(self):
        """
        How many maps there are, in words.
        """
        numbers = {band.name: sum(entry.band == band.name
                                  for entry in self.maps)
                   for band in self.bands}
        if not self.maps:
            return 'simulated backgrounds'
        if len(numbers) == 1:
            return f'maps: {len(self.maps)}'
        return ', '.join(f'{name}: ' + (f'maps: {number}' if number
                                        else 'simulated backgrounds')
                         for name, number in numbers.items())

    @property
    def all_have_maps(self):
        """
        Whether there are maps for each band.
        """
        return {band.name for band in self.bands} <= {entry.band for entry
                                                      in self.maps}


def make_training_data(band, backgrounds, *, catalogs=None, validation=None):
    """
    Check and convert what a user hands to ``fit``.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band of the estimator.
    backgrounds : `None`, list of `~astropy.nddata.CCDData`, or dict
        Maps of the band; `None` for simulated ones. A dict has several
        bands of the mode, by their names, each with one of the two.
    catalogs : list or dict, optional
        Positions of real sources, one entry per map, `None` for a map
        without; a dict for a dict.
    validation : list of `~astropy.nddata.CCDData` or dict, optional
        More maps; a dict for a dict.

    Returns
    -------
    data : `TrainingData`
        Bands and maps.

    Raises
    ------
    TypeError, ParameterError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.base.training_data import make_training_data
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=2)
    >>> data = make_training_data(
    ...     get_band('scanmap', 'blue'), {'blue': [image], 'red': None},
    ...     catalogs={'blue': [catalog]})
    >>> [band.name for band in data.bands]
    ['blue', 'red']
    >>> print(data.maps[0].band, data.maps[0].pixel_scale)
    blue 1.6 arcsec
    """
    several = isinstance(backgrounds, Mapping)
    if not several:
        backgrounds = {band.name: backgrounds}
    if not backgrounds:
        msg = 'backgrounds must have at least one band, got an empty dict'
        raise ParameterError(msg, 'backgrounds')
    bands = {}
    for key in backgrounds:
        found = band if key == band.name else get_band(band.mode, key)
        if found.name in bands:
            msg = f'backgrounds must have band {found.name!r} only once'
            raise ParameterError(msg, 'backgrounds')
        bands[found.name] = found
    if band.name not in bands:
        msg = (f'backgrounds must have the band of the estimator, '
               f'{band.name!r}, got {", ".join(bands)}')
        raise ParameterError(msg, 'backgrounds')
    backgrounds = dict(zip(bands, backgrounds.values(), strict=True))
    catalogs = _split('catalogs', catalogs, band, bands, several=several)
    validation = _split('validation', validation, band, bands,
                        several=several)
    maps, kept = [], []
    for name, found in bands.items():
        own = _read_maps('backgrounds', backgrounds[name], found,
                         catalogs.get(name))
        maps += own
        kept += _read_maps('validation', validation.get(name), found,
                           None) or own
    return TrainingData(tuple(bands.values()), tuple(maps), tuple(kept))


def _split(name, values, band, bands, *, several):
    """
    What belongs to each band, by its name.
    """
    if values is None:
        return {}
    if several != isinstance(values, Mapping):
        kind = 'a dict by band' if several else 'a list'
        msg = (f'{name} must be {kind}, as backgrounds is, got '
               f'{type(values).__name__}')
        raise ParameterError(msg, name)
    if not several:
        return {band.name: values}
    split = {}
    for key, value in values.items():
        own = band.name if key == band.name else get_band(band.mode, key).name
        if own not in bands:
            msg = (f'{name} must have bands of backgrounds '
                   f'({", ".join(bands)}), got {key!r}')
            raise ParameterError(msg, name)
        split[own] = value
    return split


def _read_maps(name, images, band, catalogs):
    """
    Maps of a band and positions to avoid, as arrays.
    """
    if images is None:
        if catalogs is not None:
            msg = (f'catalogs must be None for band {band.name!r}, which has '
                   f'no {name}')
            raise ParameterError(msg, 'catalogs')
        return []
    images = [images] if isinstance(images, NDData) else list(images)
    if not images:
        msg = f'{name} must be None or hold at least one map'
        raise ParameterError(msg, name)
    maps = []
    for image, catalog in zip(images, pair_catalogs(catalogs, len(images)),
                              strict=True):
        try:
            input_map = read_image(image, everywhere=True)
        except (ParameterError, ParameterTypeError) as error:
            raise type(error)(rename_parameter(error, image=name),
                              name) from error
        warn_of_band(image, band)
        # refuses pixels that are too different
        scale_factor(band, input_map.pixel_scale)
        positions = np.zeros((0, 2))
        if catalog is not None and len(catalog):
            x, y = read_pixels(catalog, wcs=input_map.grid.wcs,
                               shape=input_map.data.shape)
            positions = np.column_stack([x, y])
            positions = positions[np.isfinite(positions).all(axis=1)]
        with np.errstate(over='ignore'):
            data = input_map.window(np.s_[:, :]).astype(np.float32)
        maps.append(BackgroundMap(data, positions, band=band.name,
                                  pixel_scale=input_map.pixel_scale))
    return maps
