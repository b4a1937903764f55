# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Defects for the maps of ``trust.py``.

Each function of ``DEFECTS`` takes a `Case`, the errors of the fluxes on
the clean map (Jy) and a random generator, and returns the damaged case,
in which ``affected`` marks the damaged sources.
"""

from dataclasses import replace
from functools import partial

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy.ndimage import gaussian_filter
from trust_cases import render

# Share of the sources that are damaged; the others show the PSF.
_SHARE = 0.4

# Size of hot pixels, in errors of the flux.
_SPIKE = (10, 100)

# What the dents of cores look like (pixels).
_DENT_RADIUS = 1.6

# Widths of extended sources in beams, and their least flux in local
# standard deviations.
_EXTENT = (1.8, 4.0)
_EXTENDED_LEVEL = 30


def _choose(case, rng):
    """
    The sources to damage, at least one.
    """
    affected = rng.random(case.x.size) < _SHARE
    affected[rng.integers(case.x.size)] = True
    return affected


def _core(case, k, factor=1.0):
    """
    Rows and columns of the pixels within a number of FWHM of a source.
    """
    return np.nonzero(case.radius(k) < factor * case.fwhm)


def _spike(errors, k, rng):
    """
    Value of a hot pixel: its light is so many errors of the flux.
    """
    return errors[k] * np.exp(rng.uniform(*np.log(_SPIKE)))


def hot_pixels(case, errors, rng, *, n_pixels=1, sign=1):
    """
    Hot or cold pixels within one FWHM of the source.
    """
    affected, image = _choose(case, rng), case.image.copy()
    for k in np.flatnonzero(affected):
        rows, columns = _core(case, k)
        for i in rng.choice(rows.size, n_pixels, replace=False):
            image[rows[i], columns[i]] += sign * _spike(errors, k, rng)
    return replace(case, image=image, affected=affected)


def track(case, errors, rng):
    """
    A cosmic ray that leaves a track of 3 to 6 pixels across the core.
    """
    affected, image = _choose(case, rng), case.image.copy()
    for k in np.flatnonzero(affected):
        rows, columns = _core(case, k)
        i, angle = rng.integers(rows.size), rng.uniform(0, np.pi)
        steps = np.arange(rng.integers(3, 7)) - 2
        y = np.rint(rows[i] + steps * np.sin(angle)).astype(int)
        x = np.rint(columns[i] + steps * np.cos(angle)).astype(int)
        weights = rng.uniform(0.3, 1, steps.size)
        np.add.at(image, (y, x),
                  weights / weights.sum() * _spike(errors, k, rng))
    return replace(case, image=image, affected=affected)


def empty_spike(case, errors, rng):
    """
    A hot pixel at each position without a source.
    """
    affected, image = case.flux == 0, case.image.copy()
    for k in np.flatnonzero(affected):
        x, y = (round(value + rng.uniform(-1, 1))
                for value in (case.x[k], case.y[k]))
        image[y, x] += _spike(errors, k, rng)
    return replace(case, image=image, affected=affected)


def dented(case, errors, rng, *, whole=False):
    """
    Cores of which the middle is too faint; as a whole: with what is below
    the source, whatever the level of the map is.
    """
    del errors
    affected, image = _choose(case, rng), case.image.copy()
    for k in np.flatnonzero(affected):
        one = slice(k, k + 1)
        light = image if whole else render(
            case.psf, case.band, image.shape, case.x[one], case.y[one],
            case.flux[one])
        image = image - light * rng.uniform(0.1, 0.7) * np.exp(
            -(case.radius(k) / _DENT_RADIUS) ** 4)
    return replace(case, image=image, affected=affected)


def clipped(case, errors, rng):
    """
    Cores cut off at 30 to 90 percent of the peak.
    """
    del errors
    affected, image = _choose(case, rng), case.image.copy()
    for k in np.flatnonzero(affected):
        core = _core(case, k, 2.0)
        level = rng.uniform(0.3, 0.9) * np.nanmax(image[core])
        image[core] = np.minimum(image[core], level)
    return replace(case, image=image, affected=affected)


def extended(case, errors, rng):
    """
    Sources convolved with Gaussians to 1.8 to 4 beams.
    """
    del errors
    affected = _choose(case, rng) & (case.flux > _EXTENDED_LEVEL * case.sigma)
    image = case.truth.copy()
    for k in range(case.x.size):
        one = slice(k, k + 1)
        light = render(case.psf, case.band, image.shape, case.x[one],
                       case.y[one], case.flux[one])
        if affected[k]:
            width = case.fwhm * np.sqrt(rng.uniform(*_EXTENT) ** 2 - 1)
            light = gaussian_filter(light, width * gaussian_fwhm_to_sigma,
                                    mode='constant')
        image += light
    return replace(case, image=image, affected=affected)


def _central(case, k, rng):
    """
    The pixel of the source.
    """
    del rng
    return round(case.y[k]), round(case.x[k])


def _square(case, k, rng):
    """
    The 3 x 3 pixels of the core.
    """
    del rng
    return np.ix_(round(case.y[k]) + np.arange(-1, 2),
                  round(case.x[k]) + np.arange(-1, 2))


def _scattered(case, k, rng):
    """
    Pixels here and there, up to half of the core.
    """
    rows, columns = _core(case, k)
    n_pixels = max(1, round(rng.uniform(0, 0.5) * rows.size))
    chosen = rng.choice(rows.size, n_pixels, replace=False)
    return rows[chosen], columns[chosen]


def _column(case, k, rng):
    """
    A column of the map through the core.
    """
    shift = rng.uniform(-1, 1) * case.fwhm / 2
    return slice(None), round(case.x[k] + shift)


def missing(case, errors, rng, *, choose):
    """
    Pixels that are masked, with wrong values, or NaN.
    """
    del errors
    affected, image = _choose(case, rng), case.image.copy()
    mask = np.zeros(image.shape, dtype=bool)
    for k in np.flatnonzero(affected):
        mask[choose(case, k, rng)] = True
    # a column meets other sources, too
    affected |= [mask[_core(case, k)].any() for k in range(case.x.size)]
    peak = np.nanmax(image)
    image[mask] = np.nan if case.seed % 2 else 3 * peak
    return replace(case, image=image, mask=mask, affected=affected)


def edge(case, errors, rng):
    """
    The map ends at its outermost sources: up to half of them is off it.
    """
    del errors
    reach = rng.uniform(0, case.fwhm / 2, 4)
    ny, nx = case.image.shape
    x0, y0 = (max(0, int(np.ceil(value - 0.5))) for value in (
        case.x.min() - reach[0], case.y.min() - reach[1]))
    x1, y1 = (min(n, int(np.floor(value + 0.5)) + 1) for n, value in (
        (nx, case.x.max() + reach[2]), (ny, case.y.max() + reach[3])))
    part = (slice(y0, y1), slice(x0, x1))
    affected = np.zeros(case.x.size, dtype=bool)
    affected[[case.x.argmin(), case.x.argmax(), case.y.argmin(),
              case.y.argmax()]] = True
    return replace(case, image=case.image[part], truth=case.truth[part],
                   avoid=case.avoid[part], x=case.x - x0, y=case.y - y0,
                   affected=affected)


DEFECTS = {
    'hot1': hot_pixels,
    'hot2': partial(hot_pixels, n_pixels=2),
    'hot3': partial(hot_pixels, n_pixels=3),
    'cold1': partial(hot_pixels, sign=-1),
    'track': track,
    'empty_spike': empty_spike,
    'dented': dented,
    'dented_map': partial(dented, whole=True),
    'clipped': clipped,
    'extended': extended,
    'no_centre': partial(missing, choose=_central),
    'no_core': partial(missing, choose=_square),
    'scattered': partial(missing, choose=_scattered),
    'column': partial(missing, choose=_column),
    'edge': edge,
}
