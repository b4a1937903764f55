# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The simulations of one map: where sources go, and how bright they are.
"""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.utils.exceptions import AstropyUserWarning
from scipy.ndimage import distance_transform_edt

from compact_removal.datasets import (FLUX_LEVELS, inject_sources,
                                      make_source_catalog)
from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.holes import (draw_discs, scale_factor, scale_radii,
                                        source_snr)
from compact_removal.maps.pixels import (check_pixels, map_points,
                                         valid_pixels)
from compact_removal.maps.positions import read_pixels
from compact_removal.maps.units import flux_of_pixel
from compact_removal.psf import make_psf_stamp
from compact_removal.utils.parameters import ParameterError

__all__ = ['Field', 'InjectionPlan', 'InjectionSettings']

# Signal-to-noise ratio (eq. 1) of the lowest and the highest level: where
# sources begin to be seen, and where they are very bright.
_SNR_RANGE = (3.0, 100.0)

# Positions at which the local standard deviation is measured.
_N_PROBES = 200


@dataclass(frozen=True)
class Field:
    """
    A map, and what is in it already.

    Parameters
    ----------
    name : str
        Its name.
    ccd : `~astropy.nddata.CCDData`
        The map.
    positions : SkyCoord, Table or None
        Positions of real sources.
    """

    name: str
    ccd: CCDData
    positions: object


@dataclass(frozen=True)
class InjectionSettings:
    """
    What is injected.

    Parameters
    ----------
    band : Band
        The band.
    psf : Band or PSF object
        The PSF of the sources.
    n_sources : int
        Sources of a simulation, at most.
    levels : int or `~astropy.units.Quantity`
        The fluxes, or how many of them.
    """

    band: object
    psf: object
    n_sources: int
    levels: object


class InjectionPlan:
    """
    The simulations of one map: where sources go, and how bright they are.

    Parameters
    ----------
    field : `Field`
        The map.
    settings : `InjectionSettings`
        What is injected.
    rng : `~numpy.random.Generator`
        Random numbers of all simulations.
    """

    def __init__(self, field, settings, rng):
        self.name, self.ccd = field.name, field.ccd
        self.psf, self.rng = settings.psf, rng
        name, ccd, positions = field.name, field.ccd, field.positions
        band = settings.band
        valid = valid_pixels(ccd.data, ccd.mask)
        grid = SkyGrid(ccd.wcs, name='backgrounds')
        check_pixels(grid, *map_points(ccd.shape, valid), name='backgrounds',
                     what='map')
        pixel = self.pixel_scale = np.sqrt(grid.typical_area(
            *map_points(ccd.shape))).to(u.arcsec)
        scale = scale_factor(band, pixel)
        largest = band.mask_radii[0] * scale
        # apertures stay on valid pixels
        reach = (band.default_aperture / pixel).to_value(
            u.dimensionless_unscaled) + 1
        allowed = distance_transform_edt(np.pad(valid, 1))[
            1:-1, 1:-1] > reach
        if positions is not None and len(positions):
            x, y = read_pixels(positions, wcs=ccd.wcs, shape=ccd.shape)
            known = np.isfinite(x) & np.isfinite(y)
            radii = np.full(known.sum(), largest)
            discs = draw_discs(valid.shape, x[known], y[known], radii)
            if not discs.any():
                warnings.warn(f'catalogs: no position lies on map {name!r}',
                              AstropyUserWarning)
            allowed &= discs == 0
        if not allowed.any():
            msg = (f'backgrounds: map {name!r} has no room for sources '
                   f'beside gaps, edges and the real sources of catalogs')
            raise ParameterError(msg, 'backgrounds')
        # not more than have room side by side
        room = max(1, int(allowed.sum() / (np.pi * reach ** 2)))
        self.n_sources = min(settings.n_sources, room)
        self.separation = min(2 * largest,
                              0.5 * np.sqrt(allowed.sum() / self.n_sources))
        self.avoid = ccd.copy()
        self.avoid.mask = ~allowed
        self.levels = self._levels(settings.levels, band, valid)

    def simulate(self, level):
        """
        Make a map with sources of one flux, or of all levels.

        Parameters
        ----------
        level : `~astropy.units.Quantity` or None
            The flux; `None`: sources of all levels, in random
            orientations.

        Returns
        -------
        image : `~astropy.nddata.CCDData`
            The map with the sources.
        catalog : `~astropy.table.QTable`
            The sources.
        """
        while True:
            try:
                catalog = make_source_catalog(
                    self.avoid, self.n_sources,
                    self.levels[0] if level is None else level,
                    seed=self.rng, min_separation=self.separation)
                break
            except ValueError:
                if self.n_sources == 1:
                    raise
                self.n_sources = max(1, int(0.8 * self.n_sources))
        angle = None
        if level is None:
            n = len(catalog)
            order = self.rng.permutation(np.arange(n) % len(self.levels))
            catalog['flux'] = self.levels[order]
            angle = self.rng.uniform(0, 360, n) * u.deg
        image = inject_sources(self.ccd, catalog, self.psf, seed=self.rng,
                               position_angle=angle)
        return image, catalog

    def _levels(self, levels, band, valid):
        """
        The fluxes to inject (mJy).
        """
        if isinstance(levels, u.Quantity):
            values = np.unique(levels.to_value(u.mJy))
            if values.size == 0 or not values[0] > 0:
                msg = f'flux_levels must be positive, got {levels}'
                raise ParameterError(msg, 'flux_levels')
            return values * u.mJy
        if (not isinstance(levels, (int, np.integer))
                or isinstance(levels, bool) or levels < 1):
            msg = ('flux_levels must be a positive number of levels or '
                   f'fluxes with a unit, got {levels!r}')
            raise ParameterError(msg, 'flux_levels')
        rows, columns = np.nonzero(~self.avoid.mask)
        chosen = np.random.default_rng(0).integers(rows.size, size=_N_PROBES)
        circle, annulus = scale_radii(band, self.pixel_scale)
        _, _, std = source_snr(
            self.ccd.data, columns[chosen], rows[chosen],
            source_radius=circle, annulus_radii=annulus,
            mask=~valid)
        peak = _peak(self.ccd, self.psf, self.pixel_scale)
        low, high = np.nanmedian(std) / peak * np.array(_SNR_RANGE)
        if not 0 < low < np.inf:
            msg = (f'flux_levels must be given for map {self.name!r}, which '
                   f'has no local variation to choose them by')
            raise ParameterError(msg, 'flux_levels')
        return _choose_levels(low, high, int(levels)) * u.mJy


def _choose_levels(low, high, n_levels):
    """
    Fluxes (mJy) spread evenly in logarithm, of Table 1 if it has enough.
    """
    wanted = np.geomspace(low, high, n_levels)
    table = FLUX_LEVELS.to_value(u.mJy)
    table = table[(table > 0.7 * low) & (table < 1.4 * high)]
    if (table.size < n_levels or table[0] > 1.5 * low
            or table[-1] < high / 1.5):
        # two digits
        power = 10 ** (np.floor(np.log10(wanted)) - 1)
        return np.unique(np.round(wanted / power) * power)
    left = list(table)
    chosen = [left.pop(np.abs(np.log(left) - np.log(flux)).argmin())
              for flux in wanted]
    return np.sort(chosen)


def _peak(ccd, psf, pixel_scale):
    """
    Peak, in the unit of the map, of a source of 1 mJy.
    """
    pixel_flux, unit = flux_of_pixel(ccd, pixel_scale ** 2,
                                     name='backgrounds')
    stamp = make_psf_stamp(psf, pixel_scale=pixel_scale, shape=(5, 5))
    return (1 * u.mJy).to_value(unit) / pixel_flux * stamp.max()
