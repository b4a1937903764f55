# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Light that is not wanted: persistence, trails, fringes and nebulosity.

Each function returns the light to add, and where it is. What the paper took
from archives is simulated, or taken from maps that a user has.
"""

import numpy as np
from scipy.ndimage import (affine_transform, distance_transform_edt,
                           gaussian_filter, maximum_filter)

from compact_removal.datasets import list_background_kinds, make_background
from compact_removal.datasets.moffat import convolve

__all__ = ['make_fringes', 'make_nebulosity', 'make_persistence',
           'make_trails']

# Factors of the paper on patterns, in units of the noise (Equations 6, 10
# and 11), and how much real ones differ from them.
_PERSISTENCE, _FRINGES, _NEBULA = 5.0, 0.6, 1.3

# Parameters of the Fermi model of persistence (Table 2): electrons, and
# seconds.
_FERMI = {'x0': 9e4, 'dx': 18e3, 'alpha': 0.178, 'gamma': 1.078, 'x': 15e5}

# Fringes are where their envelope is above this (Sect. 2.1.7), which spans
# -5 to 5; and a satellite is where it is above so many standard deviations,
# and three pixels around.
_ENVELOPE, _TRAIL, _GROWTH = -0.2, 1.0, 7

# Nebulosity is eroded and dilated with discs of these diameters (pixels).
_ERODE, _DILATE = 6, 22

# Large scales are found on every so-manieth pixel; and so many windows of maps
# are tried.
_COARSE, _N_TRIES = 8, 8

# Share of nebulae from maps, where there are any.
_REAL = 0.7


def make_persistence(shape, rng, noise):
    """
    Make remnants of bright stars of an earlier exposure.

    The charge of a pixel that was full decays as the Fermi model has it
    (Long et al. 2015; Sect. 2.1.5, Equations 3 to 6).

    Parameters
    ----------
    shape : tuple of int
        Rows and columns.
    rng : `numpy.random.Generator`
        Draws everything.
    noise : float
        Standard deviation of the sky.

    Returns
    -------
    light : `~numpy.ndarray`
        What to add.
    mask : `~numpy.ndarray` of bool
        Where it is.
    """
    mask = np.zeros(shape, dtype=bool)
    charge = np.zeros(shape)
    # the light of the stars has fallen with radius, or all pixels were full
    falls = rng.random() < 0.3
    for _ in range(1 + rng.poisson(4)):
        _add_footprint(charge, mask, rng, falls)
    delay, duration = 10 ** rng.uniform(1, 3, 2)
    x0, dx = (rng.normal(_FERMI[name], 0.02 * _FERMI[name])
              for name in ('x0', 'dx'))
    gamma = _FERMI['gamma']
    decay = (((delay + duration) ** (1 - gamma) - delay ** (1 - gamma))
             / (1 - gamma)) * 1000 ** gamma / rng.normal(10, 1)
    level = np.where(mask, charge, 0.0)
    light = (decay / (1 + np.exp(-(level - x0) / dx))
             * (np.maximum(level, 0) / x0) ** _FERMI['alpha'])
    # the scaling of Equation 6, within the footprints or in the image
    inside = light[mask]
    if not inside.size:
        return np.zeros(shape, dtype=np.float32), mask
    low = inside.min() if rng.random() < 0.3 else 0.0
    light = np.where(mask, (light - low) / max(inside.max() - low, 1e-30), 0)
    factor = _PERSISTENCE * rng.uniform(0.7, 1.2)
    return (factor * noise * light).astype(np.float32), mask


def _add_footprint(charge, mask, rng, falls):
    """
    Add what one saturated star had filled, in place.

    A core, at times with bleeding and stubs of spikes.
    """
    ny, nx = mask.shape
    x0, y0 = rng.uniform(0, nx), rng.uniform(0, ny)
    radius = np.exp(rng.uniform(np.log(2), np.log(22)))
    dx, dy = np.arange(nx) - x0, (np.arange(ny) - y0)[:, None]
    distance = np.hypot(dx, dy * rng.uniform(0.9, 1.1))
    inside = distance < radius
    if rng.random() < 0.4:
        across, along = (dx, dy) if rng.random() < 0.5 else (dy, dx)
        inside |= ((np.abs(across) < max(0.6, radius * rng.uniform(0.1, 0.3)))
                   & (np.abs(along) < radius * rng.uniform(1.5, 4)))
    mean = rng.normal(_FERMI['x'], 0.02 * _FERMI['x'])
    values = rng.poisson(mean, inside.sum()).astype(float)
    if falls:
        values *= np.clip((distance[inside] / radius + 0.3), 0.3, None
                          ) ** -rng.uniform(0.5, 3)
    charge[inside] = np.maximum(charge[inside], values)
    mask |= inside


def make_trails(shape, rng, noise, psf):
    """
    Make trails of satellites, meteors and planes.

    Dense rows of stars of the same magnitude along a line, with a jitter
    of about a pixel; some flare, some are out of focus (Sect. 2.1.6,
    Equation 7).

    Parameters
    ----------
    shape, rng, noise : object
        See `make_persistence`.
    psf : `~compact_removal.datasets.moffat.MoffatPSF`
        The PSF.

    Returns
    -------
    light : `~numpy.ndarray`
        What to add.
    mask : `~numpy.ndarray` of bool
        Where it is.
    """
    light = np.zeros(shape, dtype=np.float32)
    for _ in range(rng.choice([1, 2, 3], p=[0.7, 0.2, 0.1])):
        light += _make_trail(shape, rng, noise, psf)
    mask = maximum_filter(light > _TRAIL * noise, _GROWTH)
    return np.where(mask, light, 0), mask


def _make_trail(shape, rng, noise, psf):
    """
    The light of one trail.
    """
    ny, nx = shape
    angle = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    half = 0.75 * np.hypot(ny, nx)
    x0, y0 = rng.uniform(0.1 * nx, 0.9 * nx), rng.uniform(0.1 * ny, 0.9 * ny)
    low, high = -half, half
    if rng.random() < 0.25:
        low, high = np.sort(rng.uniform(-0.5, 0.5, 2) * half)
        high = max(high, low + 30)
    step = 0.35
    along = np.arange(low, high, step)
    jitter = rng.choice([0.3, 1.0, 1.5])
    x = x0 + along * cos + rng.normal(0, jitter, along.size)
    y = y0 + along * sin + rng.normal(0, jitter, along.size)
    brightness = np.ones(along.size)
    if rng.random() < 0.4:
        for _ in range(rng.integers(1, 4)):
            brightness += (10 ** rng.uniform(-0.5, 1) * np.exp(
                -0.5 * ((along - rng.uniform(low, high))
                        / rng.uniform(5, 80)) ** 2))
    inside = ((x > -psf.reach) & (x < nx + psf.reach)
              & (y > -psf.reach) & (y < ny + psf.reach))
    light = np.zeros(shape, dtype=np.float32)
    psf.add(light, x[inside], y[inside], brightness[inside])
    if rng.random() < 0.2:
        # diameter of the pupil out of focus (Equation 7), in pixels
        blur = (np.rad2deg(rng.uniform(2, 8) / rng.uniform(8e4, 1.2e5)) * 3600
                / rng.uniform(0.2, 0.5))
        light = _defocus(light, blur, rng.uniform(0.2, 0.5))
    peak = np.percentile(light, 99.9)
    if peak <= 0:
        return light
    return light * np.float32(noise * 10 ** rng.uniform(0.4, 2.2) / peak)


def _defocus(light, diameter, hole):
    """
    Convolve with a ring: the pupil, and its central obstruction.
    """
    half = int(np.ceil(diameter / 2))
    offsets = np.arange(-half, half + 1)
    radius = np.hypot(offsets, offsets[:, None]) / (diameter / 2)
    ring = (radius < 1) & (radius > hole)
    if not ring.any():
        return light
    return np.maximum(convolve(light, ring / ring.sum()), 0)


def make_fringes(shape, rng, noise, patterns=None):
    """
    Make fringes: interference in thin layers of the detector.

    The paper adds real patterns (Sect. 2.1.7). Here the thickness of the
    layer is a smooth random surface, and one or two lines of the sky
    interfere.

    Parameters
    ----------
    shape, rng, noise : object
        See `make_persistence`.
    patterns : list of `~numpy.ndarray`, optional
        Real ones, NaN where nothing was measured.

    Returns
    -------
    light : `~numpy.ndarray`
        What to add.
    mask : `~numpy.ndarray` of bool
        Where it is.
    """
    y, x = (np.linspace(-1, 1, n) for n in shape)
    y = y[:, None]
    pattern = None if patterns is None else _cut(patterns, shape, rng)
    if pattern is None:
        pattern = _interfere(x, y, rng)
    pattern = pattern - pattern.mean()
    # a polynomial of the third degree (Equation 9)
    envelope = sum(rng.normal() * x ** i * y ** j for i in range(4)
                   for j in range(4 - i))
    low, high = envelope.min(), envelope.max()
    envelope = 5 * (2 * envelope - high - low) / max(high - low, 1e-30)
    factor = _FRINGES * noise * 10 ** rng.uniform(0, 0.4)
    light = (factor * pattern / max(pattern.std(), 1e-30)
             / (1 + np.exp(-envelope)))
    return light.astype(np.float32), envelope > _ENVELOPE


def _interfere(x, y, rng):
    """
    One or two waves in a layer of changing thickness.
    """
    # the thickness in wavelengths
    phase = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    for _ in range(5):
        kx, ky = rng.normal(0, 1.6, 2)
        phase += rng.normal() * np.cos(kx * x + ky * y
                                       + rng.uniform(0, 2 * np.pi))
    gx, gy = rng.normal(0, 1.0, 2)
    phase += gx * x + gy * y
    slope = np.hypot(*np.gradient(phase)).mean()
    phase *= 2 * np.pi / np.exp(rng.uniform(np.log(12), np.log(90))) / slope
    pattern = np.cos(phase)
    if rng.random() < 0.5:
        pattern += rng.uniform(0.2, 0.8) * np.cos(rng.uniform(1.05, 1.4)
                                                  * phase)
    return pattern


def make_nebulosity(shape, rng, noise, nebulae=None):
    """
    Make nebulosity, extended emission.

    See Sect. 2.1.8 of the paper.

    Parameters
    ----------
    shape, rng, noise : object
        See `make_persistence`.
    nebulae : list of `~numpy.ndarray`, optional
        Maps of the interstellar medium, NaN where nothing was measured.
        Default: simulated ones.

    Returns
    -------
    light : `~numpy.ndarray`
        What to add.
    mask : `~numpy.ndarray` of bool
        Where it is.
    """
    pattern = None
    if nebulae is not None and rng.random() < _REAL:
        pattern = _cut(nebulae, shape, rng)
    if pattern is None:
        kinds = list_background_kinds()
        pattern = make_background(
            shape, kind=kinds[rng.integers(len(kinds))],
            slope=rng.uniform(2.6, 3.6), fwhm=3.5, noise=0, seed=rng)
    pattern = _subtract_large_scales(pattern, rng)
    pattern = pattern / max(pattern.std(), 1e-30)
    mask = pattern > 1
    mask = distance_transform_edt(mask) > _ERODE / 2
    if mask.any():
        mask = distance_transform_edt(~mask) <= _DILATE / 2
    factor = _NEBULA * noise * 10 ** rng.uniform(0, 0.5)
    return (factor * pattern).astype(np.float32), mask


def _subtract_large_scales(pattern, rng):
    """
    Subtract what the background of an exposure would take away.
    """
    coarse = pattern[::_COARSE, ::_COARSE]
    width = np.exp(rng.uniform(np.log(60), np.log(400))) / _COARSE
    coarse = gaussian_filter(coarse - np.median(coarse), width)
    scale = [(n - 1) / (size - 1) for n, size in zip(
        coarse.shape, pattern.shape, strict=True)]
    pattern = pattern - affine_transform(coarse, scale, order=1,
                                         output_shape=pattern.shape,
                                         mode='nearest')
    return pattern - np.median(pattern)


def _cut(nebulae, shape, rng):
    """
    A window of a map at any angle, enlarged where the map is small.

    None where all that were tried have unknown pixels.
    """
    for _ in range(_N_TRIES):
        data = nebulae[rng.integers(len(nebulae))]
        angle = rng.uniform(0, 2 * np.pi)
        cos, sin = np.cos(angle), np.sin(angle)
        # the window, turned, must fit
        need = (abs(cos) + abs(sin)) * max(shape)
        zoom = max(need / (0.95 * min(data.shape)),
                   np.exp(rng.uniform(np.log(0.8), np.log(4))))
        turn = np.array([[cos, sin], [-sin, cos]]) / zoom
        room = np.maximum((np.array(data.shape) - need / zoom) / 2, 0)
        middle = (np.array(data.shape) - 1) / 2 + rng.uniform(-room, room)
        offset = middle - turn @ ((np.array(shape) - 1) / 2)
        pattern = affine_transform(
            np.asarray(data, dtype=float), turn, offset, output_shape=shape,
            order=1, mode='mirror')
        if np.isfinite(pattern).all():
            return pattern
    return None
