# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches of scenes for the network, and the truth that candidates are judged by.
"""

import numpy as np

from compact_removal.datasets import SceneSettings, SceneSimulator
from compact_removal.detection.channels import filter_channels
from compact_removal.detection.kinds import KINDS
from compact_removal.detection.simulation import draw_scene
from compact_removal.metrics import match_detections

__all__ = ['FAINTEST', 'DetectionScenes', 'make_truth', 'match_scene']

# Candidates within so many full widths, and so many pixels more, of a
# source are that source.
_MATCH = (0.5, 1.0)

# Sources whose flux is less than this over the scatter of the filter are
# neither right nor wrong.
FAINTEST = 2.0

# Width of what stands for a centre in the truth (full widths, pixels).
_CENTER = (0.2, 0.7)

# Peaks of sources over the local standard deviation: even in logarithm; PSFs,
# and sources of each.
_SETTINGS = {'quantiles': (0.0, 1.0), 'log_ratios': (-0.7, 2.2),
             'neighbor_log_ratios': (-0.7, 2.2), 'small_error': 0.0,
             'large_error_chance': 0.0, 'neighbor_chance': 0.0,
             'knots': 0.08, 'n_psfs': 24, 'n_stamps': 6}


def match_scene(scene, x, y, score):
    """
    Match candidates and what is on a scene.

    Parameters
    ----------
    scene : `~compact_removal.detection.simulation.DetectionScene`
        The scene.
    x, y, score : array_like
        Positions of candidates (pixels) and what they are ranked by,
        shape ``(n,)``.

    Returns
    -------
    index : `~numpy.ndarray` of int
        See `~compact_removal.metrics.match_detections`.
    counts : `~numpy.ndarray` of bool
        False for what a real map has had before, shape ``(n,)``.
    """
    share, more = _MATCH
    radius = share * scene.psf.fwhm + more
    index = match_detections(x, y, score, scene.x, scene.y, radius)
    distance = np.hypot(np.subtract.outer(np.asarray(x), scene.own[0]),
                        np.subtract.outer(np.asarray(y), scene.own[1]))
    return index, (index >= 0) | (distance.min(axis=1, initial=np.inf)
                                  >= radius)


def make_truth(scene):
    """
    Make the map of centres that a network learns.

    Parameters
    ----------
    scene : `~compact_removal.detection.simulation.DetectionScene`
        The scene.

    Returns
    -------
    truth : `~numpy.ndarray`
        1 at the pixel of a centre, a Gaussian around it, 0 elsewhere;
        NaN where it is not known. Shape ``(n_kinds, ny, nx)``.
    """
    shape = scene.image.shape
    truth = np.zeros((len(KINDS), *shape), dtype=np.float32)
    faint = scene.significance < FAINTEST
    reach = int(np.ceil(0.7 * scene.psf.fwhm))
    for x, y in (*scene.own.T, *zip(scene.x[faint], scene.y[faint],
                                    strict=True)):
        _, window, (dx, dy) = _around(x, y, reach, shape)
        truth[:, *window][:, dx ** 2 + dy ** 2 <= reach ** 2] = np.nan
    share, least = _CENTER
    sigma = max(share * scene.psf.fwhm, least)
    reach = int(np.ceil(4 * sigma))
    for x, y, kind in zip(scene.x[~faint], scene.y[~faint],
                          scene.kind[~faint], strict=True):
        inside, window, (dx, dy) = _around(x, y, reach, shape)
        if inside:
            part = truth[kind, *window]
            np.fmax(part, np.exp(-0.5 * (dx ** 2 + dy ** 2) / sigma ** 2),
                    out=part)
    truth[:, ~np.isfinite(scene.image)] = np.nan
    return truth


def _around(x, y, reach, shape):
    """
    Whether a pixel is on the map, the window around it, and offsets.
    """
    column, row = round(x), round(y)
    window, offsets = [], []
    for middle, n in zip((row, column), shape, strict=True):
        low, high = (min(max(middle + step, 0), n)
                     for step in (-reach, reach + 1))
        window.append(slice(low, high))
        offsets.append(np.arange(low, high) - middle)
    inside = 0 <= row < shape[0] and 0 <= column < shape[1]
    return inside, tuple(window), (offsets[1], offsets[0][:, None])


class DetectionScenes:
    """
    Batches of scenes for the training of a network.

    Parameters
    ----------
    bands : sequence of `~compact_removal.instruments.Band`
        The bands, with the pixels of the maps.
    maps : sequence of `~compact_removal.datasets.BackgroundMap`, optional
        Real maps.
    size : int, optional
        Side of the scenes (pixels), a multiple of 8.
    batch_size, n_batches : int, optional
        Scenes per batch, and batches per epoch.
    seed : int, optional
        Seed.
    n_channels, counts : object, optional
        See `~compact_removal.detection.simulation.draw_scene`.
    **settings
        Parameters of `~compact_removal.datasets.SceneSettings`.

    Examples
    --------
    >>> from compact_removal.detection.batches import DetectionScenes
    >>> from compact_removal.instruments import get_band
    >>> scenes = DetectionScenes([get_band('scanmap', 'blue')], size=96,
    ...                          batch_size=2, n_batches=1, seed=1, n_psfs=1)
    >>> {name: value.shape for name, value in scenes.batch(0, 0).items()}
    {'significance': (2, 3, 96, 96), 'fwhm': (2,), 'truth': (2, 3, 96, 96)}
    """

    def __init__(self, bands, maps=(), *, size=128, batch_size=16,
                 n_batches=100, seed=0, n_channels=1, counts=False,
                 **settings):
        settings = {**_SETTINGS, **settings}
        self._size, self._batch_size = size, batch_size
        self._n_batches, self._seed = n_batches, seed
        self._channels = {'n_channels': n_channels, 'counts': counts}
        self.simulator = SceneSimulator(
            bands, maps, settings=SceneSettings(size=96, **settings),
            seed=seed)

    def __len__(self):
        return self._n_batches

    def scene(self, *key, size=None):
        """
        Draw a scene by its number.

        Parameters
        ----------
        *key : int
            Its numbers.
        size : int, optional
            Side (pixels).

        Returns
        -------
        scene : `~compact_removal.detection.simulation.DetectionScene`
            Always the same one.
        """
        rng = np.random.default_rng([self._seed, 31, *key])
        return draw_scene(self.simulator, rng,
                          2 * (self._size if size is None else size,),
                          **self._channels)

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
            ``significance``, ``fwhm`` and ``truth``.
        """
        scenes = [self.scene(epoch, number, k)
                  for k in range(self._batch_size)]
        return {
            'significance': np.stack([
                filter_channels(one.channels, np.s_[:, :], one.psf)[2]
                for one in scenes]),
            'fwhm': np.array([one.psf.fwhm for one in scenes]),
            'truth': np.stack([make_truth(one) for one in scenes])}
