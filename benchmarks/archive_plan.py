# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the whole archive would take: seconds and memory per map.

Writes files like those of the archive (gzipped, double precision, with
coverage and error) in three sizes, removes 7 sources from each with one
process of one thread, file to file, and scales the times up to the
catalogue of the paper (HPPSC)::

    python benchmarks/archive_plan.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import QTable
from process_memory import memory, reset_peak

from compact_removal import CompactSourceRemover, nn, remove_many
from compact_removal.datasets import make_example_field

# The Herschel/PACS Point Source Catalogue: sources, and maps that they
# were found in (35,000 observations in two bands), in round numbers.
N_SOURCES, N_MAPS = 490_000, 70_000

# Mean size of a map in millions of pixels that the plan assumes: half of
# the pixels of most maps were never observed.
MEGAPIXELS = 4.0

SIDES = (300, 1000, 3000)
N_REPEATS = 3


def write_maps(folder, side):
    """
    Maps of one size, and a catalogue for each.
    """
    maps, catalogs = [], []
    for i in range(N_REPEATS):
        image, catalog = make_example_field(
            shape=(side, side), n_sources=round(N_SOURCES / N_MAPS), seed=i)
        header = image.wcs.to_header()
        header['BUNIT'] = 'Jy/pixel'
        planes = {'image': image.data, 'coverage': np.ones(image.shape),
                  'error': image.uncertainty.array}
        hdus = fits.HDUList([fits.PrimaryHDU()])
        hdus[0].header.update(INSTRUME='PACS', WAVELNTH=70.0)
        hdus += [fits.ImageHDU(data, header, name=name)
                 for name, data in planes.items()]
        maps.append(folder / f'map{side}_{i}.fits.gz')
        hdus.writeto(maps[-1])
        center = catalog['sky_center']
        table = QTable({'ra': center.ra, 'dec': center.dec})
        catalogs.append(folder / f'map{side}_{i}.csv')
        table.write(catalogs[-1], format='ascii.csv')
    return maps, catalogs


def run(folder):
    """
    All maps, one after the other, in a process of its own.
    """
    warnings.simplefilter('ignore')
    nn.limit_threads(1)
    remover = CompactSourceRemover('scanmap', 'blue')
    image, catalog = make_example_field(shape=(96, 96), n_sources=2)
    remover.remove(image, catalog)
    for side in SIDES:
        maps = sorted(folder.glob(f'map{side}_*.fits.gz'))
        reset_peak()
        report = remove_many(
            maps, [path.with_suffix('').with_suffix('.csv') for path in maps],
            remover=remover, output_dir=folder / str(side), n_workers=1)
        if not np.all(report['status'] == 'done'):
            raise RuntimeError(report['error'][0])
        print(json.dumps([side, float(np.median(report['seconds'].value)),
                          memory('VmHWM')]))


def main():
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--run', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run is not None:
        run(args.run)
        return
    with tempfile.TemporaryDirectory() as name:
        for side in SIDES:
            write_maps(Path(name), side)
        output = subprocess.run([sys.executable, __file__, '--run', name],
                                check=True, capture_output=True,
                                text=True).stdout
    rows = np.array([json.loads(line) for line in output.splitlines()])
    print(f'{N_SOURCES / N_MAPS:.0f} sources per map, one thread, from '
          'gzipped file to files\n  pixels  seconds per map  memory (MiB)')
    for side, seconds, peak in rows:
        print(f'{side:4.0f}^2 {seconds:14.2f} {peak:15.0f}')
    megapixels = rows[:, 0] ** 2 / 1e6
    slope, start = np.polyfit(megapixels, rows[:, 1], 1)
    each = start + slope * MEGAPIXELS
    print(f'{start:.2f} s + {slope:.2f} s per million pixels: {each:.1f} s '
          f'with {MEGAPIXELS:g} million')
    for cores in (16, 200):
        print(f'{N_MAPS} maps on {cores} cores: '
              f'{N_MAPS * each / cores / 3600:.1f} hours')


if __name__ == '__main__':
    main()
