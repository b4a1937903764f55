# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Exposures with contaminants of all classes, and their truth.

The recipes and their order are those of MaxiMask (Sect. 2).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.ndimage import maximum_filter

from compact_removal.contaminants.defects import (add_clusters, add_lines,
                                                  add_overscan, add_points,
                                                  draw_dead, draw_hot)
from compact_removal.contaminants.classes import CLASS_NAMES, find_classes
from compact_removal.contaminants.cosmic_rays import (add_stamps,
                                                      make_cosmic_ray)
from compact_removal.contaminants.light import (make_fringes, make_nebulosity,
                                                make_persistence, make_trails)
from compact_removal.datasets import Exposure
from compact_removal.datasets.moffat import draw_even

__all__ = ['CORE', 'UNKNOWN_CORE', 'ContaminatedExposure', 'contaminate']

# Pixels are part of a hit above the first (standard deviations of the sky),
# and in its core above the second; the truth has one pixel more around.
_HIT, _CORE, _GROWTH = 0.5, 3.0, 3

# Hits per million pixels, even in the logarithm, and the range of factors on
# their charge.
_HITS = 25.0, 1500.0
_CHARGE = 0.4, 2.5

# Bits of the truth beyond those of the classes: cores of hits, and pixels of
# hits that are neither in the core nor outside.
CORE, UNKNOWN_CORE = (1 << len(CLASS_NAMES) + k for k in range(2))

# What overscan hides, as it has seen no light.
_STATIC = find_classes(['HCL', 'DCL', 'HP', 'DP', 'OV'])


@dataclass(frozen=True, eq=False)
class ContaminatedExposure:
    """
    An exposure with contaminants.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Counts, sky included, shape ``(ny, nx)``.
    truth : `~numpy.ndarray` of int
        Bits: that of 2 to the power of k for class k of ``CLASSES``.
    clean : `~compact_removal.datasets.Exposure`
        The exposure without them.
    light : dict of `~numpy.ndarray`
        What cosmic rays and trails have added, where there are any.

    Examples
    --------
    >>> from compact_removal.contaminants import contaminate
    >>> from compact_removal.datasets import make_exposure
    >>> exposure = contaminate(make_exposure((64, 64), seed=1), seed=1)
    >>> exposure.planes.shape, exposure.planes.dtype
    ((14, 64, 64), dtype('bool'))
    """

    image: np.ndarray
    truth: np.ndarray
    clean: Exposure
    light: dict

    @property
    def planes(self):
        """
        The truth, one plane per class.
        """
        index = np.arange(len(CLASS_NAMES))[:, None, None]
        return (self.truth >> index & 1).astype(bool)

    @property
    def core(self):
        """
        Cores of cosmic rays: 1 above three standard deviations, 0 where
        there is next to nothing, NaN between.
        """
        return np.where(self.truth & UNKNOWN_CORE, np.nan,
                        (self.truth & CORE > 0).astype(float))


def contaminate(exposure, classes='all', *, cosmic_rays=None, nebulae=None,
                fringes=None, seed=None):
    """
    Add contaminants to an exposure.

    Parameters
    ----------
    exposure : `~compact_removal.datasets.Exposure`
        A clean one.
    classes : str or sequence of str, optional
        What to add. Those that a clean exposure has (SAT, SP, BBG, BG)
        are there in any case.
    cosmic_rays : list of `~numpy.ndarray`, optional
        Stamps of real hits, in electrons. Default: half of the hits are
        from `make_cosmic_ray`; without stamps all are.
    nebulae : list of `~numpy.ndarray`, optional
        Maps of the interstellar medium; default: simulated ones.
    fringes : list of `~numpy.ndarray`, optional
        Patterns of fringes; default: simulated ones.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    contaminated : `ContaminatedExposure`
        Image and truth.

    Examples
    --------
    >>> from compact_removal.contaminants import contaminate
    >>> from compact_removal.datasets import make_exposure
    >>> clean = make_exposure((64, 64), seed=1)
    >>> exposure = contaminate(clean, ['CR'], seed=1)
    >>> bool((exposure.image != clean.image).any())
    True
    """
    rng = np.random.default_rng(seed)
    names = {CLASS_NAMES[k] for k in find_classes(classes)}
    image, shape = exposure.image.copy(), exposure.image.shape
    found = {'SAT': exposure.saturated, 'SP': exposure.spikes,
             'BBG': exposure.bright}
    noise, sky = exposure.noise, exposure.sky
    cores, added = np.zeros(shape, dtype=int), {}
    if 'CR' in names:
        hits = _make_hits(rng, shape, cosmic_rays) / exposure.gain
        found['CR'] = maximum_filter(hits > _HIT * noise, _GROWTH)
        cores = np.where(hits > _CORE * noise, CORE,
                         np.where(hits > _HIT * noise, UNKNOWN_CORE, 0))
        image += hits
        added['CR'] = hits
    makers = {'P': make_persistence,
              'TRL': partial(make_trails, psf=exposure.psf),
              'FR': partial(make_fringes, patterns=fringes),
              'NEB': partial(make_nebulosity, nebulae=nebulae)}
    for name, make in makers.items():
        if name in names:
            more, found[name] = make(shape, rng, noise)
            image += more
            if name == 'TRL':
                added[name] = more
    # what a pixel cannot hold is lost
    np.minimum(image, exposure.saturation, out=image)
    hot, dead = (partial(draw, sky=sky, noise=noise)
                 for draw in (draw_hot, draw_dead))
    for name, add, draw in (('OV', add_overscan, dead),
                            ('HCL', add_lines, hot),
                            ('DCL', add_lines, dead),
                            ('DCL', add_clusters, dead),
                            ('HP', add_points, hot),
                            ('DP', add_points, dead)):
        if name in names:
            mask = add(image, rng, draw)
            found[name] = mask | found.get(name, False)
    return ContaminatedExposure(image, _encode(found, shape) | cores,
                                exposure, added)


def _make_hits(rng, shape, stamps):
    """
    Charge of cosmic rays (electrons).
    """
    density = draw_even(rng, _HITS)
    n = max(rng.poisson(density * np.prod(shape) / 1e6), 1)
    share = 0.0 if stamps is None else rng.choice([0.0, 0.5, 1.0])
    factor = draw_even(rng, _CHARGE)
    hits = np.zeros(shape, dtype=np.float32)
    add_stamps(hits, (factor * (
        stamps[rng.integers(len(stamps))] if rng.random() < share
        else make_cosmic_ray(rng)) for _ in range(n)), rng)
    return hits


def _encode(found, shape):
    """
    Bits of the classes that were found, and of the background.
    """
    truth = np.zeros(shape, dtype=int)
    hidden = found.get('OV', np.zeros(shape, dtype=bool))
    for k, name in enumerate(CLASS_NAMES):
        if name in found:
            mask = found[name]
            truth |= (mask if k in _STATIC else mask & ~hidden) << k
    return np.where(truth, truth, 1 << CLASS_NAMES.index('BG'))
