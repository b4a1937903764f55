# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
How far a source changes the map: its hole, the soft edge, its wings.
"""

from dataclasses import dataclass

import numpy as np

from compact_removal.fitting.models import SourceModels
from compact_removal.maps.holes import scale_factor
from compact_removal.removal.records import Record

__all__ = ['Reach', 'hole_taper']

# Soft edge of the holes, in nominal pixels.
_TAPER = 3.0

# Wings are taken out as far as they reach this part of the standard
# deviation of the background.
_FAINTEST_WING = 0.1


def hole_taper(band, pixel_scale):
    """
    Compute the width of the soft edge of holes.

    Parameters
    ----------
    band : Band
        The band.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels of the map (angle).

    Returns
    -------
    taper : float
        In pixels of the map.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.removal.reach import hole_taper
    >>> hole_taper(get_band('scanmap', 'blue'), 1.6 * u.arcsec)
    3.0
    """
    return _TAPER * scale_factor(band, pixel_scale)


@dataclass(frozen=True)
class Reach(Record):
    """
    How far the sources of a map change it.

    Parameters
    ----------
    models : `~compact_removal.fitting.SourceModels`
        The sources, at least one.
    radius : `~numpy.ndarray`
        Radii of their holes (pixels), shape ``(m,)``.
    taper : float
        Width of the soft edge (pixels).
    aperture : float
        Radius of the largest aperture (pixels).
    removes_wings : bool
        Whether wings beyond the holes are taken out.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourceModels, SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.removal.reach import Reach
    >>> band, one = get_band('scanmap', 'blue'), np.ones(1)
    >>> models = SourceModels(one, one, 1e4 * one, np.zeros((1, 5)),
    ...                       SourcePSF(band, band.pixel_scale), one)
    >>> holes = Reach(models, 9 * one, 3.0, 4.0, removes_wings=False)
    >>> wings = Reach(models, 9 * one, 3.0, 4.0, removes_wings=True)
    >>> print(holes.footprint(one), wings.footprint(one).round())
    [9.] [32.]
    """

    models: SourceModels
    radius: np.ndarray
    taper: float
    aperture: float
    removes_wings: bool

    @property
    def furthest(self):
        """
        Largest radius that any source can change (pixels).
        """
        furthest = self.radius.max()
        if self.removes_wings:
            furthest = max(furthest, self.models.psf.reach, self.aperture)
        return furthest

    def footprint(self, std):
        """
        Compute the radii within which sources change the map.

        Parameters
        ----------
        std : `~numpy.ndarray`
            Standard deviation of the background around the sources,
            shape ``(m,)``; where it is not positive, that of their
            models is taken.

        Returns
        -------
        footprint : `~numpy.ndarray`
            Radii without the soft edge (pixels), shape ``(m,)``.
        """
        if not self.removes_wings:
            return self.radius
        models = self.models
        std = np.where(std > 0, std, models.noise)
        wing = models.psf.radius_of(np.abs(models.flux),
                                    _FAINTEST_WING * std)
        return np.maximum(np.maximum(wing, self.aperture), self.radius)

    def concerns(self, distance, radius):
        """
        Find the sources that matter to a part of the map.

        They change it, or what is summed in apertures that begin in it.

        Parameters
        ----------
        distance : `~numpy.ndarray`
            Distance of the sources from the part (pixels), shape
            ``(m,)``.
        radius : float or `~numpy.ndarray`
            How far they change the map, without the soft edge (pixels).

        Returns
        -------
        concerned : `~numpy.ndarray` of bool
            Shape ``(m,)``.
        """
        return distance <= radius + self.taper + self.aperture + 2
