# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The experiment that judges a finder: simulate, find, compare.
"""

import sys
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable, vstack
from tqdm import tqdm

from compact_removal.base import BaseEvaluation
from compact_removal.base.arguments import make_integer_seed
from compact_removal.base.training_data import make_training_data
from compact_removal.datasets.examples import make_wcs
from compact_removal.detection.kinds import KINDS
from compact_removal.detection.batches import (FAINTEST, DetectionScenes,
                                               match_scene)
from compact_removal.instruments import get_band
from compact_removal.metrics import (calibration_table,
                                     completeness_at_reliability,
                                     completeness_by, confusion_matrix,
                                     detection_curve, detection_scores)
from compact_removal.utils.parameters import check_positive_integer
from compact_removal.utils.progress import bar_shape

__all__ = ['FinderEvaluation', 'evaluate_finder']

# Edges of bins of the significance of sources (flux over the scatter of a
# matched filter).
_EDGES = (2, 3, 5, 10, 30, 100, np.inf)

# Edges of bins of the sources per square beam of their map.
_DENSITIES = (0, 0.003, 0.006, 0.012, 0.025, np.inf)

_NOTES = (
    'Scenes are simulated: sources with the PSF of the band, which differs '
    'a little from scene to scene, extended blobs, and artefacts (hot pixels '
    'and tracks) on backgrounds; some have no source. The significance of '
    'a source is its flux over the scatter of a matched filter in the '
    'background around it. Completeness is the share of the sources above '
    'a significance of 2 that were found, reliability the share of the '
    'detections that are sources. F1 is their harmonic mean, IoU the share '
    'of detections and sources together that are both. The average '
    'precision is the mean of the reliability over completeness, with all '
    'candidates ranked by their probability. What was on a real map before '
    'does not count.',
    'Position errors are the root of the mean square per axis, in pixels. '
    'Pulls are errors of the flux over the predicted ones: 0.68 of them '
    'should lie within 1.')

_LABELS = {
    'field': 'map', 'n_sources': 'sources', 'n_detections': 'detections',
    'f1': 'F1', 'iou': 'IoU', 'average_precision': 'average precision',
    'position_rms': 'position error', 'within_1': 'flux within 1',
    'completeness_90': 'complete at a reliability of 0.9'}


@dataclass(frozen=True)
class FinderEvaluation(BaseEvaluation):
    """
    What `evaluate_finder` found.

    Attributes
    ----------
    candidates : `~astropy.table.QTable`
        All candidates that count: the columns of
        `~compact_removal.CompactSourceFinder.find` without units, and
        ``field``, ``true_kind`` (``'none'`` for nothing) and
        ``true_flux``.
    sources : `~astropy.table.QTable`
        All simulated sources: ``field``, ``x``, ``y`` (pixels),
        ``flux``, ``significance``, ``density`` (sources per square beam
        of the map) and ``found`` (at the threshold).
    summary : `~astropy.table.QTable`
        One row per map, and one for all; the columns are explained in
        ``notes``.
    parameters : dict
        How the experiment was made.

    Examples
    --------
    >>> from compact_removal import CompactSourceFinder
    >>> finder = CompactSourceFinder('scanmap', 'blue')
    >>> evaluation = finder.experiment(n_maps=1, size=96, seed=1)
    >>> evaluation.summary['field'].tolist()
    ['simulated 1', 'all']
    """

    candidates: QTable
    sources: QTable
    summary: QTable
    parameters: dict

    headline = ('field', 'n_sources', 'n_detections', 'completeness',
                'reliability', 'f1', 'average_precision', 'position_rms',
                'within_1')
    legend = ('completeness is of sources above a significance of 2, '
              'reliability the share of the detections that are sources; '
              'position_rms in pixels; within_1 the share of fluxes within '
              'one error (ideally 0.68). The report has the rest.')
    notes = _NOTES
    labels = _LABELS

    @property
    def tables(self):
        """
        The tables beside the summary, by name.
        """
        return {'completeness': self.completeness,
                'density': self.completeness_by_density,
                'calibration': self.calibration,
                'confusion': self.confusion, 'candidates': self.candidates,
                'sources': self.sources}

    @property
    def completeness(self):
        """
        Completeness in bins of significance.
        """
        return completeness_by(self.sources['significance'],
                               self.sources['found'], _EDGES)

    @property
    def completeness_by_density(self):
        """
        Completeness in bins of the sources per square beam of their map.
        """
        return completeness_by(self.sources['density'],
                               self.sources['found'], _DENSITIES)

    @property
    def calibration(self):
        """
        Probabilities of candidates, and how often they are right.
        """
        return calibration_table(self.candidates['probability'],
                                 self.candidates['true_kind'] == 'compact')

    @property
    def confusion(self):
        """
        What candidates are, and the kind that they were taken for.
        """
        known = self.candidates['true_kind'] != 'none'
        return confusion_matrix(self.candidates['true_kind'][known],
                                self.candidates['kind'][known], KINDS)

    def figures(self):
        """
        Draw the figures, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`.
        """
        from compact_removal.plotting import (plot_calibration,
                                              plot_completeness,
                                              plot_confusion,
                                              plot_detection_curve)

        yield ('Completeness and significance',
               plot_completeness(self.completeness).figure)
        yield ('Completeness and reliability',
               plot_detection_curve(self.curve).figure)
        yield 'Calibration', plot_calibration(self.calibration).figure
        yield 'Kinds', plot_confusion(self.confusion).figure

    @property
    def curve(self):
        """
        Completeness and reliability as the threshold falls.
        """
        correct = self.candidates['true_kind'] == 'compact'
        return detection_curve(
            self.candidates['probability'], correct,
            max(len(self.sources), int(correct.sum())))


def evaluate_finder(finder, backgrounds=None, *, n_maps=8, size=256,
                    seed=None, progress_bar=False):
    """
    Judge a finder on scenes whose truth is known.

    Parameters
    ----------
    finder : `~compact_removal.CompactSourceFinder`
        The estimator.
    backgrounds : list or dict of `~astropy.nddata.CCDData`, optional
        Maps that sources are added to, by name or not. Default:
        simulated ones.
    n_maps : int, optional
        Scenes: in all, or from each map.
    size : int, optional
        Side of the scenes (pixels).
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    evaluation : `FinderEvaluation`
        Tables and figures.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed.

    Examples
    --------
    >>> from compact_removal import CompactSourceFinder
    >>> from compact_removal.detection import evaluate_finder
    >>> finder = CompactSourceFinder('scanmap', 'blue')
    >>> evaluation = evaluate_finder(finder, n_maps=1, size=96, seed=1)
    >>> evaluation.confusion['true'].tolist()
    ['compact', 'extended', 'artefact']
    """
    check_positive_integer('n_maps', n_maps)
    check_positive_integer('size', size)
    finder.check_params()
    band = get_band(finder.mode, finder.band)
    seed = make_integer_seed(seed)
    threshold = finder._find_threshold()
    # all candidates, of which the threshold takes some
    patient = copy(finder).set_params(threshold=0, progress_bar=False)
    candidates, sources, rows = [], [], []
    with tqdm(unit='map', disable=not progress_bar,
              **bar_shape(sys.stderr)) as bar:
        for name, scene in _draw(finder, band, backgrounds, n_maps, size,
                                 seed):
            found, true = _compare(patient, scene, threshold)
            bar.update()
            for table, tables in ((found, candidates), (true, sources)):
                table.add_column(np.full(len(table), name, dtype='U64'),
                                 name='field', index=0)
                tables.append(table)
            rows.append({'field': name, **_summarize(found, true, threshold)})
    candidates, sources = (vstack(tables, metadata_conflicts='silent')
                           for tables in (candidates, sources))
    rows.append({'field': 'all',
                 **_summarize(candidates, sources, threshold)})
    return FinderEvaluation(
        candidates, sources, QTable(rows=rows),
        {'mode': band.mode, 'band': band.name, 'threshold': threshold,
         'n_maps': n_maps, 'size': size, 'seed': seed, 'warnings': []})


def _draw(finder, band, backgrounds, n_maps, size, seed):
    """
    Names and scenes.
    """
    config = finder._model()[0].config
    if isinstance(backgrounds, Mapping):
        named = dict(backgrounds)
    elif backgrounds is None:
        named = {'simulated': None}
    else:
        images = ([backgrounds] if isinstance(backgrounds, CCDData)
                  else list(backgrounds))
        named = {f'map {k}': image for k, image in enumerate(images, 1)}
    for name, image in named.items():
        data = make_training_data(band, None if image is None else [image])
        scenes = DetectionScenes(
            data.bands, data.maps, seed=seed, n_fields=n_maps,
            real_fraction=1.0 if data.maps else 0.0,
            n_channels=config['n_channels'], counts=config['counts'])
        for number in range(n_maps):
            yield (f'{name} {number + 1}' if n_maps > 1 or image is None
                   else name), scenes.scene(number, size=size)


def _compare(finder, scene, threshold):
    """
    Candidates with their truth, and sources with what was found.
    """
    wcs = make_wcs(scene.image.shape, scene.pixel_scale)
    found = finder.find([
        CCDData(one.data, unit='ct' if one.counts else 'Jy / pix', wcs=wcs)
        for one in scene.channels])
    x, y = found['x_center'], found['y_center']
    index, kept = match_scene(scene, x, y, found['probability'])
    true = index >= 0
    kind = np.full(len(found), 'none', dtype='U16')
    kind[true] = np.array(KINDS)[scene.kind[index[true]]]
    flux, dx, dy = np.full((3, len(found)), np.nan)
    flux[true] = scene.flux[index[true]]
    dx[true], dy[true] = x[true] - scene.x[index[true]], (
        y[true] - scene.y[index[true]])
    # sources that are too faint to count are left out where they are found
    faint = scene.significance < FAINTEST
    kept[true] &= ~faint[index[true]]
    found.remove_column('sky_center')
    for name in ('flux', 'flux_err'):
        found[name] = found[name].value
    found['true_kind'], found['true_flux'] = kind, flux
    found['dx'], found['dy'] = dx, dy
    pixels = tuple(np.clip(np.rint(values).astype(int), 0, size - 1)
                   for values, size in zip((scene.y, scene.x),
                                           scene.image.shape, strict=True))
    compact = ((scene.kind == 0) & ~faint
               & np.isfinite(scene.image[pixels]))
    detected = np.zeros(scene.x.size, dtype=bool)
    detected[index[true & (found['probability'] >= threshold)]] = True
    return found[kept], QTable({
        'x': scene.x[compact], 'y': scene.y[compact],
        'flux': scene.flux[compact],
        'significance': scene.significance[compact],
        'density': np.full(compact.sum(), scene.psf.fwhm ** 2 * compact.sum()
                           / np.isfinite(scene.image).sum()),
        'found': detected[compact]})


def _summarize(found, sources, threshold):
    """
    The numbers of a map.
    """
    correct = np.asarray(found['true_kind'] == 'compact', dtype=bool)
    taken = np.asarray(found['probability'] >= threshold, dtype=bool)
    n_found = int(np.sum(correct & taken))
    n_sources = max(len(sources), int(correct.sum()))
    good = found[correct & taken]
    pull = np.abs(good['flux'] - good['true_flux']) / good['flux_err']
    curve = detection_curve(found['probability'], correct, n_sources)
    scores = detection_scores(n_found, int(np.sum(taken & ~correct)),
                              n_sources - n_found)
    position = within = np.nan
    if len(good):
        position = float(np.sqrt(np.mean(good['dx'] ** 2
                                         + good['dy'] ** 2) / 2))
        within = float(np.mean(pull < 1))
    return {'n_sources': len(sources), 'n_detections': int(taken.sum()),
            **scores, 'average_precision': curve.meta['average_precision'],
            'completeness_90': completeness_at_reliability(
                found['probability'], correct, n_sources)[0],
            'position_rms': position, 'within_1': within}
