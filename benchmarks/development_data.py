# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Maps and PSFs that no network was trained on, for the benchmarks.
"""

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS
from scipy.ndimage import binary_dilation

from compact_removal.datasets import make_source_positions
from compact_removal.instruments import get_band
from compact_removal.maps import draw_discs
from compact_removal.psf import StampPSF, as_psf

# Real maps kept out of the training; see docs/examples.
HELD_OUT = ('W5_WISE12um_10.8as.fits', 'GC_Bolocam1.1mm_7.2as.fits',
            'GLIMPSE_IRAC8um_51as_Npix304.fits', 'OMC_SCUBA2_850um_4as.fits',
            'NGC5705field_SPIRE250_6as.fits.gz')

# Stamps of Vesta: file, and size of its pixels (arcsec).
VESTA = {'blue': ('herschel-pacs70-vesta.fits', 1.2),
         'green': ('herschel-pacs100-vesta.fits', 1.2),
         'red': ('herschel-pacs160-vesta.fits', 2.4)}

# Up to this share of the radius of a stamp, its light is trusted.
TRUSTED = 0.8

# Standard deviation of the noise of simulated fields over that of their
# structure.
NOISE = {'simulated': (0.005, 0.5), 'noisy': (0.5, 2.0)}

DISTANCE = 36  # of all positions from each other (pixels)


def load_vesta(folder, band, *, broadening=1.0, elongation=1.0):
    """
    The PSF of Vesta in a band, from the folder of the data.

    The stamp was cut and does not tell what share of the flux it holds:
    that is taken from the PSF of the band, which follows the table of
    encircled energies.

    Parameters
    ----------
    folder : `~pathlib.Path`
        The data.
    band : str
        Name of the band.
    broadening, elongation : float, optional
        Factors on the width, and on the ratio of the widths.

    Returns
    -------
    psf : StampPSF
        The stamp; the wings outside are missing.
    """
    name, scale = VESTA[band]
    data = fits.getdata(folder / 'psf' / name).astype(float)
    stamp = StampPSF(np.nan_to_num(np.squeeze(data)), scale * u.arcsec)
    stamp = stamp.vary(broadening=broadening, elongation=elongation)
    radius = TRUSTED * stamp_radius(stamp)
    # Vesta was observed in scan maps
    inside = as_psf(get_band('scanmap', band)).encircled_energy(
        [radius / broadening])
    fraction = float(inside[0] / stamp.encircled_energy([radius])[0])
    return StampPSF(stamp.data, scale * u.arcsec, fraction=fraction,
                    center=stamp.center)


def stamp_radius(stamp):
    """
    Radius of the largest circle around the centre of a stamp (arcsec).
    """
    middle = np.array(stamp.center)
    sides = np.append(middle, np.array(stamp.data.shape[::-1]) - 1 - middle)
    return sides.min() * stamp.pixel_scale


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


def pixels_to_avoid(entry):
    """
    Pixels of a real map near gaps and near its own compact sources.
    """
    avoid = ~np.isfinite(entry.data)
    columns, rows = entry.positions.astype(int).T
    avoid[rows, columns] = True
    return binary_dilation(avoid, iterations=15)


def draw_positions(shape, n_sources, avoid, rng):
    """
    Random positions apart from each other, fewer where there is no room.
    """
    while True:
        try:
            return make_source_positions(
                shape, n_sources, min_separation=DISTANCE, mask=avoid,
                border=24, seed=rng)
        except ValueError:
            n_sources = int(0.8 * n_sources)


def find_empty(truth, avoid, scene, seed):
    """
    Random positions away from the sources, as many as find room.
    """
    mask = draw_discs(truth.shape, scene.x, scene.y,
                      np.full(scene.x.size, DISTANCE)) > 0
    mask |= ~np.isfinite(truth) if avoid is None else avoid
    for n_positions in (40, 32, 24, 16, 8):
        try:
            return make_source_positions(
                truth.shape, n_positions, min_separation=DISTANCE, mask=mask,
                border=24, seed=np.random.default_rng([seed, 1]))
        except ValueError:
            continue
    return np.zeros((2, 0))
