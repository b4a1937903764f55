# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Geometry of maps: where pixels are on the sky, and how large they are there.

The sky is no plane: pixels have the area, the form and the size of the
place where they are, not those of the reference pixel, which may be far
away. All of it comes from finite differences of positions on the sky, so
it holds for any projection and distortion.
"""

import astropy.units as u
import numpy as np
from astropy.wcs import NoConvergence
from astropy.wcs.utils import proj_plane_pixel_area

from compact_removal.maps.frames import find_frame
from compact_removal.maps.pixels import map_points, on_map
from compact_removal.utils.parameters import ParameterError

__all__ = ['SkyGrid']

# Half of the step of finite differences (pixels): about a beam, so that
# kinks of lookup tables count as the sum over a source sees them.
_STEP = 2.0

# Positions that do not come back to themselves within this part of a
# pixel are not on the map.
_ROUND_TRIP = 0.02

# Steps of the search for positions that a projection puts elsewhere.
_N_STEPS = 10

# Relative difference of pixel sizes that has no influence, so that results
# on a tangential map do not depend on which sources are asked for.
_SAME_SCALE = 1e-4


class SkyGrid:
    """
    The pixels of a map on the sky.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        A WCS with celestial axes; others are left out.
    name : str, optional
        What messages call the map.

    Attributes
    ----------
    wcs : `~astropy.wcs.WCS`
        Its celestial part.
    frame : `~compact_removal.maps.frames.SkyFrame`
        Its frame.

    Raises
    ------
    ValueError
        If the WCS has no celestial axes, those of a frame that astropy
        cannot transform, or is not valid. The message starts with
        ``name``.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from compact_removal.maps.geometry import SkyGrid
    >>> grid = SkyGrid(WCS({'CTYPE1': 'GLON-CAR', 'CTYPE2': 'GLAT-CAR',
    ...                     'CDELT1': -1e-3, 'CDELT2': 1e-3}))
    >>> major, minor = grid.axes([0, 0], [0, 60_000])
    >>> print(major.round(2), minor.round(2))
    [3.6 3.6] [3.6 1.8]
    """

    def __init__(self, wcs, *, name='image'):
        # that of sliced NDData is wrapped
        wcs = getattr(wcs, 'low_level_wcs', wcs)
        try:
            good = wcs is not None and wcs.has_celestial
        except (AttributeError, ValueError):
            good = False
        if not good:
            axes = ''
            if hasattr(getattr(wcs, 'wcs', None), 'ctype'):
                found = ', '.join(repr(axis) for axis in wcs.wcs.ctype)
                axes = f' with the axes {found}' if found else ''
            msg = (f'{name} must have a celestial WCS (an astropy.wcs.WCS), '
                   f'got {type(wcs).__name__}{axes}')
            raise ParameterError(msg, name)
        if not {wcs.wcs.lng, wcs.wcs.lat} <= {0, 1}:
            msg = (f'{name} must have its celestial axes first, got '
                   f'{", ".join(map(repr, wcs.wcs.ctype))}')
            raise ParameterError(msg, name)
        try:
            self.wcs = wcs.celestial
            numbers = np.concatenate([
                self.wcs.wcs.crpix, self.wcs.wcs.crval,
                self.wcs.wcs.get_cdelt(), self.wcs.wcs.get_pc().ravel()])
            if np.all(np.isfinite(numbers)):
                self.wcs.wcs.set()
        except ValueError as error:
            reason = str(error).splitlines()[-1]
            msg = f'{name} must have a valid celestial WCS: {reason}'
            raise ParameterError(msg, name) from error
        if not np.all(np.isfinite(numbers)):
            msg = f'{name} must have a celestial WCS with finite values'
            raise ParameterError(msg, name)
        singular = np.linalg.svd(self.wcs.pixel_scale_matrix,
                                 compute_uv=False)
        if not singular[1] > 1e-6 * singular[0]:
            msg = f'{name} must have a celestial WCS that is not singular'
            raise ParameterError(msg, name)
        # beyond longitudes of 180 degrees from the middle pixels go on
        self.wcs.wcs.bounds_check(False, True)
        self.frame = find_frame(self.wcs, name=name)
        self._order = self.wcs.wcs.lng, self.wcs.wcs.lat
        # a polynomial is good around its own reference pixel
        origin = self.wcs.wcs if self.wcs.sip is None else self.wcs.sip
        _, side = self._steps(*origin.crpix[:, None] - 1)
        if np.isnan(side[0]):
            side = [np.linalg.det(
                self.wcs.pixel_scale_matrix[list(self._order)])]
        self._parity = np.sign(side[0])

    def to_angles(self, x, y):
        """
        Longitude and latitude of pixels in the frame of the map.

        Parameters
        ----------
        x, y : array_like
            Pixels.

        Returns
        -------
        lon, lat : `~numpy.ndarray`
            Degrees; NaN for pixels that are nowhere on the sky.
        """
        x, y = np.broadcast_arrays(np.asarray(x, dtype=float),
                                   np.asarray(y, dtype=float))
        pixels = np.column_stack([x.ravel(), y.ravel()])
        world = np.full(pixels.shape, np.nan)
        known = np.isfinite(pixels).all(axis=1)
        if known.any():
            world[known] = self.wcs.all_pix2world(pixels[known], 0)
        lon, lat = (world[:, i].reshape(x.shape) for i in self._order)
        # beyond a pole
        nowhere = ~(np.abs(lat) <= 90)
        return np.where(nowhere, np.nan, lon), np.where(nowhere, np.nan, lat)

    def to_sky(self, x, y):
        """
        Sky coordinates of pixels.

        Parameters
        ----------
        x, y : array_like
            Pixels.

        Returns
        -------
        coordinates : `~astropy.coordinates.SkyCoord`
            In the frame of the map; NaN for pixels that are nowhere.
        """
        return self.frame.coordinates(*self.to_angles(x, y))

    def to_pixels(self, coordinates, shape=None):
        """
        Pixels of sky coordinates.

        Parameters
        ----------
        coordinates : `~astropy.coordinates.SkyCoord`
            Positions in any frame, shape ``(n,)``.
        shape : tuple of int, optional
            ``(ny, nx)``. With it, positions are looked for on the map
            if the projection puts them elsewhere, as 360 degrees away.

        Returns
        -------
        x, y : `~numpy.ndarray`
            Pixels, shape ``(n,)``; NaN for positions that are not
            finite, behind the projection, or where a distortion has no
            solution.

        Raises
        ------
        ValueError
            If the frames cannot be transformed into each other. The
            message starts with ``positions``.
        """
        n = coordinates.size
        if n == 0:
            return np.zeros(0), np.zeros(0)
        lon, lat = self.frame.angles(coordinates.reshape(-1))
        world = np.empty((n, 2))
        world[:, self._order[0]], world[:, self._order[1]] = lon, lat
        pixels = np.full((n, 2), np.nan)
        known = np.isfinite(world).all(axis=1)
        if known.any():
            pixels[known] = self._invert(world[known])
        target = _vectors(lon, lat)
        # what a projection or polynomial has folded onto the map
        pixels[self._miss(pixels, target) > _ROUND_TRIP] = np.nan
        if shape is not None:
            self._search(pixels, target, shape)
        return pixels[:, 0].copy(), pixels[:, 1].copy()

    def _miss(self, pixels, target):
        """
        Distances on the sky of pixels from unit vectors, in pixels.
        """
        there = _vectors(*self.to_angles(*pixels.T))
        miss = np.degrees(np.linalg.norm(there - target, axis=0))
        return np.nan_to_num(
            miss / np.sqrt(proj_plane_pixel_area(self.wcs)), nan=np.inf)

    def _invert(self, world):
        """
        Pixels of world coordinates; NaN where there is no solution.
        """
        try:
            return self.wcs.all_world2pix(world, 0, tolerance=1e-6,
                                          maxiter=50, adaptive=True,
                                          detect_divergence=True)
        except NoConvergence as error:
            # checked by the way back
            return np.array(error.best_solution)

    def _search(self, pixels, target, shape):
        """
        Put positions on the map, in place, if they are on it.

        This goes from the nearest of some points of the map along the
        sky; those that are not near any of them are left alone.
        """
        rows = np.flatnonzero(~on_map(*pixels.T, shape)
                              & np.isfinite(target[0]))
        start = np.column_stack(map_points(shape))
        known = _vectors(*self.to_angles(*start.T))
        scale = np.nanmax(self.axes(*start.T)[0], initial=0)
        distance = np.linalg.norm(
            target[:, rows, None] - np.nan_to_num(known, nan=9)[:, None],
            axis=0)
        near = distance.min(axis=1) < (
            np.radians(scale / 3600) * np.hypot(*shape) / 3)
        rows, nearest = rows[near], distance[near].argmin(axis=1)
        if rows.size == 0:
            return
        found = start[nearest]
        for _ in range(_N_STEPS):
            along_x, along_y = np.radians(np.array(
                self.jacobians(*found.T)) / 3600)
            left = target[:, rows] - _vectors(*self.to_angles(*found.T))
            xx, xy, yy, x, y = ((a * b).sum(axis=0) for a, b in (
                (along_x, along_x), (along_x, along_y), (along_y, along_y),
                (along_x, left), (along_y, left)))
            with np.errstate(all='ignore'):
                found = found + np.column_stack([
                    yy * x - xy * y, xx * y - xy * x]) / (
                        xx * yy - xy ** 2)[:, None]
        good = (on_map(*found.T, shape)
                & (self._miss(found, target[:, rows]) < _ROUND_TRIP))
        pixels[rows[good]] = found[good]

    def jacobians(self, x, y):
        """
        Directions on the sky of the steps by one pixel along x and y.

        Parameters
        ----------
        x, y : array_like
            Pixels, shape ``(n,)``.

        Returns
        -------
        along_x, along_y : `~numpy.ndarray`
            Vectors in space (arcsec), shape ``(3, n)``; NaN for pixels
            that are nowhere on the sky, or where it is mirrored.
        """
        steps, side = self._steps(x, y)
        # beyond a pole, and where a polynomial folds, the sky is mirrored
        good = side * self._parity > 0
        return tuple(np.where(good, step, np.nan) for step in steps)

    def _steps(self, x, y):
        """
        Steps along x and y, and the side of the sky from which they seem
        to go counterclockwise.
        """
        x, y = np.broadcast_arrays(np.asarray(x, dtype=float),
                                   np.asarray(y, dtype=float))
        x, y = x.ravel(), y.ravel()
        middle = _vectors(*self.to_angles(x, y))
        steps = []
        for dx, dy in ((_STEP, 0), (0, _STEP)):
            ahead = _vectors(*self.to_angles(x + dx, y + dy))
            behind = _vectors(*self.to_angles(x - dx, y - dy))
            # one side is enough at the end of a projection
            length = _STEP * np.where(
                np.isnan(ahead[0]) | np.isnan(behind[0]), 1, 2)
            ahead = np.where(np.isnan(ahead), middle, ahead)
            behind = np.where(np.isnan(behind), middle, behind)
            steps.append(np.degrees((ahead - behind) / length) * 3600)
        return steps, (np.cross(*steps, axis=0) * middle).sum(axis=0)

    def axes(self, x, y):
        """
        Axes of the ellipses on the sky that circles of one pixel are.

        Parameters
        ----------
        x, y : array_like
            Pixels, shape ``(n,)``.

        Returns
        -------
        major, minor : `~numpy.ndarray`
            Arcsec, shape ``(n,)``; NaN for pixels that are nowhere.
        """
        along_x, along_y = self.jacobians(x, y)
        xx, yy = (along_x ** 2).sum(axis=0), (along_y ** 2).sum(axis=0)
        xy = (along_x * along_y).sum(axis=0)
        mean = (xx + yy) / 2
        half = np.hypot((xx - yy) / 2, xy)
        return np.sqrt(mean + half), np.sqrt(np.maximum(mean - half, 0))

    def scales(self, x, y, *, near=None):
        """
        Square roots of the solid angles of pixels.

        Parameters
        ----------
        x, y : array_like
            Pixels, shape ``(n,)``.
        near : `~astropy.units.Quantity`, optional
            A size that is taken where that of the pixels differs from
            it by less than 0.01 percent.

        Returns
        -------
        scales : `~astropy.units.Quantity`
            Arcsec, shape ``(n,)``; NaN for pixels that are nowhere.
        """
        major, minor = self.axes(x, y)
        scales = np.sqrt(major * minor)
        if near is not None:
            near = near.to_value(u.arcsec)
            scales = np.where(np.abs(scales / near - 1) < _SAME_SCALE, near,
                              scales)
        return scales * u.arcsec

    def typical_area(self, x, y):
        """
        The solid angle of a pixel that stands for some places.

        Parameters
        ----------
        x, y : array_like
            Pixels, shape ``(n,)``.

        Returns
        -------
        area : `~astropy.units.Quantity`
            That of the reference pixel, if the median of their sizes
            differs by less than 0.01 percent, else that median (deg2);
            NaN if they are nowhere on the sky.
        """
        scales = self.scales(x, y).to_value(u.deg)
        scales = scales[np.isfinite(scales)]
        if not scales.size:
            return np.nan * u.deg ** 2
        nominal = proj_plane_pixel_area(self.wcs)
        median = np.median(scales)
        if abs(median / np.sqrt(nominal) - 1) < _SAME_SCALE:
            return nominal * u.deg ** 2
        return median ** 2 * u.deg ** 2


def _vectors(lon, lat):
    """
    Unit vectors of angles in degrees, shape (3, ...).
    """
    lon, lat = np.radians(lon), np.radians(lat)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon),
                     np.sin(lat)])
