# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Slopes of spectra beside those of TurbuStat and powerbox.

On fields of known slope, with and without gaps::

    pip install turbustat powerbox
    python benchmarks/spectra.py

Prints mean and standard deviation of the slope over fields, and the time
over that of this package.
"""

import time
import warnings

import astropy.units as u
import numpy as np
from astropy.io import fits

from compact_removal.datasets import make_background
from compact_removal.metrics import (delta_variance, fit_power_law,
                                     power_spectrum)

N_FIELDS = 12
SHAPE = (256, 300)
LIMITS = (0.01, 0.45)


def make_field(slope, seed, *, gaps):
    """
    A field of a slope, with a strip, a block and pixels left out.
    """
    field = make_background(SHAPE, kind='cirrus', slope=slope, fwhm=0,
                            noise=0, seed=seed)
    if gaps:
        field[100:130, 50:100] = np.nan
        field[:, :20] = np.nan
        field[np.random.default_rng(seed).random(SHAPE) < 0.01] = np.nan
    return field


def own_spectrum(field):
    """
    The slope by this package.
    """
    limits = u.Quantity(LIMITS) / u.pix
    return -fit_power_law(power_spectrum(field), limits=limits).index


def own_delta_variance(field):
    """
    The slope by the delta-variance of this package.
    """
    return 2 + fit_power_law(delta_variance(field)).index


def header():
    """
    What TurbuStat wants to know of a map.
    """
    return fits.Header({'NAXIS': 2, 'NAXIS1': SHAPE[1], 'NAXIS2': SHAPE[0],
                        'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
                        'CDELT1': -1e-3, 'CDELT2': 1e-3, 'CRVAL1': 0.0,
                        'CRVAL2': 0.0, 'CRPIX1': 1.0, 'CRPIX2': 1.0,
                        'CUNIT1': 'deg', 'CUNIT2': 'deg'})


def turbustat_spectrum(field):
    """
    The slope by TurbuStat, apodised.
    """
    from turbustat.statistics import PowerSpectrum

    # TurbuStat 1.3 fails with NumPy 2 otherwise
    np.NaN = np.nan  # noqa: NPY201
    spectrum = PowerSpectrum(field - np.nanmean(field), header=header())
    spectrum.run(apodize_kernel='tukey', alpha=0.2, fit_2D=False,
                 low_cut=LIMITS[0] / u.pix, high_cut=LIMITS[1] / u.pix)
    return -spectrum.slope


def turbustat_delta_variance(field):
    """
    The slope by the delta-variance of TurbuStat.
    """
    from turbustat.statistics import DeltaVariance

    variance = DeltaVariance(field - np.nanmean(field), header=header())
    variance.run(boundary='fill', nan_treatment='interpolate',
                 xlow=3 * u.pix, xhigh=64 * u.pix)
    return 2 + variance.slope


def powerbox_spectrum(field):
    """
    The slope by powerbox, of the field times a window.
    """
    from powerbox import get_power

    window = np.outer(np.hanning(SHAPE[0]), np.hanning(SHAPE[1]))
    values = window * (np.nan_to_num(field - np.nanmean(field)))
    # angular frequencies
    edges = 2 * np.pi * np.geomspace(*LIMITS, 25)
    found = get_power(values, list(map(float, SHAPE)), bins=edges,
                      ignore_zero_mode=True)
    some = np.isfinite(found.power) & (found.power > 0)
    return -np.polyfit(np.log(found.bin_avg[some]),
                       np.log(found.power[some]), 1)[0]


METHODS = {'power spectrum': own_spectrum,
           'TurbuStat spectrum': turbustat_spectrum,
           'powerbox spectrum': powerbox_spectrum,
           'delta-variance': own_delta_variance,
           'TurbuStat delta-var.': turbustat_delta_variance}


def main():
    """
    Print the table.
    """
    warnings.simplefilter('ignore')
    cases = [(slope, gaps) for slope in (2.0, 3.0, 3.6)
             for gaps in (False, True)]
    print(f'{"slope":22s}' + ''.join(
        f'{slope:g}{" gaps" if gaps else "":6s}'.rjust(15)
        for slope, gaps in cases) + '   time')
    unit = {}
    for name, method in METHODS.items():
        cells, seconds = [], 0.0
        for slope, gaps in cases:
            slopes = []
            for seed in range(N_FIELDS):
                field = make_field(slope, seed, gaps=gaps)
                start = time.perf_counter()
                slopes.append(method(field))
                seconds += time.perf_counter() - start
            cells.append(f'{np.mean(slopes):6.3f} +- {np.std(slopes):5.3f}')
        own = unit.setdefault('delta' in name, seconds)
        print(f'{name:22s}' + ''.join(f'{cell:>15s}' for cell in cells)
              + f'{seconds / own:7.1f}', flush=True)


if __name__ == '__main__':
    main()
