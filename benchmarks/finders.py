# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Who finds the sources: the package and what one would use instead.

Sources of 3 to 1000 local standard deviations are put on held-out maps,
simulated and real, with PSFs that no network has seen. Completeness is
that at a reliability of 0.9, each method ranked by its own score and with
the best of its settings for the kind of map, which are chosen on these
maps (so the others are flattered)::

    pip install sep hyper-py-photometry
    python benchmarks/finders.py ../shared/data docs/science/finders.txt

It takes about fifteen minutes on two cores.
"""

import argparse
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import patch

os.environ.setdefault('OMP_NUM_THREADS', '1')

import astropy.units as u
import numpy as np
from astropy.stats import mad_std
from astropy.table import Table
from development_data import NOISE
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.spatial import KDTree
from trust_cases import (VariedPSF, WingedVesta, as_psf, load_fields,
                         local_sigma, render)

from compact_removal import CompactSourceFinder
from compact_removal.datasets import list_background_kinds, make_background
from compact_removal.detection.filters import local_scatter
from compact_removal.instruments import get_band
from compact_removal.metrics import (completeness_at_reliability,
                                     match_detections)

BAND = get_band('scanmap', 'blue')
SCALE = BAND.pixel_scale.to_value(u.arcsec)
FWHM = BAND.psf.fwhm / SCALE
SIZE = 400

# Logarithms (base 10) of sources per pixel, fluxes over the local standard
# deviation, and edges of ranges of them.
DENSITIES = (-3.6, -2.8)
FLUXES = (3.0, 1000.0)
EDGES = (3, 10, 30, 100, 1000)

# Detections this near to a source are the source (pixels).
RADIUS = 0.5 * FWHM + 1


def make_field(kind, seed, folder):
    """
    A map with sources, the same without, and the truth.
    """
    rng = np.random.default_rng([555, seed, kind == 'real'])
    if kind == 'simulated':
        group = 'noisy' if seed % 3 == 2 else 'simulated'
        name = list_background_kinds()[seed % 4]
        truth = make_background(
            (SIZE, SIZE), kind=name, slope=rng.uniform(2.6, 3.6), fwhm=FWHM,
            noise=np.exp(rng.uniform(*np.log(NOISE[group]))), seed=rng)
        name = f'{name} {group}'
    else:
        _, maps = load_fields(folder)
        name = list(maps)[seed % len(maps)]
        data = maps[name].data
        parts = []
        for _ in range(20):
            y, x = (rng.integers(max(1, n - SIZE + 1)) for n in data.shape)
            part = data[y:y + SIZE, x:x + SIZE]
            parts.append((np.isfinite(part).mean(), part))
        truth = np.array(max(parts, key=lambda row: row[0])[1], dtype=float)
    psf = VariedPSF(as_psf(BAND) if seed % 2 else WingedVesta(folder, BAND),
                    width=rng.uniform(0.95, 1.05), angle=rng.uniform(0, 6),
                    elongation=rng.uniform(1, 1.1), direction=0,
                    turn=rng.uniform(0, 6))
    x, y = draw_positions(truth.shape, rng)
    sigma = local_sigma(truth, x, y)
    good = np.isfinite(truth[np.rint(y).astype(int), np.rint(x).astype(int)])
    good &= np.isfinite(sigma) & (sigma > 0)
    x, y, sigma = x[good], y[good], sigma[good]
    ratio = np.exp(rng.uniform(*np.log(FLUXES), x.size))
    image = truth + render(psf, BAND, truth.shape, x, y, sigma * ratio)
    return name, image, truth, x, y, ratio


def draw_positions(shape, rng):
    """
    Positions, in two of five maps partly in clusters.
    """
    number = max(1, rng.poisson(10 ** rng.uniform(*DENSITIES)
                                * shape[0] * shape[1]))
    x, y = (rng.uniform(0, n, number) for n in shape[::-1])
    if rng.random() < 0.4:
        n_clusters = max(1, number // 8)
        cluster = rng.integers(n_clusters, size=number)
        size = rng.uniform(8, 30)
        near = rng.random(number) >= 0.4
        for values, n in ((x, shape[1]), (y, shape[0])):
            middle = rng.uniform(0, n, n_clusters)[cluster]
            values[near] = (middle + size * rng.normal(size=number))[near]
    inside = ((x > 1) & (y > 1) & (x < shape[1] - 2) & (y < shape[0] - 2))
    return x[inside], y[inside]


def subtract_background(image, box):
    """
    The map minus a mesh of medians, and its rms.
    """
    from photutils.background import Background2D, MedianBackground

    mask = ~np.isfinite(image)
    mesh = Background2D(np.where(mask, 0, image), box, mask=mask,
                        filter_size=3, bkg_estimator=MedianBackground(),
                        exclude_percentile=90)
    return np.where(mask, 0, image - mesh.background), mesh.background_rms


def star_finder(name, image, box):
    """
    A star finder of photutils.
    """
    from photutils import detection

    data, rms = subtract_background(image, box)
    scaled = data / np.maximum(rms, 1e-30)
    finder = getattr(detection, name)(1.0, FWHM)
    table = finder(scaled)
    if table is None:
        return np.zeros((3, 0))
    return np.array([table['x_centroid'], table['y_centroid'],
                     table['peak']], dtype=float)


def find_dao(image, box):
    """
    DAOStarFinder on a map minus its background, over its rms.
    """
    return star_finder('DAOStarFinder', image, box)


def find_iraf(image, box):
    """
    IRAFStarFinder, the same.
    """
    return star_finder('IRAFStarFinder', image, box)


def find_sep(image, box):
    """
    SExtractor as a library, with a matched filter.
    """
    import sep

    data = np.ascontiguousarray(np.where(np.isfinite(image), image,
                                         np.nanmedian(image)))
    back = sep.Background(data, bw=box, bh=box)
    axis = np.arange(-3, 4)
    kernel = np.exp(-4 * np.log(2) * (axis ** 2 + axis[:, None] ** 2)
                    / FWHM ** 2)
    sep.set_extract_pixstack(3_000_000)
    sep.set_sub_object_limit(100_000)
    # of thresholds, contrasts and scores that were tried the best ones
    found = sep.extract(data - back.back(), 1.5, err=back.rms(), minarea=3,
                        filter_kernel=kernel, deblend_nthresh=64,
                        deblend_cont=0.0)
    x, y = (np.clip(np.rint(found[name]).astype(int), 0, n - 1)
            for name, n in (('x', data.shape[1]), ('y', data.shape[0])))
    return np.array([found['x'], found['y'],
                     found['peak'] / back.rms()[y, x]])


def find_hyper(image, box):
    """
    The detection of Hyper, without its least significance.
    """
    from hyper_py import detection

    def detect_peaks(*args, find=detection.detect_peaks, **kwargs):
        # it knows the names of columns that photutils 2 had
        peaks = find(*args, **kwargs)
        return None if peaks is None else Table(
            [peaks['x_centroid'], peaks['y_centroid'], peaks['peak']],
            names=['xcentroid', 'ycentroid', 'peak'])

    class Settings(dict):
        def get(self, _, key, default=None):
            return super().get(key, default)

    settings = Settings(aper_inf=1.0, aper_sup=2.0, kernel_size_pix=box)
    rms = mad_std(image, ignore_nan=True)
    with patch.object(detection, 'detect_peaks', detect_peaks):
        found = detection.detect_sources(
            {'map': image, 'pix_dim': SCALE, 'beam_dim': FWHM * SCALE}, 0,
            image, rms, -1e9, [-4.0, 4.0], [-2.0, 2.0], settings)
    return np.array([found['xcentroid'], found['ycentroid'],
                     found['peak']], dtype=float)


def find_segments(image, box):
    """
    Segmentation of photutils with deblending.
    """
    from photutils.segmentation import SourceCatalog, SourceFinder

    data, rms = subtract_background(image, box)
    smooth = gaussian_filter(data, FWHM / 2.355)
    segments = SourceFinder(n_pixels=4, progress_bar=False)(smooth,
                                                            1.2 * rms)
    if segments is None:
        return np.zeros((3, 0))
    catalog = SourceCatalog(data, segments, convolved_data=smooth)
    x, y = np.array([catalog.x_centroid, catalog.y_centroid])
    pixels = tuple(np.clip(np.rint(v).astype(int), 0, n - 1)
                   for v, n in zip((y, x), data.shape, strict=True))
    return np.array([x, y, catalog.max_value / rms[pixels]])


def find_gaussians(image, box):
    """
    Difference of Gaussians over its local rms.
    """
    known = np.isfinite(image)
    filled = np.where(known, image, np.nanmedian(image))
    sigma = FWHM / 2.355
    difference = gaussian_filter(filled, 0.7 * sigma) - gaussian_filter(
        filled, 1.6 * sigma)
    ratio = difference / np.maximum(local_scatter(
        np.where(known, difference, np.nan), box), 1e-30)
    ratio[~known] = 0
    rows, columns = np.nonzero((ratio == maximum_filter(ratio, 3))
                               & (ratio > 2))
    return np.array([columns, rows, ratio[rows, columns]], dtype=float)


def find_package(image, box):
    """
    `CompactSourceFinder`.
    """
    image = np.array(image)
    finder = CompactSourceFinder('scanmap', 'blue', threshold=0)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        table = finder(image)
    if table is None:
        return np.zeros((3, 0))
    return np.array([table['x_centroid'], table['y_centroid'],
                     table['probability']])


# Functions and the sides of meshes that are tried (pixels).
METHODS = {
    'DAOStarFinder': (find_dao, (8, 12, 20)),
    'IRAFStarFinder': (find_iraf, (8, 12, 20)),
    **({'sep': (find_sep, (8, 12, 20, 32))} if find_spec('sep') else {}),
    **({'Hyper': (find_hyper, (0, 13, 21))} if find_spec('hyper_py') else {}),
    'photutils segmentation': (find_segments, (8, 12, 20, 32)),
    'difference of Gaussians': (find_gaussians, (20, 31, 50)),
    'CompactSourceFinder': (find_package, (0,)),
}


def measure(kind, seed, folder):
    """
    Scores and matches of all methods on one field.
    """
    warnings.simplefilter('ignore')
    name, image, truth, x, y, ratio = make_field(kind, seed, folder)
    found = []
    for method, (function, boxes) in METHODS.items():
        for box in boxes:
            began = time.perf_counter()
            one = function(image, box)
            seconds = time.perf_counter() - began
            index = match_detections(*one, x, y, RADIUS)
            kept = index >= 0
            if kind == 'real':
                # what the method finds without the sources does not count
                before = function(truth, box)
                own = np.zeros(kept.size, dtype=bool)
                if before.size and one.size:
                    own = KDTree(before[:2].T).query(one[:2].T)[0] < RADIUS
                kept |= ~own
            else:
                kept[:] = True
            found.append((method, box, one[2][kept], index[kept], seconds))
    return kind, name, ratio, found


def summarize(results):
    """
    Completeness by kind, method, field and flux.
    """
    rows = []
    for kind in ('simulated', 'real'):
        fields = [row for row in results if row[0] == kind]
        for method, (_, boxes) in METHODS.items():
            best = None
            for box in boxes:
                parts = [(ratio, *next(
                    (score, index, seconds)
                    for one, size, score, index, seconds in found
                    if (one, size) == (method, box)))
                    for _, _, ratio, found in fields]
                row = pool(parts)
                if best is None or row['all'] > best[1]['all']:
                    best = box, row, parts
            box, row, parts = best
            each = [pool([part])['all'] for part in parts]
            worst = int(np.argmin(each))
            rows.append({'kind': kind, 'method': method, 'mesh': box, **row,
                         'worst': each[worst],
                         'worst_field': fields[worst][1],
                         'mpix_per_s': SIZE ** 2 * len(parts) / 1e6
                         / sum(part[3] for part in parts)})
    table = Table(rows)
    for column in table.itercols():
        if column.dtype.kind == 'f':
            column.info.format = '.3f'
    return table


def pool(parts):
    """
    Completeness at a reliability of 0.9, in all and by flux.
    """
    scores = np.concatenate([score for _, score, _, _ in parts])
    found = np.concatenate([index >= 0 for _, _, index, _ in parts])
    truth = np.concatenate([ratio for ratio, *_ in parts])
    total, threshold = completeness_at_reliability(scores, found, truth.size)
    fluxes = np.concatenate([ratio[index[(index >= 0)
                                         & (score >= threshold)]]
                             for ratio, score, index, _ in parts])
    row = {'all': total}
    for low, high in pairwise(EDGES):
        n_true = np.sum((truth >= low) & (truth < high))
        row[f'{low}-{high}'] = (np.sum((fluxes >= low) & (fluxes < high))
                                / max(n_true, 1))
    return row


def print_table(table, output):
    """
    Print a table, and write it where a file is given.
    """
    text = '\n'.join(table.pformat(max_lines=-1, max_width=-1))
    print(text)
    if output is not None:
        output.write_text(text + '\n')


def main():
    """
    Measure, print, and write the table.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('data', type=Path)
    parser.add_argument('output', type=Path, nargs='?')
    parser.add_argument('--n-fields', type=int, default=15,
                        help='of each kind')
    parser.add_argument('--workers', type=int, default=2)
    args = parser.parse_args()
    tasks = [(kind, seed, args.data) for kind in ('simulated', 'real')
             for seed in range(args.n_fields)]
    with ProcessPoolExecutor(args.workers, get_context('spawn')) as pool_:
        results = list(pool_.map(measure, *zip(*tasks, strict=True)))
    table = summarize(results)
    print_table(table, args.output)


if __name__ == '__main__':
    main()
