# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of fields with many sources for the training of deblenders.
"""

import numpy as np

from compact_removal.datasets import make_random_background
from compact_removal.datasets.moffat import draw_even
from compact_removal.deblending.batches import SETTINGS, GalaxyPool
from compact_removal.deblending.contributions import encode
from compact_removal.deblending.pointers import (find_nearest,
                                                 measure_centers, point)
from compact_removal.deblending.scaling import scale_blends

__all__ = ['ContributionFields', 'PartialFields']

# Fields of the training: numbers of sources, how they are placed, how often.
_PLACES = (((1, 1), 'separation', 0.05), ((2, 3), 'separation', 0.25),
           ((3, 7), 'separation', 0.15), ((2, 12), 'field', 0.35),
           ((10, 24), 'field', 0.2))

# Galaxies are fewer among them.
_SETTINGS = {**SETTINGS, 'stars': 0.25}

# Sources that must be found, and such as need not be (signal-to-noise
# ratios); the radius around the latter (pixels) where nothing is learned.
_BRIGHT, _FAINT, _AROUND = 7.0, 3.0, 3.0

# Width of the map of centres, in that of the PSF; the least (pixels).
_SIGMA, _NARROWEST = 0.5, 0.8

# Fluxes are learned where so much of them is in the field.
_INSIDE = 0.9

# Light of no source, in units of the noise; how often there is diffuse
# light, and its standard deviation.
_NONE = 0.5
_DIFFUSE, _STRENGTHS = 0.25, (0.3, 5.0)

# What is turned with a field.
_PLANES = ('image', 'light', 'diffuse')

# How often no position is given; how many of those given are left out, by
# how much they are wrong (pixels), how often there is one too many.
_BLIND = 0.3
_LEFT_OUT = (0.0, 0.0, 0.15)
_SCATTERS = (0.0, 0.3, 0.8)
_SPURIOUS = 0.2


class PartialFields(GalaxyPool):
    """
    Fields as the network of the paper learns them.

    Parameters
    ----------
    galaxies : list of `~numpy.ndarray`, optional
        See `~compact_removal.deblending.batches.GalaxyPool`.
    n_contributions : int, optional
        Each pixel may belong to so many of the nearest sources.
    n_distinct : int, optional
        So many epochs are made; the next ones show them again, turned.
    **kwargs : object
        See `~compact_removal.deblending.batches.GalaxyPool`.

    Examples
    --------
    >>> from compact_removal.deblending.fields import PartialFields
    >>> fields = PartialFields(batch_size=2, n_batches=1, size=64,
    ...                        n_galaxies=4)
    >>> {name: value.shape for name, value in fields.batch(0, 0).items()}
    {'image': (2, 64, 64), 'truth_centers': (2, 64, 64), 'truth_vectors':
    (2, 6, 64, 64), 'truth_shares': (2, 3, 64, 64)}
    """

    places = _PLACES
    default_settings = _SETTINGS

    def __init__(self, galaxies=None, *, n_contributions=3, n_distinct=12,
                 **kwargs):
        super().__init__(galaxies, **kwargs)
        self._n, self._n_distinct = n_contributions, n_distinct
        self._kept = {}

    def batch(self, epoch, number):
        """
        Make one batch.

        Parameters
        ----------
        epoch, number : int
            Which one.

        Returns
        -------
        batch : dict of `~numpy.ndarray`
            The inputs and targets of the network.
        """
        again, distinct = divmod(epoch, self._n_distinct)
        samples = []
        for k in range(self._batch_size):
            key = distinct, number, k
            if key not in self._kept:
                self._kept[key] = self._make(key)
            rng = np.random.default_rng([self._seed, 23, epoch, number, k])
            samples.append(self._assemble(
                rng, _turn(self._kept[key], (again + k) % 8)))
        return {name: np.stack([sample[name] for sample in samples])
                for name in samples[0]}

    def _make(self, key):
        """
        A field, as small as it can be kept.
        """
        blend = self.blend(*key)
        data, diffuse = blend.image, 0.0
        rng = np.random.default_rng([self._seed, 29, *key])
        if rng.random() < _DIFFUSE:
            diffuse = make_random_background(data.shape, seed=rng)
            diffuse *= draw_even(rng, _STRENGTHS) / diffuse.std()
            data = data + diffuse
        # neither background nor noise are known, as in the use
        image, noise = scale_blends(data)
        noise = float(noise.mean())
        # what is left of it
        rest = diffuse / noise - (data / noise - image)
        return {'image': image,
                'diffuse': np.maximum(rest, 0).astype(np.float16),
                'light': (blend.sources / noise).astype(np.float16),
                'x': blend.x, 'y': blend.y, 'flux': blend.flux / noise,
                'snr': blend.snr, 'fwhm': blend.fwhm}

    def _assemble(self, rng, field):
        """
        Inputs and targets of a field.
        """
        light = field['light'].astype(np.float32)
        bright = np.flatnonzero(field['snr'] > _BRIGHT)
        found = encode(light[bright], [(0, 0)] * len(bright),
                       field['x'][bright], field['y'][bright],
                       field['image'].shape, n_contributions=self._n)
        return {'image': field['image'], 'truth_centers': found.centers,
                'truth_vectors': found.vectors.reshape(
                    -1, *field['image'].shape),
                'truth_shares': found.shares}


class ContributionFields(PartialFields):
    """
    Fields, positions that are given, and the light at these.

    Some positions are missing, wrong, or too many, and often none is
    given.

    Parameters
    ----------
    *args, **kwargs : object
        See `PartialFields`.

    Examples
    --------
    >>> from compact_removal.deblending.fields import ContributionFields
    >>> fields = ContributionFields(batch_size=2, n_batches=1, size=64,
    ...                             n_galaxies=4)
    >>> batch = fields.batch(0, 0)
    >>> batch['pointers'].shape, batch['index'].shape, batch['x'].shape
    ((2, 12, 64, 64), (2, 3, 64, 64), (2, 32))
    """

    # Positions per field; more are left out.
    n_positions = 32

    def _assemble(self, rng, field):
        """
        Inputs and targets of a field.
        """
        image, size = field['image'], self._size
        light = field['light'].astype(np.float32)
        x, y, flux, fine = self._choose_positions(rng, field, light)
        pixels = np.arange(size)
        index = find_nearest(x, y, pixels, pixels, self._n)
        exists = index < len(x)
        planes = np.concatenate([light[fine[fine >= 0]], np.zeros(
            (np.sum(fine < 0) + 1, size, size), np.float32)])
        rows, columns = np.indices((size, size), sparse=True)
        parts = planes[index, rows, columns]
        total = light.sum(axis=0) + field['diffuse'] + _NONE
        lists = np.full((3, self.n_positions), np.nan, np.float32)
        lists[:, :len(x)] = x, y, flux
        return {
            'image': image,
            'pointers': point(x, y, measure_centers(image, x, y), pixels,
                              pixels, index),
            'truth_centers': _draw_centers(field, size),
            'truth_shares': parts / total, 'brightness': total,
            'index': np.where(exists, index, -1).astype(np.int64),
            'x': lists[0], 'y': lists[1], 'log_flux': lists[2]}

    def _choose_positions(self, rng, field, light):
        """
        Positions, logarithms of fluxes and numbers of sources.

        The first ones are sources, in the order of ``fine``; the last
        ones have no light, the number -1 and no flux.
        """
        if rng.random() < _BLIND:
            return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, int)
        fine = np.flatnonzero(field['snr'] > 0.5 * (_BRIGHT + _FAINT))
        fine = fine[rng.random(len(fine)) >= rng.choice(_LEFT_OUT)]
        fine = fine[:self.n_positions - 2]
        n_wrong = rng.integers(1, 3) if rng.random() < _SPURIOUS else 0
        scatter = rng.choice(_SCATTERS)
        x, y = (np.concatenate([
            field[name][fine] + scatter * rng.standard_normal(len(fine)),
            rng.uniform(0, self._size - 1, n_wrong)]) for name in 'xy')
        whole = (light[fine].sum(axis=(1, 2)) > _INSIDE * field['flux'][fine]
                 ) & (field['snr'][fine] > _BRIGHT)
        whole &= (np.abs(x[:len(fine)] - (self._size - 1) / 2)
                  < self._size / 2) & (np.abs(
                      y[:len(fine)] - (self._size - 1) / 2) < self._size / 2)
        flux = np.concatenate([np.where(whole, np.log(field['flux'][fine]),
                                        np.nan), np.full(n_wrong, np.nan)])
        return x, y, flux, np.concatenate([fine, np.full(n_wrong, -1)])


def _draw_centers(field, size):
    """
    The map of centres: 1 at their pixels, NaN around faint sources.
    """
    sigma = max(_SIGMA * field['fwhm'], _NARROWEST)
    pixels = np.arange(size)
    centers = np.zeros((size, size), np.float32)
    for x, y, snr in zip(field['x'], field['y'], field['snr'], strict=True):
        square = (pixels[:, None] - y) ** 2 + (pixels - x) ** 2
        if snr > _BRIGHT:
            spot = np.exp(-0.5 * square / sigma ** 2)
            row, column = round(float(y)), round(float(x))
            if 0 <= row < size and 0 <= column < size:
                spot[row, column] = 1
            # what is faint does not hide what is bright
            centers = np.fmax(centers, spot)
        elif snr > _FAINT:
            centers[(square < _AROUND ** 2) & (centers < 0.1)] = np.nan
    return centers


def _turn(field, symmetry):
    """
    A field turned and mirrored: one of the eight symmetries of a square.
    """
    turned = dict(field)
    side = field['image'].shape[-1] - 1
    for bit, axis, name in ((1, -2, 'y'), (2, -1, 'x')):
        if symmetry & bit:
            for plane in _PLANES:
                turned[plane] = np.flip(turned[plane], axis)
            turned[name] = side - turned[name]
    if symmetry & 4:
        for plane in _PLANES:
            turned[plane] = turned[plane].swapaxes(-1, -2)
        turned['x'], turned['y'] = turned['y'], turned['x']
    turned['image'] = np.ascontiguousarray(turned['image'])
    return turned
