# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Detectors compared on the same skies, which no training saw.

Optical fields have galaxies of HST that were kept aside, infrared ones
structure, radio ones sidelobes, gamma-ray ones few photons. All methods see
the same images and nothing else; thresholds are their defaults. Positions
count (within 3 pixels or half the box of the source); boxes do for methods
that have some. In an environment with the extra ``[rcnn]``::

    pip install sep
    python benchmarks/detectors.py ../shared/data --n 12
    python benchmarks/detectors.py ../shared/data --n 12 --weights DIR

``--weights`` is a folder with weights of region-based detectors, in place of
those that ship.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table
from photutils.background import Background2D, MedianBackground
from photutils.detection import DAOStarFinder
from photutils.segmentation import deblend_sources, detect_sources
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parents[1] / 'docs' / 'examples'))

from process_memory import memory, reset_peak
from train_blend_weights import load_galaxies

from compact_removal import (CompactSourceFinder, RegionDetector,
                             SourceDeblender)
from compact_removal.datasets.galaxies import read_galaxies
from compact_removal.detection.region_evaluation import table_boxes
from compact_removal.detection.region_fields import SKIES, RegionFields
from compact_removal.metrics import average_precisions

# A source is found within this distance (pixels), or this share of its box.
NEAR, SHARE = 3.0, 0.5


def make_methods(folder):
    """
    Functions of an image: positions and scores; boxes and kinds, or None.
    """
    finder = CompactSourceFinder('scanmap', 'blue')
    methods = {'U-Net (CompactSourceFinder)': lambda image: read_finder(
        finder, image)}
    for network in ('faster_rcnn', 'mask_rcnn'):
        weights = 'default' if folder is None else folder / (
            f'{network}.safetensors')
        detector = RegionDetector(network=network, weights=weights)
        methods[network] = lambda image, detector=detector: read_regions(
            detector, image)
    for network in ('contribution', 'pais'):
        deblender = SourceDeblender(network=network, fluxes='parts')
        methods[f'{network} (SourceDeblender)'] = (
            lambda image, deblender=deblender: read_deblender(deblender,
                                                              image))
    return {**methods, 'DAOStarFinder': run_daofind, 'sep': run_sep,
            'photutils segmentation': run_segmentation}


