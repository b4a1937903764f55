# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of blends for the training of networks.
"""

from dataclasses import replace

import numpy as np

from compact_removal.datasets import (GALAXY_KINDS, BlendSettings,
                                      make_blends, make_galaxy)
from compact_removal.deblending.scaling import scale_blends
from compact_removal.deblending.stamps import (choose_scales, cut_planes,
                                               cut_stamps)

__all__ = ['PAIRS', 'SETTINGS', 'ConditionedBlends', 'GalaxyPool',
           'PairBlends']

# Simulated galaxies to draw from, and their share where there are real ones.
_N_GALAXIES, _SIMULATED = 600, 0.5

# Blends of the training: numbers of sources, how they are placed, how often;
# and settings that are wider than the usual ones.
_PLACES = (((1, 1), 'separation', 0.1), ((2, 2), 'separation', 0.45),
           ((2, 2), 'paper', 0.1), ((3, 6), 'separation', 0.2),
           ((8, 20), 'field', 0.15))
SETTINGS = {'fwhm': (1.8, 5.0), 'radius': (1.5, 14.0), 'snr': (25.0, 800.0),
            'difference': 2.2, 'separation': (0.4, 4.0), 'stars': 0.15,
            'photons': 0.4}

# Sources fainter than this (signal-to-noise ratio) are not learned.
_FAINTEST = 7.0

# Pairs alone.
PAIRS = (((2, 2), 'separation', 1.0),)

# Scatter of the positions that are given (pixels).
_SCATTERS = (0.0, 0.3, 0.8)


class GalaxyPool:
    """
    Blends of real and simulated galaxies, by their numbers.

    Subclasses make batches of them.

    Parameters
    ----------
    galaxies : list of `~numpy.ndarray`, optional
        Stamps of real galaxies without noise; simulated ones are used,
        too.
    settings : `~compact_removal.datasets.BlendSettings`, optional
        Ranges; default: wider ones than those of ``make_blends``.
    batch_size, n_batches : int, optional
        Samples per batch, and batches per epoch.
    size : int, optional
        Side of the images of blends (pixels).
    seed : int, optional
        Seed.
    n_galaxies : int, optional
        Number of simulated galaxies.
    places : sequence of tuple, optional
        Kinds of blends: the least and the largest number of sources, see
        ``shift`` of the settings, and the share. Default: ``PAIRS`` among
        others.

    Examples
    --------
    >>> from compact_removal.deblending.batches import GalaxyPool
    >>> pool = GalaxyPool(n_galaxies=4, size=64)
    >>> pool.blend(0, 3).image.shape
    (64, 64)
    """

    places = _PLACES
    default_settings = SETTINGS

    def __init__(self, galaxies=None, *, settings=None, batch_size=64,
                 n_batches=100, size=128, seed=0, n_galaxies=_N_GALAXIES,
                 places=None):
        self._real = galaxies
        self._places = self.places if places is None else places
        self._settings = (BlendSettings(**self.default_settings)
                          if settings is None else settings)
        self._batch_size, self._n_batches = batch_size, n_batches
        self._size, self._seed = size, seed
        self._n_galaxies, self._made = n_galaxies, None

    def __len__(self):
        return self._n_batches

    def _simulated(self):
        """
        Simulated galaxies, made once.
        """
        if self._made is None:
            rng = np.random.default_rng([self._seed, 5])
            self._made = [
                make_galaxy(GALAXY_KINDS[k % len(GALAXY_KINDS)],
                            seed=rng).astype(np.float32)
                for k in range(self._n_galaxies)]
        return self._made

    def blend(self, *key):
        """
        Draw a blend by its number.

        Parameters
        ----------
        *key : int
            Its numbers.

        Returns
        -------
        blend : `~compact_removal.datasets.Blend`
            Always the same one.
        """
        rng = np.random.default_rng([self._seed, 17, *key])
        n_sources, shift, _ = self._places[rng.choice(
            len(self._places), p=[one[-1] for one in self._places])]
        real = self._real and rng.random() > _SIMULATED
        blend, = make_blends(
            1, n_sources=n_sources, shape=(self._size,) * 2,
            galaxies=self._real if real else self._simulated(),
            settings=replace(self._settings, shift=shift), seed=rng)
        return blend


class ConditionedBlends(GalaxyPool):
    """
    Stamps around sources of blends, and their light.

    Parameters
    ----------
    *args : object
        See `GalaxyPool`.
    scatters : sequence of float, optional
        Scatter of the positions that are given (pixels), one of these
        for each blend.
    **kwargs : object
        See `GalaxyPool`.

    Examples
    --------
    >>> from compact_removal.deblending.batches import ConditionedBlends
    >>> blends = ConditionedBlends(batch_size=2, n_batches=1, n_galaxies=4)
    >>> {name: value.shape for name, value in blends.batch(0, 0).items()}
    {'image': (2, 64, 64), 'target': (2, 64, 64), 'others': (2, 64, 64),
    'light': (2, 64, 64), 'other_light': (2, 64, 64), 'truth': (2,)}
    """

    def __init__(self, *args, scatters=_SCATTERS, **kwargs):
        super().__init__(*args, **kwargs)
        self._scatters = scatters

    def samples(self, *key):
        """
        All sources of a blend that can be learned.

        Parameters
        ----------
        *key : int
            See `GalaxyPool.blend`.

        Returns
        -------
        samples : dict of `~numpy.ndarray`
            See `batch`.
        """
        blend = self.blend(*key)
        rng = np.random.default_rng([self._seed, 19, *key])
        scatter = rng.choice(self._scatters)
        x, y = (values + scatter * rng.standard_normal(values.size)
                for values in (blend.x, blend.y))
        # as in the use: neither background nor noise are known
        image, noise = scale_blends(blend.image)
        noise = float(noise.mean())
        sources = blend.sources / noise
        scales = choose_scales(image, x, y)
        size = self._size
        good = np.flatnonzero(
            (blend.snr > _FAINTEST)
            & (sources.sum(axis=(1, 2)) > 0.9 * blend.flux / noise)
            & (x > 0) & (x < size - 1) & (y > 0) & (y < size - 1))
        samples, corners = cut_stamps(image, x, y, good, scales)
        light = np.zeros_like(samples['image'])
        for plane, number, corner in zip(light, good, corners, strict=True):
            plane[:] = cut_planes(sources[number], [corner],
                                  [scales[number]])[0]
        total = cut_planes(sources.sum(axis=0), corners, scales[good])
        # fluxes in units of the noise of a pixel of the stamp
        return {**samples, 'light': light,
                'other_light': np.maximum(total - light, 0),
                'truth': np.log(blend.flux[good] / noise
                                / scales[good]).astype(np.float32)}

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
            ``image``, ``target``, ``others``; ``light``, ``other_light``
            and ``truth``, see ``ConditionedModel``.
        """
        found, n, k = [], 0, 0
        while n < self._batch_size:
            samples = self.samples(epoch, number, k)
            # a few of each blend, so that a batch has many
            found.append({name: values[:4] for name, values in
                          samples.items()})
            n += len(found[-1]['truth'])
            k += 1
        return {name: np.concatenate([one[name] for one in found])[
            :self._batch_size] for name in found[0]}


class PairBlends(GalaxyPool):
    """
    Stamps of two galaxies, as blend2flux learns them.

    The first one is in the middle.

    Parameters
    ----------
    *args, **kwargs : object
        See `GalaxyPool`.

    Examples
    --------
    >>> from compact_removal.deblending.batches import PairBlends
    >>> blends = PairBlends(batch_size=2, n_batches=1, n_galaxies=4)
    >>> {name: value.shape for name, value in blends.batch(0, 0).items()}
    {'image': (2, 128, 128), 'truth': (2, 2), 'masks': (2, 2, 128, 128)}
    """

    places = (((2, 2), 'paper', 0.4), ((2, 2), 'separation', 0.6))

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
            ``image``, over its noise; ``truth``, the fluxes, and
            ``masks``.
        """
        blends = [self.blend(epoch, number, k)
                  for k in range(self._batch_size)]
        scaled = [scale_blends(blend.image) for blend in blends]
        return {
            'image': np.stack([image for image, _ in scaled]),
            'truth': np.array([blend.flux / noise.mean() for blend, (_, noise)
                               in zip(blends, scaled, strict=True)],
                              np.float32),
            'masks': np.array([blend.masks for blend in blends], np.float32)}
