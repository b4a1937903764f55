# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Galaxies without noise: simulated ones, and stamps of real ones.
"""

import numpy as np
from astropy.stats import mad_std
from scipy import ndimage
from scipy.special import gammaincinv

from compact_removal.maps.arrays import read_arrays
from compact_removal.utils.parameters import (ParameterError, check_choice,
                                              rename_parameter)

__all__ = ['GALAXY_KINDS', 'clean_galaxy', 'half_light_radius', 'make_galaxy',
           'place_galaxy', 'read_galaxies', 'resample', 'sersic']

GALAXY_KINDS = ('spheroid', 'disk', 'composite', 'irregular')

# Side of the stamps of simulated galaxies, and their half-light radius, about
# (pixels).
_SIZE, _RADIUS = 129, 14.0

# Where simulated galaxies begin to fade, and end (half-light radii).
_FADES, _ENDS = 3.2, 4.5

# Light counts where it is above so many standard deviations after smoothing
# with Gaussians of these widths (pixels).
_LEVEL, _WIDTHS = 3.0, (0.0, 0.8, 1.5, 3.0)

# A galaxy fades beyond its pixels over this length (pixels).
_FADE = 1.5

# How far the middle of a stamp may be from the light of its galaxy (pixels).
_NEAR = 6


def make_galaxy(kind='disk', *, seed=None):
    """
    Simulate a galaxy without noise and without PSF.

    Parameters
    ----------
    kind : {'spheroid', 'disk', 'composite', 'irregular'}, optional
        A Sersic profile (n of 2 to 4.5), an exponential disk that may
        have spiral arms, both, or clumps on a disk that is not even.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    stamp : `~numpy.ndarray`
        Its light, with a sum of 1, shape ``(129, 129)``.

    Raises
    ------
    ParameterError
        If there is no such kind.

    Examples
    --------
    >>> from compact_removal.datasets import make_galaxy
    >>> stamp = make_galaxy('irregular', seed=1)
    >>> stamp.shape, f'{stamp.sum():.3f}'
    ((129, 129), '1.000')
    """
    check_choice('kind', kind, GALAXY_KINDS)
    rng = np.random.default_rng(seed)
    angle, ratio = rng.uniform(0, np.pi), rng.uniform(0.25, 1)
    if kind == 'spheroid':
        light = _make_sersic(rng.uniform(2, 4.5), _RADIUS,
                             max(ratio, 0.5), angle)
    else:
        light = _make_sersic(rng.uniform(0.6, 1.4), _RADIUS, ratio, angle)
    if kind in ('disk', 'composite') and rng.random() < 0.6:
        light = light * _make_arms(rng, ratio, angle)
    if kind == 'composite':
        share = rng.uniform(0.1, 0.6)
        bulge = _make_sersic(rng.uniform(1.5, 4), _RADIUS * rng.uniform(
            0.15, 0.5), max(ratio, 0.6), angle)
        light = (1 - share) * light / light.sum() + share * (
            bulge / bulge.sum())
    if kind == 'irregular':
        light = _make_irregular(rng, light)
    # no light is cut off at the edges of the stamp
    along, across = _offsets(1.0, 0.0)
    light = light * np.clip((_ENDS - np.hypot(along, across) / _RADIUS)
                            / (_ENDS - _FADES), 0, 1)
    return light / light.sum()


def _offsets(ratio, angle):
    """
    Offsets along and across a direction, stretched to a circle.
    """
    x = np.arange(_SIZE) - _SIZE // 2
    y = x[:, None]
    cos, sin = np.cos(angle), np.sin(angle)
    return ((x * cos + y * sin) * np.sqrt(ratio),
            (y * cos - x * sin) / np.sqrt(ratio))


def _make_sersic(n, radius, ratio, angle):
    """
    An elliptical Sersic profile; the centre is softened by a pixel.
    """
    along, across = _offsets(ratio, angle)
    r = np.sqrt(along ** 2 + across ** 2 + 0.3) / radius
    return sersic(r, n)


def _make_arms(rng, ratio, angle):
    """
    Spiral arms, as a factor of about 1.
    """
    along, across = _offsets(ratio, angle)
    r = np.hypot(along, across)
    turns = np.log(np.maximum(r, 2)) / np.tan(np.radians(
        rng.uniform(10, 35))) * rng.choice([-1, 1])
    wave = np.cos(rng.choice([1, 2, 2, 3]) * (
        np.arctan2(across, along) + turns) + rng.uniform(0, 2 * np.pi))
    strength = rng.uniform(0.3, 0.9) * np.minimum(r / _RADIUS, 1)
    return 1 + strength * wave


def _make_irregular(rng, disk):
    """
    Clumps on a disk that is brighter on one side.
    """
    size = rng.uniform(2, 8)
    patches = ndimage.gaussian_filter(rng.standard_normal(disk.shape), size)
    light = disk * np.exp(rng.uniform(0.3, 1.2) * patches / patches.std())
    light /= light.sum()
    x = np.arange(_SIZE) - _SIZE // 2
    shift = rng.normal(0, 0.3 * _RADIUS, 2)
    n = rng.integers(1, 8)
    shares = rng.dirichlet(np.full(n, 1.5)) * rng.uniform(0.2, 0.7)
    light *= 1 - shares.sum()
    for share in shares:
        dx, dy = shift + rng.normal(0, 0.7 * _RADIUS, 2)
        width = rng.uniform(1.0, 4.0)
        clump = np.exp(-0.5 * ((x - dx) ** 2 + (x[:, None] - dy) ** 2)
                       / width ** 2)
        light += share * clump / clump.sum()
    return light


def clean_galaxy(stamp):
    """
    Take the noise, and what else is near, off the stamp of a galaxy.

    Each pixel is smoothed as little as makes it three standard
    deviations, and what is fainter is dropped. Of what remains the part
    in the middle is kept; at its edge the light fades.

    Parameters
    ----------
    stamp : array_like
        The galaxy, about in the middle, shape ``(ny, nx)``; its
        background is about 0.

    Returns
    -------
    stamp : `~numpy.ndarray`
        Its light, not negative, with a sum of 1.

    Raises
    ------
    ParameterError
        If there is no light in the middle.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets import clean_galaxy
    >>> x = np.arange(64) - 32
    >>> stamp = 20 * np.exp(-0.02 * (x ** 2 + x[:, None] ** 2))
    >>> stamp += np.random.default_rng(1).standard_normal(stamp.shape)
    >>> cleaned = clean_galaxy(stamp)
    >>> float(cleaned[0, 0]), bool(cleaned.min() >= 0)
    (0.0, True)
    """
    stamp = np.asarray(stamp, dtype=float)
    edge = np.concatenate([stamp[:2].ravel(), stamp[-2:].ravel(),
                           stamp[:, :2].ravel(), stamp[:, -2:].ravel()])
    stamp = stamp - np.median(edge)
    noise = max(mad_std(edge), 1e-9 * np.ptp(stamp))
    light = np.zeros(stamp.shape)
    for width in _WIDTHS[::-1]:
        smooth = ndimage.gaussian_filter(stamp, width) if width else stamp
        # of white noise, and of the correlated one of drizzled pixels
        level = noise / max(1.0, 1.8 * width)
        strong = smooth > _LEVEL * level
        light[strong] = smooth[strong]
    labels, n = ndimage.label(ndimage.binary_opening(light > 0))
    middle = tuple(slice(max(side // 2 - _NEAR, 0), side // 2 + _NEAR + 1)
                   for side in stamp.shape)
    sums = ndimage.sum_labels(light[middle], labels[middle],
                              np.arange(1, n + 1))
    if not n or not sums.max() > 0:
        msg = 'stamp must have light in the middle'
        raise ParameterError(msg, 'stamp')
    mine = ndimage.binary_fill_holes(labels == 1 + int(np.argmax(sums)))
    distance = ndimage.distance_transform_edt(~mine)
    wide = np.maximum(ndimage.gaussian_filter(stamp, _WIDTHS[-1]), 0)
    light = np.where(mine & (light > 0), light, wide) * np.exp(
        -distance / _FADE)
    light[distance > 3 * _FADE] = 0
    return light / light.sum()


def read_galaxies(galaxies, name):
    """
    Read stamps of galaxies of a user.

    Parameters
    ----------
    galaxies : list or dict of array_like or None
        The stamps.
    name : str
        What the user calls them, for messages.

    Returns
    -------
    stamps : list of `~numpy.ndarray` or None
        Without noise, see `~compact_removal.datasets.clean_galaxy`.

    Raises
    ------
    TypeError, ValueError
        If one of them is no image or has no light, or there is none.
    """
    if galaxies is None:
        return None
    stamps = []
    for number, stamp in enumerate(read_arrays(
            galaxies, name, empty='be None or hold at least one stamp')):
        try:
            stamps.append(clean_galaxy(np.nan_to_num(stamp)))
        except ParameterError as error:
            raise ParameterError(rename_parameter(
                error, stamp=f'{name}: stamp {number + 1}'), name) from error
    return stamps


def half_light_radius(stamp, x=None, y=None):
    """
    Radius of the circle with half of the light.

    Parameters
    ----------
    stamp : `~numpy.ndarray`
        An image without noise and without background.
    x, y : float, optional
        The centre (pixels). Default: that of the light.

    Returns
    -------
    radius : float
        In pixels.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets import half_light_radius
    >>> x = np.arange(64) - 31.3
    >>> disc = (x ** 2 + x[:, None] ** 2 < 400).astype(float)
    >>> print(f'{half_light_radius(disc):.0f}')
    14
    """
    stamp = np.asarray(stamp, dtype=float)
    total = stamp.sum()
    columns, rows = np.arange(stamp.shape[1]), np.arange(stamp.shape[0])
    x = stamp.sum(axis=0) @ columns / total if x is None else x
    y = stamp.sum(axis=1) @ rows / total if y is None else y
    radius = np.hypot(columns - x, rows[:, None] - y).ravel()
    order = np.argsort(radius)
    light = np.cumsum(stamp.ravel()[order])
    return float(np.interp(0.5 * total, light, radius[order]))


def place_galaxy(stamp, shape, x, y, *, scale=1.0, angle=0.0):
    """
    Draw a stamp anywhere on an image, larger or smaller, and turned.

    Parameters
    ----------
    stamp : `~numpy.ndarray`
        The galaxy, without noise.
    shape : tuple of int
        Rows and columns of the image.
    x, y : float
        Where the middle of the stamp goes (pixels).
    scale : float, optional
        So many pixels of the image are one of the stamp.
    angle : float, optional
        By which it is turned (radians, from x to y).

    Returns
    -------
    image : `~numpy.ndarray`
        Light per pixel; the sum is that of the stamp, less what falls
        beyond the edges.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets import place_galaxy
    >>> image = place_galaxy(np.ones((8, 8)), (32, 32), 15.5, 15.5, scale=2.0)
    >>> float(image[15, 15]), round(float(image.sum()), 1)
    (0.25, 64.0)
    """
    stamp = np.asarray(stamp, dtype=float)
    # beyond a stamp there is nothing: half a pixel of interpolation
    padded = np.pad(stamp, 1)
    return resample(padded, shape, (y, x), 1 / scale, angle) / scale ** 2


def resample(stamp, shape, center, shrink, angle):
    """
    Draw a stamp whose pixels are smaller or larger, without its area.

    Parameters
    ----------
    stamp : `~numpy.ndarray`
        The stamp.
    shape : tuple of int
        Rows and columns of the result.
    center : array_like
        Where its middle goes, in y and x (pixels).
    shrink : float
        So many pixels of the stamp are one of the result.
    angle : float
        By which it is turned (radians, from x to y).

    Returns
    -------
    image : `~numpy.ndarray`
        Values at the pixels of the result; 0 beyond the stamp.
    """
    stamp = np.asarray(stamp, dtype=float)
    if shrink > 1:
        # no light falls between the pixels
        stamp = ndimage.gaussian_filter(stamp, 0.4 * shrink, mode='constant')
    cos, sin = np.cos(angle), np.sin(angle)
    # rows and columns of the stamp for those of the result
    turn = shrink * np.array([[cos, -sin], [sin, cos]])
    middle = (np.array(stamp.shape) - 1) / 2
    return ndimage.affine_transform(stamp, turn, middle - turn @ center,
                                    output_shape=shape, order=1)


def sersic(radius, n):
    """
    Evaluate a Sersic profile.

    Parameters
    ----------
    radius : `~numpy.ndarray`
        Radii in units of that with half of the light.
    n : float
        The Sersic index.

    Returns
    -------
    light : `~numpy.ndarray`
        Surface brightness; 1 at a radius of 1.
    """
    return np.exp(-gammaincinv(2 * n, 0.5) * (radius ** (1 / n) - 1))
