# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Galaxies in exposures: stamps of real ones, or Sersic profiles.
"""

import numpy as np

from compact_removal.datasets.galaxies import resample, sersic
from compact_removal.datasets.moffat import convolve, turn_randomly
from compact_removal.maps import add_cutouts

__all__ = ['add_galaxies']

# Side of the stamp of a Sersic profile (pixels), and its half-light radius.
_SERSIC_SIZE, _SERSIC_RADIUS = 96, 10.0

# Half the side of the stamp of the PSF that galaxies are convolved with
# (full widths).
_REACH = 3.0


def add_galaxies(image, rng, psf, noise, stamps, n):
    """
    Add galaxies to an image, in place.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Electrons, shape ``(ny, nx)``.
    rng : `numpy.random.Generator`
        Draws positions, sizes, orientations and fluxes.
    psf : `~compact_removal.datasets.moffat.MoffatPSF`
        The PSF.
    noise : float
        Standard deviation of the noise of the sky (electrons).
    stamps : list of `~numpy.ndarray` or None
        Images of galaxies without noise; `None`: Sersic profiles.
    n : float
        Their mean number.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets._galaxies import add_galaxies
    >>> from compact_removal.datasets.moffat import MoffatPSF
    >>> image = np.zeros((80, 80))
    >>> add_galaxies(image, np.random.default_rng(1), MoffatPSF(3.0), 1.0,
    ...              None, 20)
    >>> bool(image.max() > 0)
    True
    """
    number = rng.poisson(n)
    if not number:
        return
    plane = np.zeros(image.shape)
    for _ in range(number):
        stamp = (_make_sersic(rng) if stamps is None
                 else stamps[rng.integers(len(stamps))])
        # so many pixels of the stamp become one
        side = np.exp(rng.uniform(np.log(4), np.log(60)))
        shrink = max(min(stamp.shape) / side, 0.5)
        _add_stamp(plane, rng, turn_randomly(stamp, rng), shrink,
                   noise * 10 ** rng.uniform(0.7, 3.5))
    image += np.maximum(convolve(plane, psf.make_kernel(_REACH)), 0)


def _make_sersic(rng):
    """
    An elliptical Sersic profile.
    """
    n = rng.uniform(0.7, 4.0)
    ratio = rng.uniform(0.25, 1.0)
    offsets = np.arange(_SERSIC_SIZE) - (_SERSIC_SIZE - 1) / 2
    radius = np.hypot(offsets / np.sqrt(ratio),
                      offsets[:, None] * np.sqrt(ratio)) / _SERSIC_RADIUS
    return sersic(radius, n)


def _add_stamp(plane, rng, stamp, shrink, flux):
    """
    Add a stamp whose pixels are smaller, at any place and angle.
    """
    angle = rng.uniform(0, 2 * np.pi)
    size = int(np.ceil(1.5 * max(stamp.shape) / shrink)) + 1
    center = (size - 1) / 2 + rng.uniform(-0.5, 0.5, 2)
    small = resample(stamp, (size, size), center, shrink, -angle)
    total = small.sum()
    if total <= 0:
        return
    row, column = (int(rng.integers(-size, n)) for n in plane.shape)
    add_cutouts(plane, [flux / total * small], [column], [row])
