# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated tracking errors, and exposures with them and without (Sect. 2.2).
"""

from dataclasses import replace

import numpy as np

from compact_removal.contaminants.batches import ADDED
from compact_removal.contaminants.simulation import contaminate
from compact_removal.contaminants.stacks import stack_sources
from compact_removal.datasets import ExposureSettings, make_exposure
from compact_removal.datasets.moffat import convolve
from compact_removal.maps.background import scale_image
from compact_removal.utils.parameters import check_choice

__all__ = ['MOTIONS', 'TrackingExposures', 'make_motion']

# Kinds of tracking errors.
MOTIONS = ('drift', 'jump', 'oscillation', 'wind')

# Samples along their paths.
_N_SAMPLES = 2000

# Exposures of the training: widths and elongations of the PSF, share with
# other contaminants, and share out of focus, by so many full widths.
_SETTINGS = ExposureSettings(fwhm=(1.6, 5.5), elongation=1.28,
                             stars=(200.0, 8000.0))
_CONTAMINATED, _DEFOCUSED, _PUPIL = 0.5, 0.2, (0.5, 2.5)


def make_motion(kind, amplitude, *, seed=None):
    """
    Simulate where a telescope points while it should stand still.

    Parameters
    ----------
    kind : {'drift', 'jump', 'oscillation', 'wind'}
        A drift along a line that may bend; jumps between two or three
        places; an oscillation along a line or an ellipse; and shaking in
        the wind, random but stronger along one direction.
    amplitude : float
        The largest distance between places (pixels), roughly.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    motion : `~numpy.ndarray`
        Share of the time at each place; an odd number of rows and
        columns.

    Raises
    ------
    ParameterError
        If there is no such kind.

    Examples
    --------
    >>> from compact_removal.contaminants import make_motion
    >>> motion = make_motion('drift', 6.0, seed=1)
    >>> f'{motion.sum():.2f}'
    '1.00'
    """
    rng = np.random.default_rng(seed)
    check_choice('kind', kind, MOTIONS)
    time = np.linspace(0, 1, _N_SAMPLES)
    if kind == 'drift':
        along = time + rng.uniform(-0.4, 0.4) * time * (1 - time)
        across = rng.uniform(-0.4, 0.4) * time * (1 - time)
        if rng.random() < 0.4:
            # it begins or ends late
            share = rng.uniform(0.2, 0.8)
            along = np.clip((time - share) / (1 - share), 0, 1)
            across = across * (along > 0)
    elif kind == 'jump':
        shares = np.cumsum(rng.dirichlet(np.full(rng.choice([2, 3]), 3.0)))
        places = rng.uniform(-0.5, 0.5, (len(shares), 2))
        places[:2] = [[0, 0], [1, 0]]
        number = np.minimum(np.searchsorted(shares, time), len(shares) - 1)
        along, across = places[number].T
    elif kind == 'oscillation':
        phase = 2 * np.pi * rng.uniform(0.7, 20) * time
        along = 0.5 * np.sin(phase)
        across = (rng.choice([0, rng.uniform(0, 0.4)])
                  * np.sin(phase + rng.uniform(0, 2 * np.pi)))
    else:
        steps = rng.normal(size=(2, _N_SAMPLES))
        decay = np.exp(-np.arange(400) / rng.uniform(5, 100))
        along, across = (np.convolve(one, decay, 'same') for one in steps)
        along = 0.25 * along / along.std()
        across = rng.uniform(0.05, 0.5) * 0.25 * across / across.std()
    angle = rng.uniform(0, 2 * np.pi)
    x = amplitude * (along * np.cos(angle) - across * np.sin(angle))
    y = amplitude * (along * np.sin(angle) + across * np.cos(angle))
    return _count(x - x.mean(), y - y.mean())


def _count(x, y):
    """
    An image of how often places are visited, between pixels linearly.
    """
    half = int(np.ceil(max(np.abs(x).max(), np.abs(y).max()))) + 1
    image = np.zeros((2 * half + 1,) * 2)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    dx, dy = x - column, y - row
    for step_y, step_x, weight in ((0, 0, (1 - dx) * (1 - dy)),
                                   (0, 1, dx * (1 - dy)),
                                   (1, 0, (1 - dx) * dy), (1, 1, dx * dy)):
        np.add.at(image, (row + half + step_y, column + half + step_x),
                  weight)
    return image / image.sum()


def _make_pupil(diameter, hole):
    """
    A ring, that of a telescope out of focus.
    """
    half = int(np.ceil(diameter / 2)) + 1
    fine = (np.arange((2 * half + 1) * 5) + 0.5) / 5 - half - 0.5
    radius = np.hypot(fine, fine[:, None]) / (diameter / 2)
    ring = ((radius < 1) & (radius > hole)).astype(float)
    n = 2 * half + 1
    ring = ring.reshape(n, 5, n, 5).sum(axis=(1, 3))
    return ring / ring.sum()


def _move(exposure, motion, rng):
    """
    An exposure whose light has moved, with the noise that it had before.
    """
    if motion is None:
        return exposure
    light = convolve(exposure.image - exposure.sky, motion)
    # the convolution has taken away most of the noise
    left = np.sqrt(max(1 - np.sum(motion ** 2), 0))
    noise = left * exposure.noise * rng.standard_normal(light.shape)
    return replace(exposure, image=(light + exposure.sky + noise).astype(
        'f4'))


class TrackingExposures:
    """
    Batches of exposures, half of them with tracking errors.

    The others have PSFs that are round or elongated, and some are out of
    focus. Half of the exposures have contaminants of other classes.

    Parameters
    ----------
    images : list of UserExposure, optional
        Exposures without tracking errors, which are convolved with them;
        default: simulated ones.
    size : int, optional
        Side of the exposures (pixels).
    batch_size, n_batches : int, optional
        Exposures per batch, and batches per epoch.
    seed : int, optional
        Seed.
    galaxies : list of `~numpy.ndarray`, optional
        See `~compact_removal.datasets.make_exposure`.
    settings : `~compact_removal.datasets.ExposureSettings`, optional
        The ranges of the exposures.
    amplitudes : tuple of float, optional
        Range of the amplitudes of tracking errors (pixels), even in the
        logarithm.
    sees : {'stack', 'image'}, optional
        What the network sees: stacks of sources, or exposures.

    Examples
    --------
    >>> from compact_removal.contaminants.motion import TrackingExposures
    >>> batches = TrackingExposures(size=64, batch_size=2, n_batches=1)
    >>> {name: values.shape for name, values in batches.batch(0, 0).items()}
    {'stack': (2, 3, 41, 41), 'truth': (2,)}
    """

    def __init__(self, *, images=None, size=256, batch_size=16,
                 n_batches=100, seed=0, galaxies=None, settings=_SETTINGS,
                 amplitudes=(1.5, 16.0), sees='stack'):
        self._sees, self._amplitudes = sees, amplitudes
        self._images = images
        self._size, self._batch_size = size, batch_size
        self._n_batches, self._seed = n_batches, seed
        self._options = {'galaxies': galaxies, 'settings': settings}

    def __len__(self):
        return self._n_batches

    def exposure(self, *key, size=None):
        """
        Draw an exposure by its number.

        Parameters
        ----------
        *key : int
            Its numbers; the last one is even for exposures with tracking
            errors.
        size : int, optional
            Side (pixels).

        Returns
        -------
        image : `~numpy.ndarray`
            Counts.
        kind : str
            One of ``MOTIONS``, or ``'none'``.
        """
        rng = np.random.default_rng([self._seed, 59, *key])
        size = self._size if size is None else size
        motion, kind = None, 'none'
        if key[-1] % 2 == 0:
            kind = str(rng.choice(MOTIONS))
            motion = make_motion(kind, np.exp(rng.uniform(
                *np.log(self._amplitudes))), seed=rng)
        elif rng.random() < _DEFOCUSED:
            fwhm = self._options['settings'].fwhm
            motion = _make_pupil(rng.uniform(*_PUPIL) * rng.uniform(*fwhm),
                                 rng.uniform(0, 0.5))
        if self._images is None:
            clean = make_exposure((size, size), seed=rng, motion=motion,
                                  **self._options)
        else:
            clean = self._images[rng.integers(len(self._images))].cut(
                (size, size), rng)
            clean = _move(clean, motion, rng)
        names = []
        if rng.random() < _CONTAMINATED:
            names = [name for name in ADDED if rng.random() < 0.2]
        return contaminate(clean, names or ['BG'], seed=rng).image, kind

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
            ``stack`` or ``image``, the latter less its background and
            over its noise, in half precision; and ``truth``, 1 for a
            tracking error.
        """
        pairs = [self.exposure(epoch, number, k)
                 for k in range(self._batch_size)]
        values = [scale_image(image) for image, _ in pairs]
        if self._sees == 'stack':
            values = [stack_sources(value) for value in values]
        return {self._sees: np.stack([value.clip(-6e4, 6e4).astype('f2')
                                      for value in values]),
                'truth': np.array([kind != 'none' for _, kind in pairs],
                                  dtype='f4')}
