# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Maps and PSFs that no network was trained on, for the benchmarks.
"""

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS

from compact_removal.psf import StampPSF

# Real maps kept out of the training; see docs/examples.
HELD_OUT = ('W5_WISE12um_10.8as.fits', 'GC_Bolocam1.1mm_7.2as.fits',
            'GLIMPSE_IRAC8um_51as_Npix304.fits', 'OMC_SCUBA2_850um_4as.fits',
            'NGC5705field_SPIRE250_6as.fits.gz')

# Stamps of Vesta: file, pixel size (arcsec), share of the flux.
VESTA = {'blue': ('herschel-pacs70-vesta.fits', 1.2, 0.92),
         'green': ('herschel-pacs100-vesta.fits', 1.2, 0.92),
         'red': ('herschel-pacs160-vesta.fits', 2.4, 0.9)}


def load_vesta(folder, band):
    """
    The PSF of Vesta in a band, from the folder of the data.
    """
    name, scale, fraction = VESTA[band]
    data = fits.getdata(folder / 'psf' / name).astype(float)
    return StampPSF(np.nan_to_num(np.squeeze(data)), scale * u.arcsec,
                    fraction=fraction)


def as_ccd(data, band):
    """
    A map of surface brightness on a tangential WCS.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crval = 83.8, -5.4
    wcs.wcs.crpix = (data.shape[1] + 1) / 2, (data.shape[0] + 1) / 2
    scale = band.pixel_scale.to_value(u.deg)
    wcs.wcs.cdelt = -scale, scale
    return CCDData(data, unit='Jy/pix', wcs=wcs, mask=~np.isfinite(data))
