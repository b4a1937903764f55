# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Defects of detectors: hot and dead pixels, columns, clusters, and overscan.

They decide on the final value of a pixel, whatever light falls on it
(MaxiMask, Sects. 2.1.4, 2.1.11 and 2.3.1).
"""

import numpy as np

__all__ = ['add_clusters', 'add_lines', 'add_overscan', 'add_points',
           'draw_dead', 'draw_hot']

# Ranges of the paper: hot values (standard deviations of the sky) and dead
# ones (of its level), scatter of both, numbers of lines, their thickness and
# least length, the share of pixels that are points, and the side of clusters.
_HOT = 15.0, 100.0
_DEAD = 0.1, 0.7
_SCATTER = 0.02
_N_LINES = 1, 4
_THICKNESS = 1, 3
_SHORTEST = 30
_SHARE = 2e-4, 5e-4
_CLUSTER = 20


def draw_hot(rng, sky, noise):
    """
    Draw what gives the values of hot pixels.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Draws them.
    sky, noise : float
        Level of the sky, and standard deviation of its noise.

    Returns
    -------
    values : callable
        Takes a number and returns so many values.
    """
    value = rng.uniform(*_HOT) * noise

    def values(n):
        return sky + rng.normal(value, _SCATTER * value, n)

    return values


def draw_dead(rng, sky, noise):
    """
    Draw what gives the values of dead pixels: one of three recipes.

    Parameters
    ----------
    rng : `numpy.random.Generator`
        Draws them.
    sky, noise : float
        Level of the sky, and standard deviation of its noise.

    Returns
    -------
    values : callable
        Takes a number and returns so many values.
    """
    recipe = rng.integers(3)
    level = rng.uniform(*_DEAD) * sky

    def values(n):
        if recipe == 0:
            return np.zeros(n)
        if recipe == 1:
            return rng.normal(0, _SCATTER * noise, n)
        return rng.normal(level, _SCATTER * abs(level), n)

    return values


def add_points(image, rng, draw):
    """
    Give single pixels other values, in place.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    rng : `numpy.random.Generator`
        Draws them.
    draw : callable
        ``draw(rng)`` returns a function from a number to so many values.

    Returns
    -------
    mask : `~numpy.ndarray` of bool
        Where they are.
    """
    mask = rng.random(image.shape) < rng.uniform(*_SHARE)
    # each pixel has a value of its own
    rows, columns = np.nonzero(mask)
    for row, column in zip(rows, columns, strict=True):
        image[row, column] = draw(rng)(1)[0]
    return mask


def add_lines(image, rng, draw):
    """
    Give columns and lines other values, in place.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    rng : `numpy.random.Generator`
        Draws them.
    draw : callable
        ``draw(rng)`` returns a function from a number to so many values.

    Returns
    -------
    mask : `~numpy.ndarray` of bool
        Where they are.
    """
    mask = np.zeros(image.shape, dtype=bool)
    n_columns, n_rows = rng.integers(0, _N_LINES[1] + 1, 2)
    if n_columns + n_rows == 0:
        n_columns = 1
    for number, view, found in ((n_columns, image.T, mask.T),
                                (n_rows, image, mask)):
        for _ in range(number):
            across, along = view.shape
            thick = rng.integers(_THICKNESS[0], _THICKNESS[1] + 1)
            length = rng.integers(min(_SHORTEST, along), along + 1)
            first = rng.integers(0, across - thick + 1)
            start = rng.integers(0, along - length + 1)
            place = np.s_[first:first + thick, start:start + length]
            view[place] = draw(rng)(view[place].size).reshape(
                view[place].shape)
            found[place] = True
    return mask


def add_clusters(image, rng, draw):
    """
    Give rectangles and convex polygons other values, in place.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    rng : `numpy.random.Generator`
        Draws them.
    draw : callable
        ``draw(rng)`` returns a function from a number to so many values.

    Returns
    -------
    mask : `~numpy.ndarray` of bool
        Where they are.
    """
    mask = np.zeros(image.shape, dtype=bool)
    ny, nx = image.shape
    for _ in range(rng.integers(_N_LINES[0], _N_LINES[1] + 1)):
        height, width = rng.integers(2, _CLUSTER + 1, 2)
        inside = np.ones((height, width), dtype=bool)
        if rng.random() < 0.5:
            inside = _fill_polygon(rng, height, width)
        row = rng.integers(0, max(ny - height, 1))
        column = rng.integers(0, max(nx - width, 1))
        part = np.s_[row:row + height, column:column + width]
        inside = inside[:mask[part].shape[0], :mask[part].shape[1]]
        image[part][inside] = draw(rng)(inside.sum())
        mask[part][inside] = True
    return mask


def _fill_polygon(rng, height, width):
    """
    A convex polygon of five or six edges in a box.
    """
    n = rng.integers(5, 7)
    angles = np.sort(rng.uniform(0, 2 * np.pi, n))
    x, y = width / 2 * np.cos(angles), height / 2 * np.sin(angles)
    dx = np.arange(width) - (width - 1) / 2
    dy = (np.arange(height) - (height - 1) / 2)[:, None]
    inside = np.ones((height, width), dtype=bool)
    for k in range(n):
        x0, y0, x1, y1 = x[k - 1], y[k - 1], x[k], y[k]
        inside &= (x1 - x0) * (dy - y0) - (y1 - y0) * (dx - x0) >= 0
    return inside


def add_overscan(image, rng, draw):
    """
    Give strips at the sides other values, in place.

    Parameters
    ----------
    image : `~numpy.ndarray`
        The image, shape ``(ny, nx)``.
    rng : `numpy.random.Generator`
        Draws them.
    draw : callable
        ``draw(rng)`` returns a function from a number to so many values.

    Returns
    -------
    mask : `~numpy.ndarray` of bool
        Where they are.
    """
    mask = np.zeros(image.shape, dtype=bool)
    values = draw(rng)
    for side in rng.permutation(4)[:rng.choice([1, 2], p=[0.7, 0.3])]:
        view, found = np.rot90(image, side), np.rot90(mask, side)
        width = rng.integers(4, max(len(view) // 6, 5) + 1)
        view[:width] = values(view[:width].size).reshape(view[:width].shape)
        found[:width] = True
    return mask
