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
from compact_removal.maps.pixels import on_map
from compact_removal.utils.parameters import ParameterError

__all__ = ['SkyGrid', 'check_pixels', 'map_points']

# Largest ratio of the axes of a pixel on the sky, and largest deviation
# of its size from that of the pixels of the other sources.
_MAX_AXIS_RATIO = 1.05
_MAX_DEVIATION = 0.05

# Half of the step of finite differences (pixels): about a beam, so that
# kinks of lookup tables count as the sum over a source sees them.
_STEP = 2.0

# Positions that do not come back to themselves within this part of a
# pixel are not on the map.
_ROUND_TRIP = 0.02

# Cylindrical projections: pixels repeat after 360 degrees of longitude.
_CYLINDRICAL = ('CAR', 'CEA', 'MER', 'CYP')

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
    ...                     'CDELT1': -0.5, 'CDELT2': 0.5}))
    >>> major, minor = grid.axes([0, 0], [0, 120])
    >>> print(major.round(1), minor.round(1))
    [1800. 1800.] [1800.  900.]
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
        self._period = self._find_period()

    def _find_period(self):
        """
        Pixels (x, y) after which a cylindrical map repeats, or None.
        """
        wcs = self.wcs
        code = wcs.wcs.ctype[0].split('-SIP')[0][-3:]
        distorted = any(part is not None for part in (
            wcs.sip, wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2))
        if code not in _CYLINDRICAL or distorted:
            return None
        circle = np.zeros(2)
        circle[self._order[0]] = 360.0
        if code == 'CYP':
            values = [value for axis, number, value in wcs.wcs.get_pv()
                      if axis == wcs.wcs.lat + 1 and number == 2]
            circle *= values[0] if values else 1.0
        return np.linalg.solve(wcs.pixel_scale_matrix, circle)

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
        return lon, lat

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
            ``(ny, nx)``. With it, positions 360 degrees away in a
            cylindrical projection are looked for on the map.

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
        x, y = pixels.T
        if shape is not None and self._period is not None:
            x, y = self._find_repeated(x, y, shape)
        # what a projection or polynomial has folded onto the map
        there = _vectors(*self.to_angles(x, y))
        miss = np.linalg.norm(there - _vectors(lon, lat), axis=0)
        size = np.abs(np.linalg.det(self.wcs.pixel_scale_matrix)) ** 0.5
        with np.errstate(invalid='ignore'):
            lost = ~(miss < _ROUND_TRIP * np.radians(size))
        return np.where(lost, np.nan, x), np.where(lost, np.nan, y)

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

    def _find_repeated(self, x, y, shape):
        """
        Positions, moved by a period where that puts them on the map.
        """
        for sign in (1, -1):
            other_x = x + sign * self._period[0]
            other_y = y + sign * self._period[1]
            better = (on_map(other_x, other_y, shape)
                      & ~on_map(x, y, shape))
            x, y = np.where(better, other_x, x), np.where(better, other_y, y)
        return x, y

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
            that are nowhere on the sky.
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
            step = np.degrees((ahead - behind) / length) * 3600
            steps.append(np.where(np.any(step != 0, axis=0), step, np.nan))
        return tuple(steps)

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


def check_pixels(grid, x, y, *, name='image', what='sources'):
    """
    Refuse pixels that are not squares of one size on the sky.

    Holes, apertures and the PSF are the same, in pixels, for all
    sources of a map, and circles; on other pixels they would be
    ellipses on the sky, or too small or large.

    Parameters
    ----------
    grid : `SkyGrid`
        The map.
    x, y : array_like
        Where it matters (pixels), shape ``(n,)``.
    name : str, optional
        What messages call the map.
    what : str, optional
        What messages call the places.

    Raises
    ------
    ValueError
        If pixels are elongated or skewed by more than 5 percent
        anywhere, or their sizes differ by more than 5 percent from
        their median. The message starts with ``name``.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from compact_removal.maps.geometry import SkyGrid, check_pixels
    >>> grid = SkyGrid(WCS({'CTYPE1': 'RA---CAR', 'CTYPE2': 'DEC--CAR',
    ...                     'CDELT1': -0.001, 'CDELT2': 0.001}))
    >>> check_pixels(grid, [5, 8], [30, 9000])
    """
    x, y = np.atleast_1d(x), np.atleast_1d(y)
    if not x.size:
        return
    advice = ('reproject the map to a tangential projection (TAN) around '
              f'the {what}')
    major, minor = grid.axes(x, y)
    with np.errstate(invalid='ignore', divide='ignore'):
        ratio = np.nan_to_num(major / minor, nan=np.inf)
    worst = ratio.argmax()
    if ratio[worst] > _MAX_AXIS_RATIO:
        msg = (f'{name} must have square pixels (within '
               f'{_MAX_AXIS_RATIO - 1:.0%}), got axes of {major[worst]:.4g} '
               f'and {minor[worst]:.4g} arcsec at x = {x[worst]:.1f}, y = '
               f'{y[worst]:.1f}; {advice}')
        raise ParameterError(msg, name)
    scales = np.sqrt(major * minor)
    median = np.median(scales)
    deviation = np.abs(scales / median - 1)
    worst = deviation.argmax()
    if deviation[worst] > _MAX_DEVIATION:
        msg = (f'{name} must have pixels of one size around all {what} '
               f'(within {_MAX_DEVIATION:.0%}), got {median:.4g} arcsec in '
               f'the median and {scales[worst]:.4g} arcsec at x = '
               f'{x[worst]:.1f}, y = {y[worst]:.1f}; {advice}, or process '
               'parts of the map by themselves')
        raise ParameterError(msg, name)


def map_points(shape, valid=None):
    """
    Choose places that stand for a whole map.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    valid : `~numpy.ndarray` of bool, optional
        Pixels that count, of that shape. Default: all.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Pixels; the first is the middle of the map if all pixels count.

    Examples
    --------
    >>> from compact_removal.maps.geometry import map_points
    >>> x, y = map_points((50, 80))
    >>> x.size, float(x[0]), float(y[0])
    (9, 39.5, 24.5)
    """
    if valid is None:
        place = np.array([0.5, 1 / 6, 5 / 6])
        y, x = np.meshgrid(place * shape[0] - 0.5, place * shape[1] - 0.5,
                           indexing='ij')
        return x.ravel(), y.ravel()
    rows, columns = np.nonzero(valid)
    if rows.size == 0:
        return map_points(shape)
    chosen = [order[np.linspace(0, rows.size - 1, 12).astype(int)]
              for order in (np.arange(rows.size), columns.argsort(
                  kind='stable'))]
    chosen = np.unique(np.concatenate(chosen))
    return columns[chosen].astype(float), rows[chosen].astype(float)


def _vectors(lon, lat):
    """
    Unit vectors of angles in degrees, shape (3, ...).
    """
    lon, lat = np.radians(lon), np.radians(lat)
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon),
                     np.sin(lat)])
