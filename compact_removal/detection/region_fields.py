# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Labelled fields of four kinds of sky, and batches of them.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal.datasets import (GALAXY_KINDS, make_counts_map,
                                      make_galaxy, make_radio_map)
from compact_removal.datasets.blends import STAR, BlendSettings, make_blends
from compact_removal.detection.batches import DetectionScenes
from compact_removal.detection.kinds import KINDS, REGION_KINDS
from compact_removal.instruments import get_band, list_bands
from compact_removal.maps.background import scale_image
from compact_removal.utils.parameters import check_choice

__all__ = ['SKIES', 'FieldBatches', 'LabelledField', 'RegionFields',
           'find_boxes']

# Kinds of sky, and how often each is learned.
SKIES = {'optical': 0.4, 'infrared': 0.2, 'radio': 0.2, 'gamma-ray': 0.2}

# Optical: sources per 128 x 128 pixels, and the ranges of their properties.
_N_SOURCES = (3, 24)
_BLENDS = {'shift': 'field', 'stars': 0.3, 'radius': (1.5, 8.0),
           'fwhm': (1.8, 5.0), 'snr': (25.0, 600.0), 'difference': 2.2}

# Sources below these significances are no sources, by sky.
_FAINTEST = {'optical': 7.0, 'infrared': 3.0}

# Infrared: a compact source is a disk of this radius (full widths).
_DISK = 0.75

# Masks smaller than this are not learned (pixels).
_SMALLEST = 4


@dataclass(frozen=True, eq=False)
class LabelledField:
    """
    An image, and boxes and masks of what is on it.

    Parameters
    ----------
    image : `~numpy.ndarray`
        In any unit, NaN where nothing was measured, shape ``(ny, nx)``.
    kind : tuple of str
        One of ``REGION_KINDS`` for each.
    masks : `~numpy.ndarray` of bool
        Where they are, shape ``(n, ny, nx)``.
    x, y : `~numpy.ndarray`
        Centres (pixels), shape ``(n,)``.
    """

    image: np.ndarray
    kind: tuple
    masks: np.ndarray
    x: np.ndarray
    y: np.ndarray

    @property
    def boxes(self):
        """
        Edges of the masks, see `find_boxes`.
        """
        return find_boxes(self.masks)


def find_boxes(masks):
    """
    Find the smallest boxes around masks.

    Parameters
    ----------
    masks : `~numpy.ndarray` of bool
        None of them empty, shape ``(n, ny, nx)``.

    Returns
    -------
    boxes : `~numpy.ndarray`
        ``(x_min, y_min, x_max, y_max)``, edges (pixels), shape ``(n,
        4)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.detection.region_fields import find_boxes
    >>> masks = np.zeros((1, 5, 6), dtype=bool)
    >>> masks[0, 2:4, 1] = True
    >>> find_boxes(masks)
    array([[0.5, 1.5, 1.5, 3.5]])
    """
    limits = []
    for axis in (1, 2):
        some = masks.any(axis=axis)
        limits.append((some.argmax(axis=1) - 0.5, some.shape[1] - 0.5
                       - some[:, ::-1].argmax(axis=1)))
    (left, right), (low, high) = limits
    return np.column_stack([left, low, right, high]).astype(float)


