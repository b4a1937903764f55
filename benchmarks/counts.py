# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Sources among photons: scaling by square roots, and several channels.

Photons are drawn from simulated skies with sources, in three channels whose
spectra differ, with PSFs that no network has seen. Completeness is that at a
reliability of 0.9 of all sources whose flux is above 3 standard deviations of
the sky, structure and photons together. Two small networks are trained first,
the same way, on scenes of photons, which they see scaled by square roots: one
the first channel, and one all three. The shipped one has never seen photons::

    python benchmarks/counts.py networks docs/science/counts.txt

Networks that are in the folder already are not trained again. It takes about
half an hour on two cores.
"""

import argparse
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')

import numpy as np
from astropy.nddata import CCDData
from astropy.table import Table
from finders import (BAND, FWHM, RADIUS, draw_positions, find_dao,
                     find_gaussians, print_table)
from trust_cases import VariedPSF, as_psf, local_sigma, render

from compact_removal import CompactSourceFinder
from compact_removal.datasets import list_background_kinds, make_background
from compact_removal.datasets.examples import make_wcs
from compact_removal.metrics import (completeness_at_reliability,
                                     match_detections)

SIZE, N_CHANNELS = 300, 3

# Mean photons per pixel in the first channel, and fluxes over the local
# standard deviation.
LEVELS, FLUXES = (1.0, 10.0), (3.0, 1000.0)

TRAINING = {'width': 8, 'counts': True, 'n_epochs': 30, 'n_batches': 40,
            'n_validation_batches': 4, 'n_scenes': 60}
NAMES = ('one channel', 'three channels')


def make_photons(seed, level):
    """
    Counts in all channels, and the truth.
    """
    rng = np.random.default_rng([777, seed, int(level)])
    shape = SIZE, SIZE
    sky = make_background(shape, kind=list_background_kinds()[seed % 4],
                          slope=rng.uniform(2.6, 3.6), fwhm=FWHM, noise=0.02,
                          seed=rng)
    sky = np.maximum(sky - np.percentile(sky, 0.5), 0)
    sky *= level / sky.mean()
    psf = VariedPSF(as_psf(BAND), width=rng.uniform(0.95, 1.05),
                    angle=rng.uniform(0, 6), elongation=rng.uniform(1, 1.1),
                    direction=0, turn=rng.uniform(0, 6))
    x, y = draw_positions(shape, rng)
    sigma = local_sigma(rng.poisson(sky).astype(float), x, y)
    ratio = np.exp(rng.uniform(*np.log(FLUXES), x.size))
    index = rng.normal(-0.1, 0.15, x.size)
    counts = [rng.poisson(np.maximum(
        10 ** (-0.2 * k) * sky + render(psf, BAND, shape, x, y, sigma * ratio
                                        * 10 ** (k * index)), 0))
              for k in range(N_CHANNELS)]
    return np.array(counts, dtype=float), x, y, ratio


def train(n_channels, path):
    """
    Train a network for photons, unless there is one.
    """
    if path.exists():
        return
    finder = CompactSourceFinder('scanmap', 'blue', weights=None, seed=1)
    finder.fit(training={**TRAINING, 'n_channels': n_channels}).save(path)


def measure(seed, level, folder):
    """
    Scores and matches of all methods on one field.
    """
    warnings.simplefilter('ignore')
    counts, x, y, ratio = make_photons(seed, level)
    wcs = make_wcs(counts[0].shape, BAND.pixel_scale)

    def find(finder, n_channels=1):
        images = [CCDData(one, unit='ct', wcs=wcs)
                  for one in counts[:n_channels]]
        table = finder.set_params(threshold=0).find(images)
        return np.array([table['x_center'], table['y_center'],
                         table['probability']])

    shipped = CompactSourceFinder('scanmap', 'blue')
    found = {**{f'DAOStarFinder, mesh {box}': find_dao(counts[0], box)
                for box in (8, 12, 20)},
             **{f'difference of Gaussians, mesh {box}': find_gaussians(
                 counts[0], box) for box in (20, 31)},
             'shipped': find(shipped)}
    for name, n_channels in zip(NAMES, (1, N_CHANNELS), strict=True):
        found[name] = find(CompactSourceFinder.load(
            folder / f'{n_channels}.safetensors'), n_channels)
    return ratio.size, {name: (one[2], match_detections(*one, x, y, RADIUS)
                               >= 0) for name, one in found.items()}


def main():
    """
    Train, measure, print, and write the table.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('folder', type=Path, help='of trained networks')
    parser.add_argument('output', type=Path, nargs='?')
    parser.add_argument('--n-fields', type=int, default=8,
                        help='of each level')
    parser.add_argument('--workers', type=int, default=2)
    args = parser.parse_args()
    folder, rows = args.folder, []
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(args.workers, get_context('spawn')) as pool:
        list(pool.map(train, (1, N_CHANNELS),
                      [folder / f'{n}.safetensors' for n in (1, N_CHANNELS)]))
        for level in LEVELS:
            fields = list(pool.map(measure, range(args.n_fields),
                                   [level] * args.n_fields,
                                   [folder] * args.n_fields))
            n_sources = sum(number for number, _ in fields)
            for name in fields[0][1]:
                scores, right = (np.concatenate(
                    [found[name][k] for _, found in fields]) for k in (0, 1))
                each = [completeness_at_reliability(*found[name], number)[0]
                        for number, found in fields]
                rows.append({
                    'photons': level, 'method': name, 'n_sources': n_sources,
                    'all': completeness_at_reliability(scores, right,
                                                       n_sources)[0],
                    'worst': min(each)})
    table = Table(rows)
    for name in ('all', 'worst'):
        table[name].info.format = '.3f'
    print_table(table, args.output)


if __name__ == '__main__':
    main()
