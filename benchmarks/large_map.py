# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time and memory of large maps with many sources.

Each removal runs in a process of its own, from a memory-mapped FITS
file in single precision to files again; prints sources per second and
the peak of the memory (on Linux)::

    python benchmarks/large_map.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable
from process_memory import memory, reset_peak

from compact_removal import CompactSourceRemover
from compact_removal.datasets import inject_sources, make_test_fields
from compact_removal.instruments import get_band

MODE, BAND = 'scanmap', 'blue'

# Side of the background that is repeated, mirrored (pixels).
_PIECE = 1000


def make_map(size, n_sources, rng):
    """
    A large map with sources, single precision, and its catalogue.
    """
    piece = next(iter(make_test_fields(
        MODE, BAND, n_fields=1, shape=(_PIECE, _PIECE), seed=1).values()))
    n = -(-size // _PIECE)
    data = np.empty((n * _PIECE, n * _PIECE), dtype=np.float32)
    for i in range(n):
        for j in range(n):
            data[i * _PIECE:(i + 1) * _PIECE,
                 j * _PIECE:(j + 1) * _PIECE] = piece.data[
                     ::(-1) ** i, ::(-1) ** j]
    ccd = CCDData(data[:size, :size], unit=piece.unit, wcs=piece.wcs)
    ccd.wcs.wcs.crpix = size / 2, size / 2
    x, y = rng.uniform(5, size - 6, (2, n_sources))
    flux = np.std(piece.data) * np.exp(rng.uniform(*np.log([20, 2e3]),
                                                   n_sources))
    catalog = QTable({
        'x_center': x, 'y_center': y, 'flux': flux * u.Jy,
        'sky_center': ccd.wcs.pixel_to_world(x, y),
        'position_angle': np.full(n_sources, 20) * u.deg})
    # in parts: the injection itself works in double precision
    for low in range(0, size, _PIECE):
        rows = slice(max(0, low - 100), low + _PIECE + 100)
        own = (y >= low) & (y < low + _PIECE)
        part = CCDData(data[rows, :size].astype(float), unit=ccd.unit,
                       wcs=ccd.wcs.slice((rows, slice(None))))
        if own.any():
            moved = catalog[own]
            moved['y_center'] -= rows.start
            data[rows, :size] = inject_sources(part, moved,
                                               get_band(MODE, BAND)).data
    return ccd, catalog


def run(folder):
    """
    One removal, file to file, for a process of its own.
    """
    warnings.simplefilter('ignore')
    remover = CompactSourceRemover(MODE, BAND)
    catalog = QTable.read(folder / 'catalog.fits')
    wcs_map = CCDData.read(folder / 'map.fits')
    small = CCDData(np.array(wcs_map.data[:100, :100]), unit=wcs_map.unit,
                    wcs=wcs_map.wcs)
    remover.remove(small, small.wcs.pixel_to_world([50.0], [50.0]))
    reset_peak()
    before = memory('VmRSS')
    start = time.perf_counter()
    background, sources = remover.remove(wcs_map, catalog)
    seconds = time.perf_counter() - start
    peak = memory('VmHWM')
    background.write(folder / 'background.fits', overwrite=True)
    print(json.dumps({
        'seconds': seconds, 'before': before, 'peak': peak,
        'peak_writing': memory('VmHWM'), 'map': wcs_map.data.nbytes / 2**20,
        'dtype': str(background.data.dtype),
        'finite': int(np.isfinite(sources['flux']).sum())}))


def main():
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=10_000)
    parser.add_argument('--n-sources', type=int, nargs='+',
                        default=[100, 1000, 5000, 20_000])
    parser.add_argument('--run', type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run is not None:
        run(args.run)
        return
    print(f'{args.size} x {args.size} pixels, single precision; memory in '
          'MiB')
    print('n_sources  seconds per second        map   before     peak '
          'writing')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n_sources in args.n_sources:
            ccd, catalog = make_map(args.size, n_sources,
                                    np.random.default_rng(n_sources))
            ccd.write(folder / 'map.fits', overwrite=True)
            table = QTable()
            center = catalog['sky_center']
            table['ra'], table['dec'] = center.ra, center.dec
            table.write(folder / 'catalog.fits', overwrite=True)
            del ccd
            output = subprocess.run(
                [sys.executable, __file__, '--run', str(folder)],
                check=True, capture_output=True, text=True).stdout
            found = json.loads(output.splitlines()[-1])
            rate = n_sources / found['seconds']
            if found['finite'] != n_sources:
                msg = f'{n_sources - found["finite"]} sources have no flux'
                raise RuntimeError(msg)
            print(f'{n_sources:9d} {found["seconds"]:8.1f} {rate:10.0f} '
                  f'{found["map"]:10.0f} {found["before"]:8.0f} '
                  f'{found["peak"]:8.0f} {found["peak_writing"]:8.0f}',
                  flush=True)


if __name__ == '__main__':
    main()
