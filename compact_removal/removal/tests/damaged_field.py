# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The example field, and ways to damage it, for tests.
"""

from dataclasses import replace

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.wcs import WCS

from compact_removal import CompactSourceRemover, decode_flags
from compact_removal.datasets import make_example_field
from compact_removal.instruments import get_band
from compact_removal.psf import as_psf

__all__ = ['ALARMS', 'DamagedField', 'flags_of', 'pulls']

# What says that a number is not to be trusted.
ALARMS = {'poor_fit', 'sharp', 'extended', 'saturated'}


class DamagedField:
    """
    The example field: background, and sources that are put on it.

    Parameters
    ----------
    band : str
        Band of the scan map mode.
    n_sources, seed
        See `make_example_field`.
    pixel_scale : `~astropy.units.Quantity`, optional
        Other pixels than the usual ones.
    """

    def __init__(self, *, band='blue', n_sources=4, seed=1,
                 pixel_scale=None):
        nominal = get_band('scanmap', band)
        used = nominal if pixel_scale is None else replace(
            nominal, pixel_scale=pixel_scale)
        self.band = band
        self.ccd, catalog, background = make_example_field(
            shape=(128, 128), n_sources=n_sources, seed=seed,
            band=nominal, return_background=True)
        self.scale = used.pixel_scale.to_value(u.arcsec)
        self.psf = as_psf(nominal)
        self.fwhm = nominal.psf.fwhm / self.scale
        self.x, self.y = (np.array(catalog[name]) for name in
                          ('x_center', 'y_center'))
        self.flux = catalog['flux'].to_value('Jy')
        self.background = background.data
        self.data = self.ccd.data
        if pixel_scale is not None:
            # the same background, seen with smaller pixels
            from scipy.ndimage import zoom

            factor = float(nominal.pixel_scale / pixel_scale)
            self.background = zoom(background.data / factor ** 2, factor,
                                   order=3)
            self.x, self.y = ((value + 0.5) * factor - 0.5
                              for value in (self.x, self.y))
            self.data = self.background + sum(map(
                self.light, self.x, self.y, self.flux))
            wcs = WCS(naxis=2)
            wcs.wcs.ctype = self.ccd.wcs.wcs.ctype
            wcs.wcs.crval = self.ccd.wcs.wcs.crval
            wcs.wcs.crpix = (np.array(self.data.shape[::-1]) + 1) / 2
            wcs.wcs.cdelt = [-self.scale / 3600, self.scale / 3600]
            self.ccd = CCDData(self.data, unit='Jy/pix', wcs=wcs)
        self.catalog = self.ccd.wcs.pixel_to_world(self.x, self.y)
        self.brightest = int(self.flux.argmax()) if n_sources else None

    def radius(self, row):
        """
        Distance of all pixels from a source (pixels).
        """
        rows, columns = np.indices(self.data.shape)
        return np.hypot(columns - self.x[row], rows - self.y[row])

    def light(self, x, y, flux, width=1.0):
        """
        Light of a source of the nominal PSF, or a stretched one.
        """
        rows, columns = np.indices(self.background.shape)
        return flux * (self.scale / width) ** 2 * self.psf.evaluate(
            (columns - x) * self.scale / width,
            (rows - y) * self.scale / width)

    def damage(self, row, dx, dy, light):
        """
        The map with a hot pixel so many pixels from that of a source.
        """
        data = self.data.copy()
        data[round(self.y[row]) + dy, round(self.x[row]) + dx] += light
        return data

    def clip(self, row, level):
        """
        The map with the core of a source cut off at a part of its peak.
        """
        core = self.radius(row) < 2 * self.fwhm
        data = self.data.copy()
        base = np.median(data[core])
        data[core] = np.minimum(
            data[core], base + level * (data[core].max() - base))
        return data

    def remove(self, data=None, *, mask=None, x=None, y=None,
               uncertainty=None, network='separation', **parameters):
        """
        Remove the sources, or those at other positions; the map must
        come out as it was.
        """
        data = self.data if data is None else data
        ccd = CCDData(data.copy(), unit='Jy/pix', wcs=self.ccd.wcs,
                      mask=None if mask is None else mask.copy(),
                      uncertainty=uncertainty)
        positions = self.catalog if x is None else (
            self.ccd.wcs.pixel_to_world(x, y))
        result = CompactSourceRemover(
            'scanmap', self.band, network=network, **parameters).remove(
                ccd, positions)
        np.testing.assert_array_equal(ccd.data, data)
        assert mask is None or np.array_equal(ccd.mask, mask)
        return result

    def remove_part(self, rows, columns, *, cut):
        """
        Sources of a part of the map, beyond which nothing is known, or
        nothing is.
        """
        if cut:
            return CompactSourceRemover('scanmap', self.band).remove(
                self.ccd[rows, columns], self.catalog).sources
        data = np.full_like(self.data, np.nan)
        data[rows, columns] = self.data[rows, columns]
        return self.remove(data).sources


def pulls(field, sources, name='flux'):
    """
    Errors of fluxes over predicted errors.
    """
    return ((sources[name].to_value('Jy') - field.flux)
            / sources[f'{name}_err'].to_value('Jy'))


def flags_of(sources, row):
    """
    Names of the flags of a source.
    """
    return set(decode_flags(int(sources['flags'][row])))
