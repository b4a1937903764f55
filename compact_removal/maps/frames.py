# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Celestial frames of maps: from the axes of a WCS to astropy and back.
"""

from dataclasses import dataclass

import numpy as np
from astropy.coordinates import (FK4, FK5, ICRS, BarycentricMeanEcliptic,
                                 BaseCoordinateFrame, CartesianRepresentation,
                                 FK4NoETerms, Galactic, SkyCoord,
                                 Supergalactic, UnitSphericalRepresentation)
from astropy.time import Time

from compact_removal.utils.parameters import ParameterError
from compact_removal.utils.text import one_line

__all__ = ['SkyFrame', 'find_frame']

# What a transformation between frames may raise; the last two where the
# orientation of the Earth is not known at the time.
_FAILURES = (AttributeError, TypeError, ValueError, LookupError, OSError)


@dataclass(frozen=True)
class SkyFrame:
    """
    The frame of the celestial axes of a map.

    Parameters
    ----------
    frame : `~astropy.coordinates.BaseCoordinateFrame`
        A frame of astropy.
    matrix : `~numpy.ndarray` or None
        Rotation from its axes to those of the map, shape ``(3, 3)``.

    Examples
    --------
    >>> from astropy.coordinates import Galactic, SkyCoord
    >>> from compact_removal.maps.frames import SkyFrame
    >>> frame = SkyFrame(Galactic())
    >>> print(frame.angles(SkyCoord(l=10, b=20, frame='galactic',
    ...                             unit='deg')))
    [10. 20.]
    """

    frame: BaseCoordinateFrame
    matrix: np.ndarray | None = None

    def angles(self, coordinates):
        """
        Longitude and latitude of sky coordinates in this frame.

        Parameters
        ----------
        coordinates : `~astropy.coordinates.SkyCoord`
            In any frame; velocities have no influence.

        Returns
        -------
        angles : `~numpy.ndarray`
            Degrees, shape ``(2, ...)``.

        Raises
        ------
        ValueError
            If the frames cannot be transformed into each other. The
            message starts with ``positions``.
        """
        frame = coordinates.frame
        try:
            # velocities would need a distance
            frame = frame.realize_frame(frame.data.without_differentials())
            points = frame.transform_to(self.frame).represent_as(
                UnitSphericalRepresentation)
        except _FAILURES as error:
            msg = (f'positions must be in a frame that can be transformed to '
                   f'that of the map, got {frame.name!r}: {one_line(error)}')
            raise ParameterError(msg, 'positions') from error
        if self.matrix is not None:
            points = points.represent_as(CartesianRepresentation).transform(
                self.matrix).represent_as(UnitSphericalRepresentation)
        return np.array([points.lon.deg, points.lat.deg])

    def coordinates(self, lon, lat):
        """
        Sky coordinates of longitude and latitude in this frame.

        Parameters
        ----------
        lon, lat : array_like
            Degrees.

        Returns
        -------
        coordinates : `~astropy.coordinates.SkyCoord`
            In ``frame``.
        """
        points = SkyCoord(lon, lat, unit='deg').data
        points = points.represent_as(UnitSphericalRepresentation)
        if self.matrix is not None:
            points = points.represent_as(CartesianRepresentation).transform(
                self.matrix.T).represent_as(UnitSphericalRepresentation)
        return SkyCoord(self.frame.realize_frame(points))


def find_frame(wcs, *, name='image'):
    """
    Find the frame of the celestial axes of a WCS.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        A WCS with celestial axes alone.
    name : str, optional
        What messages call the map.

    Returns
    -------
    frame : `SkyFrame`
        Equatorial (ICRS, FK5, FK4), Galactic, supergalactic, or
        ecliptic: that of the mean equinox ``EQUINOX``, without
        aberration.

    Raises
    ------
    ValueError
        If astropy cannot transform positions to it. The message starts
        with ``name`` and has the names of the axes.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from compact_removal.maps.frames import find_frame
    >>> wcs = WCS({'CTYPE1': 'ELON-TAN', 'CTYPE2': 'ELAT-TAN'})
    >>> find_frame(wcs).frame.name
    'barycentricmeanecliptic'
    """
    kind = wcs.wcs.lngtyp.strip(), wcs.wcs.lattyp.strip()
    try:
        if kind == ('GLON', 'GLAT'):
            return SkyFrame(Galactic())
        if kind == ('SLON', 'SLAT'):
            return SkyFrame(Supergalactic())
        if kind == ('ELON', 'ELAT'):
            return _ecliptic(wcs.wcs)
        if kind == ('RA', 'DEC'):
            return SkyFrame(_equatorial(wcs.wcs))
        reason = ''
    except ValueError as error:
        reason = (f' with RADESYS {wcs.wcs.radesys!r} and EQUINOX '
                  f'{wcs.wcs.equinox:g} ({one_line(error)})')
    axes = ' and '.join(repr(axis) for axis in wcs.wcs.ctype)
    msg = (f'{name} must have celestial axes that can be transformed to ICRS, '
           f'got {axes}{reason}; RA and DEC, GLON and GLAT, ELON and ELAT, '
           'SLON and SLAT are allowed')
    raise ParameterError(msg, name)


def _year(cards, default):
    """
    The equinox of a WCS, where it has one.
    """
    # what is undefined may be NaN or a huge number
    return cards.equinox if abs(cards.equinox) < 1e5 else default


def _equatorial(cards):
    """
    The frame of right ascension and declination.
    """
    system, year = cards.radesys.strip().upper(), _year(cards, np.nan)
    if not system:
        system = ('ICRS' if np.isnan(year) else 'FK4' if year < 1984
                  else 'FK5')
    if system == 'ICRS':
        return ICRS()
    if system == 'FK5':
        return FK5(equinox=Time(_year(cards, 2000.0), format='jyear'))
    if system in ('FK4', 'FK4-NO-E'):
        kind = FK4 if system == 'FK4' else FK4NoETerms
        return kind(equinox=Time(_year(cards, 1950.0), format='byear'))
    msg = 'RADESYS is not known'
    raise ValueError(msg)


def _ecliptic(cards):
    """
    The ecliptic of the mean equinox; that of FK4 is turned from its equator.
    """
    frame = _equatorial(cards)
    if isinstance(frame, (ICRS, FK5)):
        equinox = Time(_year(cards, 2000.0), format='jyear')
        return SkyFrame(BarycentricMeanEcliptic(equinox=equinox))
    # Newcomb's obliquity
    centuries = (frame.equinox.byear - 1900) / 100
    angle = np.radians(23.452294 - 0.0130125 * centuries)
    cos, sin = np.cos(angle), np.sin(angle)
    return SkyFrame(frame, np.array([[1, 0, 0], [0, cos, sin],
                                     [0, -sin, cos]]))
