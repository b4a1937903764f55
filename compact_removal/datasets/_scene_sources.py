# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The sources of scenes: shapes, positions and fluxes.
"""

import numpy as np

__all__ = ['SourceDrawer', 'draw_neighbor_pixel', 'draw_position_error']

# Largest ratio of sources with a negative flux: no map has deep dips.
_DEEPEST = 5.0


class SourceDrawer:
    """
    The sources of a scene, drawn one by one.
    """

    def __init__(self, library, psf, settings, rng):
        self._library, self._psf = library, psf
        self._settings, self._rng = settings, rng
        self._rows, self._stamps = [], []

    def draw_stamp(self):
        """
        Draw shape and sub-pixel position, and the catalogue's error.
        """
        stamp, self._phase, self._extent = self._library.draw(self._psf,
                                                              self._rng)
        self._stamps.append(stamp)
        self._error = draw_position_error(self._settings, self._rng)

    def center(self, pixel):
        """
        Place the source: its catalogue position lies in a pixel.
        """
        self.place(*(pixel - round(phase - error) for phase, error
                     in zip(self._phase, self._error, strict=True)))

    def place(self, x, y):
        """
        Place the source: it lies in a pixel.
        """
        self._pixel = x, y

    def draw_flux(self, log_ratios, std, *, empty=0.0, negative=0.0):
        """
        Draw the flux; there are chances that it is 0, or negative.
        """
        ratio = 10 ** np.interp(self._rng.random(), self._settings.quantiles,
                                log_ratios)
        if empty or negative:
            draw = self._rng.random()
            if draw < empty:
                ratio = 0.0
            elif draw < empty + negative:
                ratio = -min(ratio, _DEEPEST)
        flux = ratio * std / float(self._stamps[-1].max())
        (x, y), (dx, dy) = self._pixel, self._phase
        x_err, y_err = self._error
        self._rows.append((x, y, x + dx, y + dy, x + dx - x_err,
                           y + dy - y_err, flux, std, self._extent))

    def arrays(self):
        """
        What a `Scene` holds of its sources.
        """
        columns = np.array(self._rows, dtype=float).reshape(-1, 9).T
        names = ('x', 'y', 'x_catalog', 'y_catalog', 'flux', 'std', 'extent')
        return {**dict(zip(names, columns[2:], strict=True)),
                'stamps': tuple(self._stamps),
                'pixels': columns[:2].T.astype(int)}


def draw_position_error(settings, rng):
    """
    Error of a catalogue position: (x, y) in pixels.
    """
    if rng.random() < settings.large_error_chance:
        radius = settings.large_error * np.sqrt(rng.random())
        angle = rng.uniform(0, 2 * np.pi)
        return radius * np.cos(angle), radius * np.sin(angle)
    return tuple(rng.normal(0, settings.small_error, 2))


def draw_neighbor_pixel(rng, size, least):
    """
    A pixel for a neighbour; half of them lie near the centre.
    """
    half = size // 2
    reach = half / 2 if rng.random() < 0.5 else half
    while True:
        x, y = rng.uniform(-reach, reach, 2)
        if np.hypot(x, y) >= min(least, reach):
            return half + round(x), half + round(y)
