# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Contaminated pixels, found by this package and by others.

Exposures are simulated with galaxies, cosmic rays and nebulae that no training
saw. ``classes`` compares all 14 classes with MaxiMask; ``cosmic`` cosmic rays
with astroscrappy, lacosmic, Cosmic-CoNN, deepCR and MaxiMask (those that are
installed), with stars that are taken for them; ``tracking`` finds exposures
with tracking errors; ``speed`` measures times and memory in one run::

    python benchmarks/contaminants.py classes ../shared/data --n 60
    python benchmarks/contaminants.py cosmic ../shared/data --n 60
    python benchmarks/contaminants.py tracking ../shared/data --n 400
    python benchmarks/contaminants.py speed ../shared/data

MaxiMask is the released network, from the file of its variables in ``DATA``.
Others have the best of many settings on these very exposures.
"""

import argparse
import itertools
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from astropy import log
from astropy.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / 'docs' / 'examples'))

from process_memory import memory
from train_masker_weights import load_parts

from compact_removal import ContaminantMasker, TrackingErrorClassifier, nn
from compact_removal.contaminants import (CLASS_NAMES, contaminate,
                                          find_model_class, import_maximask)
from compact_removal.contaminants.evaluation import is_clear
from compact_removal.contaminants.motion import MOTIONS, TrackingExposures
from compact_removal.datasets import ExposureSettings, make_exposure
from compact_removal.metrics import SegmentationScores, roc_curve

# Widths of the PSF of exposures with cosmic rays (pixels).
WIDTHS = {'below 2.5': (1.5, 2.5), 'above 2.5': (2.5, 6.0)}
STAR_WIDTHS = (1.5, 2.0, 2.5, 3.0, 4.0)

# Ranges of the amplitudes of tracking errors (pixels); each has as many
# exposures as it is wide.
AMPLITUDES = (2, 4), (4, 8), (8, 15)

# Stars whose peaks have at least so many standard deviations count.
STAR = 10.0

LACOSMIC = [{'sigclip': clip, 'sigfrac': share, 'objlim': limit}
            for clip, share, limit in itertools.product(
                (3.0, 4.5, 6.0, 9.0), (0.1, 0.3, 0.5), (1.0, 2.0, 5.0, 9.0))]


def main():
    """
    Run one of the comparisons, and print its table.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('what', choices=['classes', 'cosmic', 'tracking',
                                         'speed'])
    parser.add_argument('data', type=Path)
    parser.add_argument('--n', type=int, default=60,
                        help='exposures (of each kind)')
    parser.add_argument('--weights', default='default')
    parser.add_argument('--size', type=int, default=400)
    parser.add_argument('--figures', type=Path,
                        help='folder for the figures of the documentation')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    log.setLevel('ERROR')
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'maximask.safetensors'
        import_maximask(args.data / 'contaminants'
                        / 'maximask_weights.safetensors', path)
        maskers = {'ContaminantMasker': ContaminantMasker(
            weights=args.weights, priors='training'),
            'MaxiMask': ContaminantMasker(network='maximask', weights=path,
                                          priors='training')}
        {'classes': compare_classes, 'cosmic': compare_cosmic_rays,
         'tracking': judge_tracking, 'speed': compare_speed}[args.what](
             args, maskers)


def draw(parts, seed, names, size, settings=None):
    """
    An exposure with contaminants.
    """
    rng = np.random.default_rng(seed)
    clean = make_exposure((size, size), galaxies=parts['galaxies'],
                          settings=settings, seed=rng)
    return contaminate(clean, names, cosmic_rays=parts['cosmic_rays'],
                       nebulae=parts['nebulae'], seed=rng)