class FieldBatches:
    """
    Base class of batches of labelled fields.

    Subclasses have a method ``field``, which draws one by its numbers.

    Parameters
    ----------
    size : int, optional
        Side of the fields (pixels).
    batch_size, n_batches : int, optional
        Fields per batch, and batches per epoch.
    seed : int, optional
        Seed.
    n_distinct : int, optional
        So many epochs are made; the next ones show them again, turned.
    kinds : sequence of str, optional
        The kinds of sources.
    masks : bool, optional
        Whether batches have masks.
    """

    # Sources per field; more are left out.
    n_regions = 64

    def __init__(self, *, size=128, batch_size=8, n_batches=100, seed=0,
                 n_distinct=20, kinds=REGION_KINDS, masks=False):
        self._size, self._seed = size, seed
        self._batch_size, self._n_batches = batch_size, n_batches
        self._n_distinct, self._masks = n_distinct, masks
        self.kinds = list(kinds)
        self._kept = {}

    def __len__(self):
        return self._n_batches

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
            The inputs and targets of the networks: ``image``, less its
            background, over its noise; ``boxes``, four edges each, from
            the corner of the image, and ``labels``, numbers from 1; 0
            where there is none; and ``masks``.
        """
        again, distinct = divmod(epoch, self._n_distinct)
        samples = []
        for k in range(self._batch_size):
            key = distinct, number, k
            if key not in self._kept:
                field = self.field(*key)
                self._kept[key] = (
                    scale_image(field.image), field.masks[:self.n_regions],
                    [self.kinds.index(kind) + 1
                     for kind in field.kind[:self.n_regions]])
            samples.append(self._assemble(*self._kept[key], (again + k) % 8))
        return {name: np.stack([sample[name] for sample in samples])
                for name in samples[0]}

    def _assemble(self, image, masks, labels, symmetry):
        """
        Inputs and targets of a field, turned and mirrored.
        """
        for bit, axis in ((1, -2), (2, -1)):
            if symmetry & bit:
                image, masks = (np.flip(each, axis)
                                for each in (image, masks))
        if symmetry & 4:
            image, masks = (each.swapaxes(-1, -2) for each in (image, masks))
        n = len(labels)
        boxes = np.zeros((self.n_regions, 4), np.float32)
        boxes[:n] = find_boxes(masks) + 0.5
        sample = {'image': np.ascontiguousarray(image),
                  'boxes': boxes.ravel(),
                  'labels': np.pad(np.array(labels, np.int64),
                                   (0, self.n_regions - n))}
        if self._masks:
            sample['masks'] = np.zeros((self.n_regions, *image.shape),
                                       np.uint8)
            sample['masks'][:n] = masks
        return sample


class RegionFields(FieldBatches):
    """
    Batches of simulated fields of all kinds of sky.

    Parameters
    ----------
    galaxies : list of `~numpy.ndarray`, optional
        Stamps of real galaxies without noise; simulated ones are used,
        too.
    skies : dict of str to float, optional
        Shares of the kinds of sky. Default: ``SKIES``.
    n_galaxies : int, optional
        Number of simulated galaxies.
    real : float, optional
        Share of the optical fields with real galaxies, where there are
        any.
    **kwargs : object
        See `FieldBatches`.

    Examples
    --------
    >>> from compact_removal.detection.region_fields import RegionFields
    >>> fields = RegionFields(size=96, batch_size=2, n_batches=1, seed=1,
    ...                       n_galaxies=4)
    >>> {name: value.shape for name, value in fields.batch(0, 0).items()}
    {'image': (2, 96, 96), 'boxes': (2, 256), 'labels': (2, 64)}
    """

    def __init__(self, galaxies=None, *, skies=None, n_galaxies=300,
                 real=0.5, **kwargs):
        super().__init__(**kwargs)
        self._real, self._n_galaxies = galaxies, n_galaxies
        self._share = real
        self._skies = dict(SKIES if skies is None else skies)
        for sky in self._skies:
            check_choice('skies', sky, SKIES)
        self._made = self._scenes = None

    def field(self, *key, sky=None):
        """
        Draw a field by its number.

        Parameters
        ----------
        *key : int
            Its numbers.
        sky : str, optional
            One of ``SKIES``. Default: drawn.

        Returns
        -------
        field : `LabelledField`
            Always the same one.
        """
        rng = np.random.default_rng([self._seed, 37, *key])
        shares = np.array(list(self._skies.values()), dtype=float)
        drawn = rng.choice(list(self._skies), p=shares / shares.sum())
        draw = {'optical': self._draw_optical,
                'infrared': self._draw_infrared,
                'radio': self._draw_radio, 'gamma-ray': self._draw_counts}
        return draw[str(drawn) if sky is None else sky](rng)

    def _draw_optical(self, rng):
        """
        Galaxies and stars.
        """
        if self._made is None:
            own = np.random.default_rng([self._seed, 5])
            self._made = [make_galaxy(GALAXY_KINDS[k % len(GALAXY_KINDS)],
                                      seed=own).astype(np.float32)
                          for k in range(self._n_galaxies)]
        scale = self._size ** 2 / 128 ** 2
        real = self._real and rng.random() < self._share
        blend, = make_blends(
            1, n_sources=tuple(max(round(n * scale), 1) for n in _N_SOURCES),
            shape=(self._size,) * 2,
            galaxies=self._real if real else self._made,
            settings=BlendSettings(**_BLENDS), seed=rng)
        kind = np.where(np.array(blend.kind) == STAR, 'star', 'galaxy')
        good = blend.snr > _FAINTEST['optical']
        return _select(blend.image, kind, blend.masks, blend.x, blend.y, good)

    def _draw_infrared(self, rng):
        """
        Compact and extended sources and artefacts on structure.
        """
        if self._scenes is None:
            bands = [get_band(*names) for names in list_bands()[
                'mode', 'band']]
            self._scenes = DetectionScenes(bands, size=self._size,
                                           seed=self._seed, n_fields=40)
        scene = self._scenes.scene(int(rng.integers(2 ** 31)))
        rows, columns = np.indices(scene.image.shape)
        distance = np.hypot(rows - scene.y[:, None, None],
                            columns - scene.x[:, None, None])
        masks = distance <= np.maximum(scene.radius, 1.0)[:, None, None]
        good = scene.significance > _FAINTEST['infrared']
        return _select(scene.image, np.array(KINDS)[scene.kind], masks,
                       scene.x, scene.y, good)

    def _draw_radio(self, rng):
        """
        Compact sources, doubles, blobs and sidelobes.
        """
        field = make_radio_map((self._size,) * 2, seed=rng)
        return _select(field.image, field.kind, field.masks, field.x,
                       field.y)

    def _draw_counts(self, rng):
        """
        Compact and extended sources of few photons.
        """
        field = make_counts_map((self._size,) * 2, seed=rng)
        return _select(field.image.astype(np.float32), field.kind,
                       field.masks, field.x, field.y)


def _select(image, kind, masks, x, y, good=True):
    """
    A field without what is too small or too faint.
    """
    known = np.isfinite(image)
    masks = masks & known
    good = good & (masks.sum(axis=(1, 2)) >= _SMALLEST)
    return LabelledField(image, tuple(np.array(kind, dtype=str)[good]),
                         masks[good], np.asarray(x)[good],
                         np.asarray(y)[good])
