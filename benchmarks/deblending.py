# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Blends taken apart and measured, by this package and by others.

Galaxies are those of HST that no training saw (one in five). ``pairs`` gives
positions where a method takes them; ``fields`` gives nothing; ``networks``
compares the networks of the deblender with predictions without skill;
``speed`` measures times and memory in one run::

    python benchmarks/deblending.py pairs ../shared/data --n 150
    python benchmarks/deblending.py fields ../shared/data --n 30
    python benchmarks/deblending.py networks ../shared/data --n 30
    python benchmarks/deblending.py speed

The fits of profiles know the width of the PSF. ``smoothed truth`` shares each
pixel with profiles that are known but for a smoothing.
"""

import argparse
import sys
import time
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy import log
from astropy.modeling.models import Sersic2D
from astropy.table import Table, vstack
from photutils.background import Background2D, MedianBackground
from photutils.segmentation import (SourceCatalog, deblend_sources,
                                    detect_sources)
from scipy import ndimage, optimize
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parents[1] / 'docs' / 'examples'))

from process_memory import memory
from train_blend_weights import load_galaxies

from compact_removal import BlendPhotometer, SourceDeblender
from compact_removal.datasets import MoffatPSF, clean_galaxy
from compact_removal.datasets.moffat import convolve
from compact_removal.deblending import BlendSettings, encode, make_blends
from compact_removal.deblending.attribution import find_sources, share_light
from compact_removal.deblending.contributions import find_window
from compact_removal.deblending.deblender_evaluation import judge_field
from compact_removal.deblending.deblender_training import FIELDS
from compact_removal.deblending.scaling import scale_blends
from compact_removal.metrics import (blend_statistics,
                                     intersection_over_union)

# A source is what is found within this distance of its place (pixels).
NEAR = 3.0

# Recipes of blend2flux for SExtractor, of which the second is used where the
# first finds fewer than two: threshold, least pixels, contrast, levels.
COLD, HOT = (5.0, 10, 0.01, 64), (4.0, 6, 1e-4, 64)


def extract_sep(image, recipes=(COLD, HOT)):
    """
    Find and measure with sep: Kron fluxes, neighbours masked.
    """
    import sep

    sep.set_extract_pixstack(3_000_000)
    data = np.ascontiguousarray(image, dtype=float)
    background = sep.Background(data)
    data -= background.back()
    for threshold, area, contrast, levels in recipes:
        found, segments = sep.extract(
            data, threshold, err=background.globalrms, minarea=area,
            deblend_cont=contrast, deblend_nthresh=levels,
            segmentation_map=True)
        if len(found) >= 2:
            break
    if not len(found):
        return np.zeros((3, 0)), segments
    axes = found['x'], found['y'], found['a'], found['b'], found['theta']
    number = np.arange(1, len(found) + 1)
    kron, _ = sep.kron_radius(data, *axes, 6.0, segmap=segments,
                              seg_id=number)
    kron = np.where(np.isfinite(kron), np.maximum(2.5 * kron, 3.5), 3.5)
    flux, _, _ = sep.sum_ellipse(data, *axes, kron, subpix=5, segmap=segments,
                                 seg_id=number)
    return np.array([found['x'], found['y'], flux]), segments


def extract_photutils(image):
    """
    Find, deblend and measure with photutils: Kron fluxes.
    """
    background = Background2D(image, 32, filter_size=3,
                              bkg_estimator=MedianBackground())
    data = image - background.background
    noise = background.background_rms_median
    smooth = ndimage.gaussian_filter(data, 1.0)
    segments = detect_sources(smooth, 2.0 * noise / (2 * np.sqrt(np.pi)),
                              n_pixels=8)
    if segments is None:
        return np.zeros((3, 0)), np.zeros(image.shape, dtype=int)
    segments = deblend_sources(smooth, segments, n_pixels=8, contrast=0.005,
                               progress_bar=False)
    catalog = SourceCatalog(data, segments)
    return np.array([catalog.x_centroid, catalog.y_centroid,
                     catalog.kron_flux]), segments.data


def fit_profiles(image, blend):
    """
    Fit a Sersic profile at each position, all at once.
    """
    scaled, noise = scale_blends(image)
    noise = float(noise.mean())
    kernel = MoffatPSF(blend.fwhm, 3.0).make_kernel(4.0)
    rows, columns = np.indices(image.shape)
    n = len(blend.x)
    middle = scaled[np.rint(blend.y).astype(int), np.rint(blend.x).astype(int)]
    start = np.column_stack([
        np.log(np.maximum(middle, 1) * 40), np.full(n, np.log(4.0)),
        np.full(n, np.log(1.5)), np.zeros(n), np.zeros(n), blend.x,
        blend.y]).ravel()
    low = np.tile([-3, np.log(0.5), np.log(0.4), -0.85, -0.85, -2, -2], n)
    high = np.tile([16, np.log(30.0), np.log(6.0), 0.85, 0.85, 2, 2], n)
    for name in (5, 6):
        low[name::7] += start[name::7]
        high[name::7] += start[name::7]

    def draw(values):
        light, radius, index, e1, e2, x, y = values
        ellipticity = min(np.hypot(e1, e2), 0.9)
        model = Sersic2D(1, np.exp(radius), np.exp(index), x, y, ellipticity,
                         0.5 * np.arctan2(e2, e1))(columns, rows)
        return convolve(model * np.exp(light) / max(model.sum(), 1e-9),
                        kernel)

    def miss(values):
        model = sum(draw(part) for part in values.reshape(n, 7))
        return (model - scaled).ravel()

    found = optimize.least_squares(miss, np.clip(start, low + 1e-3,
                                                 high - 1e-3),
                                   bounds=(low, high), max_nfev=40,
                                   loss='soft_l1', x_scale='jac')
    return np.exp(found.x.reshape(n, 7)[:, 0]) * noise


def fit_scarlet2(image, blend):
    """
    Fit free, positive images with scarlet2, and share pixels with them.
    """
    from functools import partial

    import jax.numpy as jnp
    import scarlet2 as sc
    from numpyro.distributions import constraints
    from scarlet2.validation_utils import set_validation

    set_validation(False)
    scaled, noise = scale_blends(image)
    kernel = MoffatPSF(blend.fwhm, 3.0).make_kernel(4.0)
    observation = sc.Observation(
        jnp.asarray(scaled[None]), jnp.ones((1, *scaled.shape)),
        psf=sc.ArrayPSF(jnp.asarray(kernel[None])), channels=[0])
    frame = sc.Frame.from_observations(observation,
                                       model_psf=sc.GaussianPSF(0.7))
    with sc.Scene(frame) as scene:
        for x, y in zip(blend.x, blend.y, strict=True):
            center = jnp.array([round(y), round(x)])
            spectrum, shape = sc.init.from_gaussian_moments(observation,
                                                            center)
            sc.Source(center, jnp.maximum(spectrum, 1.0), shape)
    step = partial(sc.relative_step, factor=0.05)
    with sc.Parameters(scene):
        for number, source in enumerate(scene.sources):
            sc.Parameter(source.spectrum, name=f'spectrum{number}',
                         constraint=constraints.positive, stepsize=step)
            sc.Parameter(source.morphology, name=f'morphology{number}',
                         constraint=constraints.unit_interval, stepsize=0.1)
    scene = scene.fit(observation, max_iter=200, progress_bar=False)
    models = np.array([observation.render(scene.evaluate_source(source))[0]
                       for source in scene.sources])
    return models.sum(axis=(1, 2)) * float(noise.mean())


def share_smoothed(image, blend):
    """
    Share pixels with profiles that are known but for a smoothing.
    """
    scaled, noise = scale_blends(image)
    smooth = np.array([ndimage.gaussian_filter(source, 1.0)
                       for source in blend.sources])
    share = smooth / (smooth.sum(axis=0) + 0.02)
    return (share * scaled * noise).sum(axis=(1, 2))


def match(found, blend):
    """
    Fluxes of the sources that were found.
    """
    flux = np.full(len(blend.x), np.nan)
    if found.shape[1]:
        distance, nearest = cKDTree(found[:2].T).query(
            np.column_stack([blend.x, blend.y]))
        flux[distance < NEAR] = found[2][nearest[distance < NEAR]]
        # one detection is not two sources
        taken, count = np.unique(nearest[distance < NEAR], return_counts=True)
        for number in taken[count > 1]:
            both = np.flatnonzero((nearest == number) & (distance < NEAR))
            flux[both[np.argsort(distance[both])[1:]]] = np.nan
    return flux


def compare_pairs(args, galaxies):
    """
    Pairs whose positions are known.
    """
    photometer = BlendPhotometer()
    networks = [BlendPhotometer.load(path) for path in args.networks or ()]
    fluxes, errors, truth, rows, overlaps = {}, [], [], [], []
    settings = BlendSettings(stars=0.0)
    for blend in make_blends(args.n, galaxies=galaxies, settings=settings,
                             seed=args.seed):
        places = np.column_stack([blend.x, blend.y])
        truth.append(blend.flux)
        found, _ = extract_sep(blend.image)
        distance = np.hypot(*(places[0] - places[1]))
        rows += [{'separation': distance / blend.radius.max(),
                  'difference': -2.5 * np.log10(blend.flux[k]
                                                / blend.flux[1 - k]),
                  'sep_found': found.shape[1]} for k in range(2)]
        table = photometer.measure(blend.image, places)
        errors.append(table['flux_err'].value)
        masks = photometer.segment(blend.image, places)
        overlaps += [intersection_over_union(one, other) for one, other in zip(
            masks, blend.masks, strict=True)]
        methods = {
            'ours': table['flux'].value, 'sep': match(found, blend),
            'photutils': match(extract_photutils(blend.image)[0], blend),
            'smoothed truth': share_smoothed(blend.image, blend)}
        if args.fit:
            methods['Sersic fit'] = fit_profiles(blend.image, blend)
        if args.scarlet2:
            methods['scarlet2'] = fit_scarlet2(blend.image, blend)
        for network in networks:
            methods[network.network] = network.measure(
                blend.image, places)['flux'].value
        for name, values in methods.items():
            fluxes.setdefault(name, []).append(values)
    truth = np.concatenate(truth)
    rows = Table(rows)
    found = []
    for name, values in fluxes.items():
        some = {'errors': np.concatenate(errors)} if name == 'ours' else {}
        row = blend_statistics(np.concatenate(values), truth, **some)
        row['method'] = name
        found.append(row)
    print_rows(vstack(found))
    print(f'IoU of our masks: {np.nanmean(overlaps):.3f}')
    print('\nours, by what sep finds, separation and magnitude difference')
    ours, errors = np.concatenate(fluxes['ours']), np.concatenate(errors)
    parts = [(f'sep finds {label}', some) for label, some in (
        ('two', rows['sep_found'] == 2), ('fewer', rows['sep_found'] < 2),
        ('more', rows['sep_found'] > 2))]
    for name, edges in (('separation', (0, 1, 1.5, 2, 2.5, 4)),
                        ('difference', (-3, -1, 0, 1, 3))):
        parts += [(f'{name} {low:g} to {high:g}', (rows[name] >= low)
                   & (rows[name] < high)) for low, high in pairwise(edges)]
    found = []
    for name, some in parts:
        for method in ('ours', 'sep'):
            values = ours if method == 'ours' else np.concatenate(fluxes[
                'sep'])
            row = blend_statistics(values[some], truth[some], errors=errors[
                some] if method == 'ours' else None)
            row['method'] = f'{name}, {method}'
            found.append(row)
    print_rows(vstack(found))


def compare_fields(args, galaxies):
    """
    Fields of which nothing is known.
    """
    deblenders = {'ours': SourceDeblender()}
    if any(row['network'] == 'pais' for row in SourceDeblender.list_weights()):
        deblenders['pais'] = SourceDeblender(network='pais')
    tables, rows = {}, {}
    for blend in make_blends(
            args.n, n_sources=(12, 40), shape=(256, 256), galaxies=galaxies,
            settings=args.settings, seed=args.seed):
        found = {}
        for name, deblender in deblenders.items():
            result = deblender.deblend(blend.image)
            table = result.sources
            found[name] = (np.array([table['x_center'], table['y_center'],
                                     table['flux'].value]),
                           table['flux_err'].value, result.segmentation.data)
        for name, (values, segments) in {
                'sep': extract_sep(blend.image, [COLD]),
                'sep (hot)': extract_sep(blend.image, [HOT]),
                'photutils': extract_photutils(blend.image)}.items():
            found[name] = values, None, segments
        for name, ((x, y, flux), error, segments) in found.items():
            order = np.argsort(-flux) if error is None else np.arange(len(x))
            table, row = judge_field(
                blend, x[order], y[order], flux[order],
                None if error is None else error[order],
                segments=np.append(0, np.argsort(order) + 1)[segments])
            tables.setdefault(name, []).append(table)
            rows.setdefault(name, []).append(row)
    shown = []
    for name, parts in tables.items():
        table, fields = vstack(parts), Table(rows[name])
        right, wrong, missed = (fields[column].sum() for column in (
            'n_right', 'n_wrong', 'n_missed'))
        good = table[table['found']]
        touching = good[good['touching']]
        every = blend_statistics(good['flux'], good['true_flux'],
                                 errors=good['flux_err'])[0]
        near = blend_statistics(touching['flux'], touching['true_flux'])[0]
        shown.append({
            'method': name, 'completeness': right / (right + missed),
            'reliability': right / (right + wrong),
            'f1': 2 * right / (2 * right + wrong + missed),
            'worst f1': fields['f1'].min(), 'mape': every['mape'],
            'sigma': every['sigma'], 'mape touching': near['mape'],
            'sigma touching': near['sigma'],
            'worst mape': fields['mape'].max(),
            'within 1': every['within_1'], 'within 2': every['within_2'],
            'iou': np.nanmean(good['iou']),
            'split': table['split'].mean()})
    print_rows(Table(shown))


def compare_networks(args, galaxies):
    """
    Shares and vectors at known positions, and predictions without skill.
    """
    rows = []
    names = [row['network'] for row in SourceDeblender.list_weights()]
    sums = {}
    for blend in make_blends(
            args.n, n_sources=(12, 40), shape=(256, 256), galaxies=galaxies,
            settings=args.settings, seed=args.seed):
        image, noise = scale_blends(blend.image)
        light = blend.sources / noise.mean()
        truth = encode(light, [(0, 0)] * len(light), blend.x, blend.y,
                       image.shape)
        total = light.sum(axis=0)
        bright = total > 1
        exact = light / np.maximum(total, 1e-9)

        def score(name, shares, vectors, bright=bright, exact=exact,
                  truth=truth):
            kl = np.sum(exact * np.log(np.maximum(exact, 1e-9) / np.maximum(
                shares, 1e-4)), axis=0)[bright].mean()
            miss = (np.nan if vectors is None else np.abs(
                vectors - truth.vectors)[..., bright].mean())
            sums.setdefault(name, []).append((kl, miss))

        rows_, columns = np.indices(image.shape)
        distance, order = cKDTree(np.column_stack([blend.y, blend.x])).query(
            np.column_stack([rows_.ravel(), columns.ravel()]), k=[1, 2, 3])
        equal = np.zeros_like(exact)
        for k in range(3):
            equal[order[:, k].reshape(image.shape), rows_, columns] += 1 / 3
        score('equal shares, no vectors', equal, np.zeros(
            truth.vectors.shape))
        nearest = np.zeros_like(exact)
        nearest[order[:, 0].reshape(image.shape), rows_, columns] = 1
        smooth = ndimage.gaussian_filter(image, 1.5)
        peaks = (smooth == ndimage.maximum_filter(smooth, 7)) & (smooth > 2)
        score('the nearest source, the nearest peaks', nearest,
              encode_vectors(np.nonzero(peaks), image.shape))
        for name in names:
            deblender = SourceDeblender(network=name)
            model, info = deblender._model()
            shared = share_light(model, image, blend.x, blend.y)
            shares = np.zeros_like(exact)
            for number, (part, corner) in enumerate(zip(
                    shared.parts.parts, shared.parts.corners, strict=True)):
                where = find_window(part, corner)
                with np.errstate(invalid='ignore', divide='ignore'):
                    shares[(number, *where)] = np.nan_to_num(
                        part / image[where])
            # the share of no source is shared as the rest
            shares /= np.maximum(shares.sum(axis=0), 1e-3)
            x, y, _ = find_sources(model, image, threshold=info['threshold'],
                                   calibration=info['calibration'])
            score(name, shares, encode_vectors((y, x), image.shape)
                  if 'vectors' not in model.outputs
                  else predict_vectors(model, image))
    for name, values in sums.items():
        kl, miss = np.array(values).T
        rows.append({'prediction': name, 'kl': kl.mean(), 'worst kl': kl.max(),
                     'vectors': np.nanmean(miss),
                     'worst vectors': np.nanmax(miss)})
    print_rows(Table(rows))


def encode_vectors(places, shape):
    """
    Vectors to the nearest of some places.
    """
    y, x = (np.asarray(values, dtype=float) for values in places)
    return encode([np.ones((1, 1))] * len(x), [(0, 0)] * len(x), x, y,
                  shape).vectors if len(x) else np.zeros((3, 2, *shape))


def predict_vectors(model, image):
    """
    Vectors that a network predicts.
    """
    from compact_removal import nn

    found = nn.predict_map(model, {'image': image}, tile_size=model.tile_size)
    return found['vectors'].reshape(-1, 2, *image.shape)


def measure_speed(args):
    """
    Times and memory.
    """
    rng = np.random.default_rng(args.seed)
    blend, = make_blends(1, n_sources=40, shape=(256, 256), seed=args.seed,
                         settings=BlendSettings(shift='field', stars=0.25))
    side = 16
    field = np.tile(blend.sources.sum(axis=0), (side, side))[:4000, :4000]
    field += rng.standard_normal(field.shape)
    places = np.concatenate([
        np.column_stack([blend.x + 256 * k, blend.y + 256 * m])
        for k in range(side) for m in range(side)])
    places = places[np.all(places < 3990, axis=1)]
    small = np.ascontiguousarray(field[:1280, :1280])
    few = places[np.all(places < 1270, axis=1)][:1000]
    photometer = BlendPhotometer()
    photometer.measure(small, few[:10])
    for name, work in (
            (f'measure {len(few)} sources', lambda: photometer.measure(
                small, few)),
            ('deblend 1280 x 1280', lambda: SourceDeblender().deblend(small)),
            ('sep 1280 x 1280', lambda: extract_sep(small, [COLD])),
            ('photutils 1280 x 1280', lambda: extract_photutils(small)),
            ('deblend 4000 x 4000', lambda: SourceDeblender().deblend(
                field))):
        start = time.perf_counter()
        work()
        print(f'{name}: {time.perf_counter() - start:.1f} s', flush=True)
    print(f'most memory: {memory("VmHWM") / 1024:.2f} GiB')


def print_rows(table):
    """
    Print a table, numbers short.
    """
    for name in table.colnames:
        if table[name].dtype.kind == 'f':
            table[name].info.format = '.3f'
    for name in ('low', 'high'):
        if name in table.colnames:
            table.remove_column(name)
    print('\n'.join(table.pformat(max_lines=-1, max_width=-1)), flush=True)


def main():
    """
    Run one of the comparisons.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('what', choices=['pairs', 'fields', 'networks',
                                         'speed'])
    parser.add_argument('data', type=Path, nargs='?',
                        help='folder with the galaxies')
    parser.add_argument('--n', type=int, default=60)
    parser.add_argument('--seed', type=int, default=11)
    parser.add_argument('--hard', action='store_true',
                        help='fields with faint and large galaxies, too')
    parser.add_argument('--fit', action='store_true',
                        help='fit profiles to pairs, too (seconds each)')
    parser.add_argument('--scarlet2', action='store_true',
                        help='fit pairs with scarlet2, too, if it is '
                             'installed')
    parser.add_argument('--networks', nargs='+', metavar='FILE',
                        help='saved photometers of pairs')
    args = parser.parse_args()
    args.settings = (BlendSettings(shift='field', stars=0.25) if args.hard
                     else FIELDS)
    log.setLevel('ERROR')
    warnings.simplefilter('ignore')
    if args.what == 'speed':
        measure_speed(args)
        return
    galaxies = [clean_galaxy(stamp) for stamp in load_galaxies(
        args.data, apart=True)]
    {'pairs': compare_pairs, 'fields': compare_fields,
     'networks': compare_networks}[args.what](args, galaxies)


if __name__ == '__main__':
    main()
