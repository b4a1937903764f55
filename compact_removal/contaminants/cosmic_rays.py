# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Hits of particles on a detector: simulated ones, and those of darks.
"""

import numpy as np
from astropy.stats import sigma_clipped_stats
from scipy import ndimage

from compact_removal.datasets.moffat import turn_randomly
from compact_removal.maps import add_cutouts
from compact_removal.utils.parameters import ParameterError

__all__ = ['add_stamps', 'cut_cosmic_rays', 'make_cosmic_ray']

# Charge moves so far before it is collected (standard deviation, pixels).
_DIFFUSION = 0.3

# Steps along a track (pixels), and electrons that its charge is split into
# at each.
_STEP, _N_PARTS = 0.1, 4

# A pixel of a dark is part of a hit from so many standard deviations on
# (MaxiMask, Equation 1).
_LIMIT = 3.0

# Less charge than this (electrons) is not kept.
_LEAST = 1.0


def make_cosmic_ray(seed=None):
    """
    Simulate the charge of one hit.

    One of three kinds: straight tracks of particles that cross the
    depleted layer, whose length follows from its depth and the angle of
    incidence; worms, electrons that are scattered often; and points. The
    charge along a track fluctuates with a long tail, as energy losses do
    (Landau). It spreads by diffusion, and is not convolved with the PSF.

    Parameters
    ----------
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    stamp : `~numpy.ndarray`
        Electrons, no larger than what was hit.

    Examples
    --------
    >>> from compact_removal.contaminants import make_cosmic_ray
    >>> stamp = make_cosmic_ray(seed=1)
    >>> stamp.ndim, bool(stamp.max() > 0)
    (2, True)
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice(['track', 'worm', 'point'], p=[0.45, 0.3, 0.25])
    # electrons per pixel of length: minimum ionising particles and slow ones
    density = 10 ** rng.uniform(2.2, 3.3)
    if kind == 'point':
        x = y = np.zeros(8)
        charge = np.full(8, 10 ** rng.uniform(1.7, 4.3) / 8)
    elif kind == 'track':
        depth = 10 ** rng.uniform(-0.3, 1.4)
        tangent = np.tan(np.arccos(np.sqrt(rng.uniform(0.001, 1))))
        length = min(depth * tangent, 200.0)
        steps = np.arange(0, max(length, _STEP), _STEP)
        angle = rng.uniform(0, 2 * np.pi)
        x, y = steps * np.cos(angle), steps * np.sin(angle)
        # a steep track leaves more charge per pixel
        charge = (density * np.hypot(length, depth) / steps.size
                  * _fluctuate(rng, steps.size))
    else:
        length = 10 ** rng.uniform(0.5, 1.9)
        steps = np.arange(0, length, _STEP)
        bends = rng.normal(0, rng.uniform(0.02, 0.15), steps.size)
        # now and then a large angle
        bends += (rng.random(steps.size) < 0.01) * rng.normal(0, 1.0,
                                                              steps.size)
        angle = rng.uniform(0, 2 * np.pi) + np.cumsum(bends)
        x, y = (np.cumsum(_STEP * turn(angle)) for turn in (np.cos, np.sin))
        charge = (_STEP * density * _fluctuate(rng, steps.size)
                  * np.linspace(1, rng.uniform(0.5, 4), steps.size))
    return _collect(rng, x, y, charge)


def _fluctuate(rng, n):
    """
    Factors of mean 1 on the charge at steps, with a long tail.
    """
    n_blocks = max(n // 5, 1)
    blocks = rng.gumbel(0.8, 0.35, n_blocks).clip(0.2, 6)
    return np.interp(np.linspace(0, 1, n), np.linspace(0, 1, n_blocks),
                     blocks)


def _collect(rng, x, y, charge):
    """
    The charge in pixels.
    """
    x, y = (np.repeat(value, _N_PARTS) + rng.normal(
        rng.uniform(), _DIFFUSION, value.size * _N_PARTS) for value in (x, y))
    x, y = x - np.floor(x.min()), y - np.floor(y.min())
    edges = [np.arange(int(value.max()) + 2) for value in (y, x)]
    stamp = np.histogram2d(y, x, bins=edges,
                           weights=np.repeat(charge / _N_PARTS, _N_PARTS))[0]
    stamp[stamp < _LEAST] = 0
    return stamp


def cut_cosmic_rays(darks):
    """
    Cut the hits out of dark frames.

    A pixel belongs to a hit where it is above three standard deviations
    (MaxiMask, Equation 1); pixels that touch are one hit.

    Parameters
    ----------
    darks : list of array_like
        Exposures with closed shutter, shape ``(ny, nx)``; NaN where a
        pixel is not known. Hot columns must have been masked.

    Returns
    -------
    stamps : list of `~numpy.ndarray`
        What is above the median of the frame, 0 around a hit; in the
        unit of the frames.

    Raises
    ------
    ParameterError
        If there are no hits.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.contaminants import cut_cosmic_rays
    >>> dark = np.random.default_rng(1).normal(300, 3, (50, 50))
    >>> dark[20:23, 30] += 500
    >>> max(stamp.sum() > 1400 for stamp in cut_cosmic_rays([dark]))
    np.True_
    """
    stamps = []
    for dark in darks:
        dark = np.asarray(dark, dtype=float)
        if dark.ndim != 2:
            msg = f'darks must have shape (ny, nx), got {dark.shape}'
            raise ParameterError(msg, 'darks')
        _, median, std = sigma_clipped_stats(dark[np.isfinite(dark)])
        light = np.nan_to_num(dark - median)
        labels, _ = ndimage.label(light > _LIMIT * std, np.ones((3, 3)))
        for number, place in enumerate(ndimage.find_objects(labels), 1):
            mine = labels[place] == number
            # noise alone makes single pixels that are just above the limit
            if mine.sum() > 1 or light[place].max() > 2 * _LIMIT * std:
                stamps.append(np.where(mine, light[place], 0))
    if not stamps:
        msg = (f'darks must have pixels above {_LIMIT:g} standard '
               'deviations, there are none')
        raise ParameterError(msg, 'darks')
    return stamps


def add_stamps(image, stamps, rng):
    """
    Add stamps at random places and orientations, in place.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    stamps : iterable of `~numpy.ndarray`
        The stamps.
    rng : `numpy.random.Generator`
        Draws the places.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.contaminants.cosmic_rays import add_stamps
    >>> image = np.zeros((9, 9))
    >>> add_stamps(image, [np.ones((1, 1))], np.random.default_rng(1))
    >>> float(image.sum())
    1.0
    """
    for stamp in stamps:
        stamp = turn_randomly(stamp, rng)
        row, column = (int(rng.integers(1 - size, n)) for size, n in
                       zip(stamp.shape, image.shape, strict=True))
        add_cutouts(image, [stamp], [column], [row])
