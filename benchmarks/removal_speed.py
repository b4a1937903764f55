# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time of a removal, beside photutils' PSF photometry of the same sources.

Ninety sources on a 1000x1000 map, the case of Fig. 9 of the paper::

    python benchmarks/removal_speed.py
"""

import argparse
import time
import warnings

import numpy as np
from astropy.table import QTable
from photutils.background import LocalBackground
from photutils.psf import ImagePSF, PSFPhotometry

from compact_removal import CompactSourceRemover
from compact_removal.datasets import make_example_field
from compact_removal.instruments import get_band
from compact_removal.psf import make_psf_stamp


def clock(function, n_repeats=3):
    """
    Least time of some calls (s).
    """
    times = []
    for _ in range(n_repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=1000)
    parser.add_argument('--n-sources', type=int, default=90)
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    image, catalog = make_example_field(shape=(args.size, args.size),
                                        n_sources=args.n_sources)
    remover = CompactSourceRemover('scanmap', 'blue')
    start = time.perf_counter()
    remover.remove(image, catalog['sky_center'])
    first = time.perf_counter() - start
    removal = clock(lambda: remover.remove(image, catalog['sky_center']))

    stamp = make_psf_stamp(get_band('scanmap', 'blue'), shape=(61, 61))
    x, y = image.wcs.world_to_pixel(catalog['sky_center'])
    init = QTable({'x_init': x, 'y_init': y})
    photometry = PSFPhotometry(ImagePSF(stamp), (5, 5), aperture_radius=4,
                               local_bkg_estimator=LocalBackground(16, 22))
    fit = clock(lambda: photometry(np.asarray(image.data), init_params=init))
    print(f'{args.n_sources} sources, {args.size}x{args.size} pixels')
    print(f'first removal, with start of the network: {first:.2f} s')
    print(f'removal: {removal:.2f} s')
    print(f'PSFPhotometry, fit 5x5, LocalBackground: {fit:.2f} s')
    print(f'ratio: {removal / fit:.2f}')


if __name__ == '__main__':
    main()