def compare_classes(args, maskers):
    """
    All classes on exposures that have all, and each on some of its own.
    """
    parts = load_parts(args.data, apart=True)
    every, clear, single = ({name: SegmentationScores(CLASS_NAMES)
                             for name in maskers} for _ in range(3))
    fields = []
    for number in range(args.n):
        exposure = draw(parts, [1, number], 'all', args.size)
        for name, masker in maskers.items():
            found = masker.predict_proba(exposure.image)
            every[name].add(found, exposure.planes)
            clear[name].add(found, exposure.planes, is_clear(exposure))
            if name == 'ContaminantMasker':
                one = SegmentationScores(CLASS_NAMES)
                one.add(found, exposure.planes)
                fields.append(np.nanmean(one.summary()['auc']))
    for k, wanted in enumerate(CLASS_NAMES):
        if wanted in ('SAT', 'SP', 'BBG', 'BG'):
            continue
        for number in range(max(args.n // 6, 1)):
            exposure = draw(parts, [2, k, number], [wanted], args.size)
            for name, masker in maskers.items():
                only = np.zeros((len(CLASS_NAMES), 1, 1), dtype=bool)
                only[k] = True
                single[name].add(masker.predict_proba(exposure.image),
                                 exposure.planes, only)
    table = Table({'class': [*CLASS_NAMES, 'mean']})
    for name in maskers:
        short = name.removeprefix('Contaminant')
        for label, scores, key in (
                ('auc', every, 'auc'), ('mcc', every, 'mcc'),
                ('clear', clear, 'auc'), ('single', single, 'auc')):
            values = np.asarray(scores[name].summary()[key], dtype=float)
            table[f'{short} {label}'] = [*values, np.nanmean(values)]
    for column in table.colnames[1:]:
        table[column].info.format = '.4f' if 'mcc' not in column else '.3f'
    table.pprint(max_lines=-1, max_width=-1)
    if args.figures is not None:
        from compact_removal.plotting import plot_mcc, plot_purity, plot_roc

        curves = {name: every['ContaminantMasker'].curve(name)
                  for name in CLASS_NAMES}
        for label, plot in (('roc', plot_roc), ('mcc', plot_mcc),
                            ('purity', plot_purity)):
            plot(curves).figure.savefig(
                args.figures / f'contaminants_{label}.png', dpi=80)
    print(f'mean AUC of single exposures: worst {min(fields):.3f}, median '
          f'{np.median(fields):.3f}')


def find_methods(maskers):
    """
    Methods that are installed: functions from an exposure to scores or to
    masks, one for each setting.
    """
    methods = {name: lambda exposure, masker=masker: masker.predict_proba(
        exposure.image)[0] for name, masker in maskers.items()}
    try:
        from cosmic_conn import init_model
        network = init_model('ground_imaging')
        methods['Cosmic-CoNN'] = lambda exposure: network.detect_cr(
            exposure.image.astype('f4'))
    except ImportError:
        print('Cosmic-CoNN is not installed')
    try:
        from deepCR import deepCR
        deep = deepCR(mask='decam', inpaint=None, device='CPU')
        methods['deepCR'] = lambda exposure: deep.clean(
            exposure.image.astype('f4'), inpaint=False, binary=False)
    except ImportError:
        print('deepCR is not installed')
    return methods


def find_laplacians():
    """
    Methods of Laplacian edges that are installed.
    """
    found = {}
    try:
        import astroscrappy

        found['astroscrappy'] = lambda exposure, options: (
            astroscrappy.detect_cosmics(
                exposure.image.astype('f4'), gain=exposure.clean.gain,
                readnoise=read_noise(exposure), satlevel=np.inf,
                **options)[0])
    except ImportError:
        print('astroscrappy is not installed')
    try:
        from lacosmic import remove_cosmics

        found['lacosmic'] = lambda exposure, options: remove_cosmics(
            exposure.image.astype(float) * exposure.clean.gain,
            options['objlim'], options['sigclip'],
            options['sigfrac'] * options['sigclip'],
            effective_gain=1.0, readnoise=read_noise(exposure), maxiter=4)[1]
    except ImportError:
        print('lacosmic is not installed')
    return found


def read_noise(exposure):
    """
    Read noise of an exposure (electrons).
    """
    clean = exposure.clean
    return float(np.sqrt(max((clean.noise * clean.gain) ** 2
                             - clean.sky * clean.gain, 1.0)))


def compare_cosmic_rays(args, maskers):
    """
    Cosmic rays, for two ranges of the width of the PSF; and stars eaten.
    """
    parts = load_parts(args.data, apart=True)
    methods, laplacians = find_methods(maskers), find_laplacians()
    rows, thresholds, curves = [], {}, {}
    for label, widths in WIDTHS.items():
        settings = ExposureSettings(fwhm=widths)
        scores = {name: SegmentationScores(['CR']) for name in methods}
        counts = {(name, k): np.zeros(4) for name in laplacians
                  for k in range(len(LACOSMIC))}
        for number in range(args.n):
            exposure = draw(parts, [3, int(10 * widths[0]), number], ['CR'],
                            args.size, settings)
            core = exposure.core
            known, truth = np.isfinite(core), core == 1
            for name, method in methods.items():
                found = np.asarray(method(exposure), dtype=float)
                scores[name].add(found[None], truth[None], known[None])
            for name, method in laplacians.items():
                # the slow one sees fewer exposures, with fewer settings
                slow = name == 'lacosmic'
                if slow and number % 6:
                    continue
                for k, options in enumerate(LACOSMIC):
                    if slow and k % 4:
                        continue
                    found = method(exposure, options)[known]
                    right = truth[known]
                    counts[name, k] += [
                        np.sum(found & right), np.sum(found & ~right),
                        np.sum(~found & ~right), np.sum(~found & right)]
        for name in methods:
            summary = scores[name].summary()[0]
            curve = scores[name].curve('CR')
            curves[f'{name}, FWHM {label}'] = curve
            purity = np.nan_to_num(curve['purity'])
            f1 = 2 * purity * curve['tpr'] / np.maximum(
                purity + curve['tpr'], 1e-30)
            thresholds[name, label] = curve['threshold'][np.argmax(f1)]
            rows.append((name, label, summary['f1'],
                         summary['tpr_at_0.001'], ''))
        for name in laplacians:
            values = np.array([counts[name, k] for k in range(len(LACOSMIC))])
            tp, fp, tn, fn = values.T
            f1 = 2 * tp / np.maximum(2 * tp + fp + fn, 1)
            best = int(np.argmax(f1))
            thresholds[name, label] = LACOSMIC[best]
            # the best completeness of a mask with few enough mistakes
            allowed = fp <= 1e-3 * (fp + tn)
            tpr = (tp / np.maximum(tp + fn, 1))[allowed].max(initial=0)
            rows.append((name, label, f1[best], tpr, str(LACOSMIC[best])))
    if args.figures is not None:
        from compact_removal.plotting import plot_roc

        plot_roc(curves).figure.savefig(
            args.figures / 'contaminants_cosmic.png', dpi=80)
    table = Table(rows=rows, names=['method', 'FWHM', 'best F1',
                                    'TPR at FPR 1e-3', 'settings'])
    for column in ('best F1', 'TPR at FPR 1e-3'):
        table[column].info.format = '.3f'
    table.pprint(max_lines=-1, max_width=-1)
    count_stars(args, parts, methods, laplacians, thresholds)


def count_stars(args, parts, methods, laplacians, thresholds):
    """
    Share of the stars whose central pixel is taken for a cosmic ray.
    """
    rows = []
    for width in STAR_WIDTHS:
        label = list(WIDTHS)[width > 2.5]
        settings = ExposureSettings(fwhm=(width, width), n_bright=0.0,
                                    stars=(500.0, 5000.0), spike_chance=0.0)
        eaten = {name: [0, 0] for name in (*methods, *laplacians)}
        for number in range(max(args.n // 4, 2)):
            exposure = draw(parts, [4, int(10 * width), number], ['BG'],
                            args.size, settings)
            clean = exposure.clean
            x, y = (np.rint(value).astype(int) for value in (clean.x,
                                                             clean.y))
            good = ((x >= 0) & (x < args.size) & (y >= 0) & (y < args.size)
                    & (clean.flux * clean.psf.peak > STAR * clean.noise))
            good[good] &= ~clean.saturated[y[good], x[good]]
            for name in eaten:
                if name in methods:
                    mask = (np.asarray(methods[name](exposure))
                            >= thresholds[name, label])
                else:
                    mask = laplacians[name](exposure, thresholds[name, label])
                eaten[name][0] += int(mask[y[good], x[good]].sum())
                eaten[name][1] += int(good.sum())
        rows.append({'FWHM': width, 'n stars': max(
            n for _, n in eaten.values()), **{
            name: wrong / max(n, 1) for name, (wrong, n) in eaten.items()}})
    table = Table(rows)
    for name in table.colnames[2:]:
        table[name].info.format = '.4f'
    print('stars whose centre is taken for a cosmic ray, at the best F1')
    table.pprint(max_lines=-1, max_width=-1)


def judge_tracking(args, maskers):
    """
    Tracking errors, in exposures that no training saw.
    """
    del maskers
    parts = load_parts(args.data, apart=True)
    classifier = TrackingErrorClassifier(prior=0.5)
    settings = ExposureSettings(fwhm=(1.8, 5.0), elongation=1.25,
                                stars=(300.0, 6000.0))
    found = []
    for seed, amplitudes in enumerate(AMPLITUDES):
        exposures = TrackingExposures(
            galaxies=parts['galaxies'], seed=99 + seed, settings=settings,
            amplitudes=amplitudes)
        low, high = amplitudes
        share = (high - low) / (AMPLITUDES[-1][1] - AMPLITUDES[0][0])
        for number in range(round(share * args.n)):
            image, kind = exposures.exposure(number, size=args.size)
            found.append((classifier.predict_proba(image), kind,
                          f'{low} to {high}'))
    score, kinds, ranges = (np.array(column)
                            for column in zip(*found, strict=True))
    bad, rows = kinds != 'none', []
    for label, mine in [
            *((kind, kinds == kind) for kind in MOTIONS),
            *((f'{one} pixels', ranges == one) for one in np.unique(ranges)),
            ('all', np.ones(len(bad), dtype=bool))]:
        chosen = ~bad | mine
        curve = roc_curve(score[chosen], bad[chosen])
        rows.append((label, int(np.sum(bad & mine)), curve.meta['auc']))
    table = Table(rows=rows, names=['tracking errors', 'n', 'AUC'])
    table['AUC'].info.format = '.4f'
    table.pprint()


def compare_speed(args, maskers):
    """
    Millions of pixels per second, and memory of a large exposure.
    """
    rng = np.random.default_rng(1)
    rates = {}
    for name, masker in maskers.items():
        size = 2000 if name == 'ContaminantMasker' else 1000
        image = rng.normal(300, 10, (size, size)).astype('f4')
        masker.mask(image[:300, :300])
        start = time.perf_counter()
        masker.mask(image)
        rates[name] = size ** 2 / 1e6 / (time.perf_counter() - start)
    # the released tool: of blocks of 400 pixels with a stride of 200
    model, _ = nn.load_weights(maskers['MaxiMask'].weights, find_model_class)
    blocks = rng.normal(0, 1, (8, 400, 400)).astype('f4')
    start = time.perf_counter()
    nn.predict(model, {'image': blocks}, batch_size=8)
    per_block = (time.perf_counter() - start) / len(blocks)
    rates['MaxiMask in its blocks'] = 16 / (per_block * (4000 / 200 - 1) ** 2)
    for name, rate in rates.items():
        print(f'{name}: {rate:.3f} million pixels per second, ratio '
              f'{rates["ContaminantMasker"] / rate:.1f}')
    image = rng.normal(300, 10, (4000, 4000)).astype('f4')
    start = time.perf_counter()
    maskers['ContaminantMasker'].mask(image)
    print(f'4000 x 4000: {time.perf_counter() - start:.1f} s, peak of the '
          f'process {memory("VmHWM") / 1024:.2f} GiB')


if __name__ == '__main__':
    main()