def read_finder(finder, image):
    """
    What the finder finds in an array.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        found = finder(np.asarray(image, dtype=float))
    if found is None:
        return np.zeros((0, 2)), np.zeros(0), None, None
    return (np.column_stack([found['x_centroid'], found['y_centroid']]),
            np.asarray(found['probability']), None, None)


def read_regions(detector, image):
    """
    What a region-based detector finds.
    """
    found = detector.detect(image)
    return (np.column_stack([found['x_center'], found['y_center']]),
            np.asarray(found['score']), table_boxes(found),
            np.asarray(found['kind']))


def read_deblender(deblender, image):
    """
    What the deblender finds.
    """
    found = deblender.deblend(image).sources
    return (np.column_stack([found['x_center'], found['y_center']]),
            np.asarray(found['probability']), None, None)


def subtract(image):
    """
    An image without its background, and the noise.
    """
    data = np.where(np.isfinite(image), image, np.nanmedian(image)).astype(
        float)
    found = Background2D(data, 32, filter_size=3,
                         bkg_estimator=MedianBackground())
    return data - found.background, max(found.background_rms_median, 1e-9)


def run_daofind(image):
    """
    DAOStarFinder of photutils.
    """
    data, noise = subtract(image)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        found = DAOStarFinder(5 * noise, 3.5)(data)
    if found is None:
        return np.zeros((0, 2)), np.zeros(0), None, None
    return (np.column_stack([found['x_centroid'], found['y_centroid']]),
            np.asarray(found['peak'], dtype=float), None, None)


def run_sep(image):
    """
    sep, with its usual filter.
    """
    import sep

    sep.set_extract_pixstack(3_000_000)
    data, noise = subtract(image)
    found = sep.extract(np.ascontiguousarray(data), 2.0, err=noise,
                        minarea=5, deblend_cont=0.005)
    boxes = np.column_stack([found['xmin'] - 0.5, found['ymin'] - 0.5,
                             found['xmax'] + 0.5, found['ymax'] + 0.5])
    return (np.column_stack([found['x'], found['y']]), found['peak'],
            boxes, None)


def run_segmentation(image):
    """
    Segmentation of photutils, with deblending.
    """
    data, noise = subtract(image)
    smooth = ndimage.gaussian_filter(data, 1.0)
    segments = detect_sources(smooth, 3.0 * noise / (2 * np.sqrt(np.pi)),
                              n_pixels=6)
    if segments is None:
        return np.zeros((0, 2)), np.zeros(0), np.zeros((0, 4)), None
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        segments = deblend_sources(smooth, segments, n_pixels=6,
                                   contrast=0.005, progress_bar=False)
    boxes = np.array([(one[1].start - 0.5, one[0].start - 0.5,
                       one[1].stop - 0.5, one[0].stop - 0.5)
                      for one in segments.slices])
    places = np.array(ndimage.center_of_mass(
        np.maximum(data, 0), segments.data, segments.labels))[:, ::-1]
    peaks = ndimage.maximum(data, segments.data, segments.labels)
    return places, peaks, boxes, None


def match(places, score, field):
    """
    Which detections are sources, one to one.
    """
    boxes = field.boxes
    reach = np.maximum(SHARE * (boxes[:, 2:] - boxes[:, :2]).min(axis=1),
                       NEAR)
    distance = np.hypot(places[:, :1] - field.x, places[:, 1:] - field.y)
    distance[distance > reach] = np.inf
    right = np.zeros(len(places), dtype=bool)
    for number in np.argsort(-score, kind='stable'):
        if not len(field.x):
            break
        best = int(np.argmin(distance[number]))
        if np.isfinite(distance[number, best]):
            right[number] = True
            distance[:, best] = np.inf
    return right


def run(methods, fields, sky, n):
    """
    Rows of all methods on one kind of sky.
    """
    sample = [fields.field(number, sky=sky) for number in range(n)]
    rows = []
    for name, method in methods.items():
        method(sample[0].image)
        reset_peak()
        before, start = memory('VmRSS'), time.perf_counter()
        found = [method(field.image) for field in sample]
        seconds, peak = time.perf_counter() - start, memory('VmHWM') - before
        counts, records = [], []
        for (places, score, boxes, kind), field in zip(found, sample,
                                                       strict=True):
            # artefacts are no sources
            true = np.array(field.kind, dtype='U16')
            if kind is not None:
                some = kind != 'artefact'
                places, score = places[some], score[some]
                records.append({'boxes': boxes[some], 'score': score,
                                'kind': kind[some]})
            elif boxes is not None:
                records.append({'boxes': boxes, 'score': score,
                                'kind': np.full(len(score), 'source')})
            real = true != 'artefact'
            good = type(field)(field.image, tuple(true[real]),
                               field.masks[real], field.x[real],
                               field.y[real])
            right = match(places, score, good)
            counts.append((right.sum(), len(right), real.sum()))
            if boxes is not None:
                records[-1].update(
                    true_boxes=good.boxes,
                    true_kind=np.full(len(good.kind), 'source')
                    if kind is None else np.array(good.kind))
        right, taken, true = np.sum(counts, axis=0)
        scores = [2 * a / max(b + c, 1) for a, b, c in counts if b + c]
        row = {'sky': sky, 'method': name, 'completeness': right / true,
               'reliability': right / max(taken, 1),
               'f1': 2 * right / max(taken + true, 1),
               'worst f1': min(scores), 'ap50 of boxes': np.nan,
               'ap50 of kinds': np.nan,
               's per Mpixel': 1e6 * seconds / sum(
                   field.image.size for field in sample), 'MiB': peak}
        if records:
            if records[0]['kind'].dtype.kind == 'U' and any(
                    'source' not in one['kind'] for one in records
                    if len(one['kind'])):
                row['ap50 of kinds'] = average_precisions(
                    records, fields.kinds)['ap50'][-1]
            every = [{**one, 'kind': np.full(len(one['score']), 'source'),
                      'true_kind': np.full(len(one['true_boxes']),
                                           'source')} for one in records]
            row['ap50 of boxes'] = average_precisions(
                every, ['source'])['ap50'][-1]
        rows.append(row)
    return rows


def main():
    """
    Compare, and print a table.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('data', type=Path,
                        help='folder with the galaxies')
    parser.add_argument('--n', type=int, default=12,
                        help='fields of each kind of sky')
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--seed', type=int, default=20261231)
    parser.add_argument('--weights', type=Path,
                        help='folder of weights of region-based detectors')
    args = parser.parse_args()
    # without their noise
    galaxies = read_galaxies(load_galaxies(args.data, apart=True), 'data')
    fields = RegionFields(galaxies, real=1.0, size=args.size, seed=args.seed)
    methods = make_methods(args.weights)
    rows = [row for sky in SKIES
            for row in run(methods, fields, sky, args.n)]
    table = Table(rows)
    for name in table.colnames[2:]:
        table[name].info.format = '.0f' if name == 'MiB' else '.3f'
    table.pprint(max_lines=-1, max_width=-1)


if __name__ == '__main__':
    main()
