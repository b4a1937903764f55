# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Channels: maps of the same sky that one network sees together.

Gamma-ray telescopes count photons in several bands of energy. The network
sees the significance of a source in each; fluxes are those of the first.
"""

from typing import NamedTuple

import numpy as np

from compact_removal.detection.filters import filter_map
from compact_removal.maps.images import read_image, read_part
from compact_removal.maps.units import are_counts
from compact_removal.utils.parameters import ParameterError

__all__ = ['Channel', 'filter_channels', 'read_array', 'read_channels',
           'stretch_counts']

# Largest difference of the pixels of two channels.
_SAME = 0.1


class Channel(NamedTuple):
    """
    One of the maps.

    Attributes
    ----------
    data : `~numpy.ndarray`
        Its pixels, shape ``(ny, nx)``.
    mask : `~numpy.ndarray` of bool or None
        True where a pixel must not be used, shape ``(ny, nx)``.
    counts : bool
        Whether they are photons, to be scaled.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.channels import Channel
    >>> Channel(np.zeros((2, 3))).counts
    False
    """

    data: np.ndarray
    mask: object = None
    counts: bool = False


def read_array(data, mask, model):
    """
    Read a bare array, for a network with one channel.

    Parameters
    ----------
    data : array_like or `~astropy.units.Quantity`
        The image, shape ``(ny, nx)``.
    mask : array_like of bool or None
        True where a pixel must not be used.
    model : `~compact_removal.nn.Model`
        The network.

    Returns
    -------
    channels : list of `Channel`
        The only one.

    Raises
    ------
    ParameterError
        If it is no image, its mask is of another shape, or the network
        has more channels.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from compact_removal import nn
    >>> from compact_removal.detection.channels import read_array
    >>> from compact_removal.detection.networks import find_model_class
    >>> model = nn.make_model(find_model_class('localization'), {'width': 1})
    >>> channel, = read_array(np.zeros((2, 3)) * u.ct, None, model)
    >>> channel.data.shape
    (2, 3)
    """
    values = np.asarray(getattr(data, 'value', data), dtype=float)
    if values.ndim != 2:
        msg = f'data must be an image, got an array of {values.shape}'
        raise ParameterError(msg, 'data')
    if mask is not None:
        if np.shape(mask) != values.shape:
            msg = (f'mask must have the shape {values.shape} of data, got '
                   f'{np.shape(mask)}')
            raise ParameterError(msg, 'mask')
        mask = np.asarray(mask, dtype=bool)
    _check_network('data', [getattr(data, 'unit', None)], model)
    return [Channel(values, mask, model.config['counts'])]


def read_channels(image, model):
    """
    Read what a network sees together.

    Parameters
    ----------
    image : `~astropy.nddata.NDData` or list
        The maps.
    model : `~compact_removal.nn.Model`
        The network.

    Returns
    -------
    images : list of `~astropy.nddata.NDData`
        What the user gave.
    maps : list of `~compact_removal.maps.images.InputMap`
        The same, as they were read.
    channels : list of `Channel`
        Their pixels.

    Raises
    ------
    TypeError, ValueError
        If there are more or fewer than the network has channels, one
        cannot be read, or their pixels are not the same.

    Examples
    --------
    >>> from compact_removal import nn
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.detection.channels import read_channels
    >>> from compact_removal.detection.networks import find_model_class
    >>> image, _ = make_example_field(shape=(64, 70), n_sources=1)
    >>> _, maps, _ = read_channels([image, image], nn.make_model(
    ...     find_model_class('localization'), {'width': 1, 'n_channels': 2}))
    >>> maps[1].data.shape
    (64, 70)
    """
    images = list(image) if isinstance(image, (list, tuple)) else [image]
    maps = [read_image(one, everywhere=True, counts=True) for one in images]
    _check_network('image', [one.unit for one in maps], model)
    ny, nx = shape = maps[0].data.shape
    corners = np.array([[0, 0, nx - 1, nx - 1], [0, ny - 1, 0, ny - 1]])
    for number, one in enumerate(maps[1:], 2):
        if one.data.shape != shape or np.nanmax(np.abs(np.array(
                one.to_pixels(maps[0].grid.to_sky(*corners))) - corners),
                initial=0) > _SAME:
            msg = (f'image: map {number} must have the pixels of the first; '
                   'reproject it')
            raise ParameterError(msg, 'image')
    return images, maps, [Channel(one.data, one.mask, model.config['counts'])
                          for one in maps]


def _check_network(name, units, model):
    """
    Check that there are as many maps as a network sees together, and that
    they are photons if it wants them.
    """
    wanted = model.config['n_channels']
    if len(units) != wanted:
        what = ('one map, as the network has one channel' if wanted == 1 else
                f'a list of {wanted} maps, as the network has so many '
                'channels')
        msg = f'{name} must be {what}; got {len(units)}'
        raise ParameterError(msg, name)
    for unit in units:
        if model.config['counts'] and not are_counts(unit):
            msg = (f'{name} must be counts (ct or photon), which the network '
                   f'is for, got the unit {unit}')
            raise ParameterError(msg, name)


def stretch_counts(counts):
    """
    Scale counts so that their noise is the same everywhere.

    Parameters
    ----------
    counts : `~numpy.ndarray`
        Numbers of photons.

    Returns
    -------
    values : `~numpy.ndarray`
        Twice the square root (Anscombe 1948), of standard deviation 1
        where there are more than a few counts.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.channels import stretch_counts
    >>> counts = np.random.default_rng(1).poisson([[9], [400]], (2, 5000))
    >>> print(stretch_counts(counts).std(axis=1).round(1))
    [1. 1.]
    """
    return 2 * np.sqrt(np.maximum(counts, 0) + 0.375)


def filter_channels(channels, part, psf):
    """
    Filter a part of all channels.

    Parameters
    ----------
    channels : sequence of `Channel`
        The maps.
    part : tuple of slice
        Rows and columns.
    psf : `~compact_removal.fitting.SourcePSF`
        The PSF.

    Returns
    -------
    data : `~numpy.ndarray`
        The part of the first one, NaN where unknown, shape ``(my, mx)``.
    filtered : `~compact_removal.detection.filters.FilteredMap`
        Its significances.
    planes : `~numpy.ndarray`
        Those of all channels, shape ``(3 n_channels, my, mx)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.channels import (Channel,
    ...                                                 filter_channels)
    >>> from compact_removal.fitting import SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> band = get_band('scanmap', 'blue')
    >>> data = np.random.default_rng(1).normal(size=(2, 40, 50))
    >>> part, _, planes = filter_channels(
    ...     [Channel(data[0]), Channel(data[1])], np.s_[:, :30],
    ...     SourcePSF(band, band.pixel_scale))
    >>> part.shape, planes.shape
    ((40, 30), (6, 40, 30))
    """
    parts = [read_part(channel.data, channel.mask, part)
             for channel in channels]
    filtered = [filter_map(stretch_counts(values) if channel.counts
                           else values, psf)
                for values, channel in zip(parts, channels, strict=True)]
    return parts[0], filtered[0], np.concatenate([one.planes
                                                  for one in filtered])
