# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Train the shipped weights
=========================

This script made the weights that ship with the package, one file per
network, for all modes and bands::

    python docs/examples/train_shipped_weights.py separation output --maps DIR
    python docs/examples/train_shipped_weights.py inpainting output --maps DIR
    python docs/examples/train_shipped_weights.py paper output --maps DIR

``DIR`` holds the real maps whose morphology is mixed with simulated
backgrounds; without it, training uses simulated ones alone. A run that
was stopped continues from its checkpoint in the output folder. On two CPU
cores the first takes more than an hour, the second less.

Errors of shipped weights are calibrated anew, without training, by::

    cd compact_removal/removal/weights
    python ../../../docs/examples/train_shipped_weights.py inpainting /tmp
        --maps DIR --calibrate inpainting.safetensors --ship
"""

# sphinx_gallery_thumbnail_path = '_static/psf_residuals.png'

import argparse
import datetime
import json
import os
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '2')

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.table import Table
from astropy.wcs import WCS

from compact_removal import CompactSourceRemover, __version__, nn
from compact_removal.datasets import (list_background_kinds,
                                      load_background_maps, make_background)
from compact_removal.instruments import get_band
from compact_removal.maps import source_snr
from compact_removal.nn.batches import RecalledFields
from compact_removal.psf import fwhm_in_pixels, make_psf_stamp
from compact_removal.removal import (WEIGHTS, TrainingCutouts, build_model,
                                     find_model_class)
from compact_removal.removal.calibration import (ERROR_SAMPLES, calibration,
                                                 make_factors, measure_errors)
from compact_removal.removal.cutout_network import make_predict
from compact_removal.removal.training import choose_scenes

# Never trained on: they are for benchmarks/accuracy.py.
HELD_OUT = ('W5_WISE12um_10.8as.fits', 'GC_Bolocam1.1mm_7.2as.fits',
            'GLIMPSE_IRAC8um_51as_Npix304.fits', 'OMC_SCUBA2_850um_4as.fits',
            'NGC5705field_SPIRE250_6as.fits.gz')

SEED = 20261121

# Maps for the calibration: side (pixels), noise over structure, and fluxes
# of sources over the local standard deviation.
MAP_SIZE = 256
MAP_NOISE = (0.003, 1.0)
MAP_FLUXES = (3.0, 3000.0)

# How far their factors count, beside those of cutouts. With half of them
# more than 1 % of the empty positions of held-out maps lay beyond 3 errors.
MAP_SHARE = 0.4

# FWHM in pixels at which each band is seen besides its nominal one, which
# is seen as often as the number says.
WIDTHS = {('scanmap', 'blue'): (2, 2.5, 4.0, 5.2),
          ('scanmap', 'green'): (2, 2.6, 4.8),
          ('scanmap', 'red'): (1, 2.5, 4.2, 6.0),
          ('parallel', 'blue'): (1, 2.1, 2.8, 4.0),
          ('parallel', 'green'): (1, 2.6, 3.5),
          ('parallel', 'red'): (0, 2.4)}

# Widths (pixels) between which these and the inpainting network are used.
FWHM_RANGE = (1.6, 6.0)

# A PSF without rings, for other instruments.
PLAIN = {'core_fraction': 0.92, 'halo_fraction': 0.03, 'ring_fraction': 0.01}
PLAIN_WIDTHS = (2.5, 3.5, 5.0)

SETTINGS = {
    'separation': {
        'width': 8,
        'loss': {},
        'training': {'n_epochs': 60, 'learning_rate': 0.001,
                     'scheduler': 'cosine', 'max_norm': 20.0},
        'cutouts': {'size': 72, 'batch_size': 32, 'n_batches': 150,
                    'n_fields': 120, 'field_size': 160, 'n_psfs': 32,
                    'real_fraction': 0.45, 'empty_chance': 0.2,
                    'negative_chance': 0.07},
        'sizes': (48, 64), 'n_distinct': 8,
    },
    'inpainting': {
        'width': 8,
        'loss': {},
        'training': {'n_epochs': 32, 'learning_rate': 0.002,
                     'scheduler': 'cosine', 'max_norm': 5.0},
        'cutouts': {'size': 72, 'batch_size': 32, 'n_batches': 150,
                    'n_fields': 160, 'n_psfs': 16, 'real_fraction': 0.4},
        'sizes': (64,), 'n_distinct': 6,
    },
    # the paper's loss, learning rate, schedule and augmentation
    'paper': {
        'width': 5,
        'loss': {},
        'augment': True,
        'training': {'n_epochs': 30, 'learning_rate': 0.005,
                     'scheduler': 'plateau', 'patience': 5, 'factor': 0.5},
        'cutouts': {'size': 104, 'batch_size': 48, 'n_batches': 60,
                    'n_fields': 400, 'real_fraction': 0.4},
        'sizes': (96,), 'n_distinct': 5,
    },
}


def make_bands(network):
    """
    The bands to train on, some of them several times.
    """
    if network != 'separation':
        return [get_band(mode, name) for mode in ('scanmap', 'parallel')
                for name in ('blue', 'green', 'red')]
    bands = []
    for (mode, name), (n_nominal, *widths) in WIDTHS.items():
        band = get_band(mode, name)
        bands += n_nominal * [band]
        bands += [band.with_pixel_scale(band.psf.fwhm / width * u.arcsec)
                  for width in widths]
    band = get_band('scanmap', 'blue')
    plain = replace(band, name='plain', psf=replace(band.psf, **PLAIN))
    bands += [plain.with_pixel_scale(plain.psf.fwhm / width * u.arcsec)
              for width in PLAIN_WIDTHS]
    return bands


def load_maps(folder):
    """
    Real maps that may be trained on; none without a folder.
    """
    if folder is None:
        return []
    warnings.filterwarnings('ignore', 'File may have been truncated')
    return [background for background
            in load_background_maps(folder, fwhm=2.0)
            if background.name not in HELD_OUT]


def make_cutouts(network, maps, seed, **changes):
    """
    Cutouts for training or validation.
    """
    settings = {**SETTINGS[network]['cutouts'], **choose_scenes(network),
                **changes}
    return TrainingCutouts('scanmap', maps, bands=make_bands(network),
                           seed=seed, **settings)


def ship(path, name, registry=WEIGHTS, find_class=find_model_class,
         fwhm=FWHM_RANGE):
    """
    Copy weights into the package, and enter them into its table.
    """
    folder = Path(str(registry.folder))
    target = folder / f'{name}.safetensors'
    shutil.copyfile(path, target)
    model, info = nn.load_weights(target, find_class)
    table = Table.read(folder / 'weights.ecsv', format='ascii.ecsv')
    descriptions = {key: table[key].description for key in table.colnames}
    rows = [dict(zip(row.colnames, row, strict=True)) for row in table]
    before = next((row for row in rows if row['name'] == name), {})
    rows = [row for row in rows if row['name'] != name]
    rows.append({
        'name': name, 'file': target.name, 'network': info['network'],
        'mode': info['mode'], 'width': info['config'].get('width', 0),
        'n_parameters': sum(one.numel() for one in model.parameters()),
        'sha256': info['sha256'], 'date': info['date'],
        'training_data': info['data'], 'n_steps': info['n_steps'],
        **dict(zip(('fwhm_min', 'fwhm_max'), fwhm, strict=True)),
        'license': 'BSD-3-Clause'})
    if 'caution' in table.colnames:
        rows[-1]['caution'] = before.get('caution', '')
    table = Table(rows, names=table.colnames)
    for key, description in descriptions.items():
        table[key].description = description
    table.write(folder / 'weights.ecsv', format='ascii.ecsv', overwrite=True)


def main():
    """
    Train, and write weights and history.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('network', choices=list(SETTINGS))
    parser.add_argument('output', type=Path)
    parser.add_argument('--maps', type=Path, help='folder of real maps')
    parser.add_argument('--start', type=Path,
                        help='weights to start from, instead of new ones')
    parser.add_argument('--calibrate', type=Path,
                        help='weights of which only the errors are '
                             'calibrated anew')
    parser.add_argument('--ship', action='store_true',
                        help='copy the weights into the package')
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    maps = load_maps(args.maps)
    if args.calibrate is not None:
        path = calibrate(args.calibrate, args.output, args.network, maps)
    else:
        path = train(args, maps)
    if args.ship:
        ship(path, path.stem)


def measure_factors(model, network, maps):
    """
    Factors on the errors of a network.
    """
    # errors of neighbours, of what is filled, and of a poor fit are added
    # to those of the network, and wrong positions are in none of them
    cutouts = make_cutouts(
        network, maps, SEED + 2, n_batches=80, n_fields=60, n_psfs=8,
        large_error_chance=0.0, neighbor_chance=0.0, edge_chance=0.0,
        loss_chance=0.0, with_snr=True)
    cutouts = RecalledFields(
        cutouts, (*find_model_class('separation').inputs,
                  *find_model_class('separation').targets, 'snr'),
        SETTINGS[network]['sizes'], 1)
    return measure_errors(make_predict(model), (
        cutouts.batch(0, number) for number in range(len(cutouts))))


def make_map(band, maps, rng):
    """
    A map with sources, and its background, positions and fluxes.

    Half of the backgrounds are parts of the real maps of the training.
    The PSF is up to 7 % wider or narrower than that of the band, and up
    to 10 % elongated.
    """
    shape = 2 * (MAP_SIZE,)
    fwhm = fwhm_in_pixels(band, band.pixel_scale)
    if maps and rng.random() < 0.5:
        data = maps[rng.integers(len(maps))].data
        corner = [rng.integers(max(n - MAP_SIZE, 0) + 1) for n in data.shape]
        truth = np.array(data[corner[0]:corner[0] + MAP_SIZE,
                              corner[1]:corner[1] + MAP_SIZE], dtype=float)
    else:
        truth = make_background(
            shape, kind=rng.choice(list_background_kinds()), fwhm=fwhm,
            slope=rng.uniform(2.6, 3.6), seed=rng,
            noise=np.exp(rng.uniform(*np.log(MAP_NOISE))))
    truth = truth / np.nanstd(truth)
    psf = replace(band.psf, fwhm=band.psf.fwhm * rng.uniform(0.93, 1.07),
                  elongation=band.psf.elongation * rng.uniform(1.0, 1.1))
    ny, nx = truth.shape
    step = int(8 * fwhm)
    x, y = (values.ravel() + rng.uniform(-fwhm, fwhm, values.size)
            for values in np.meshgrid(np.arange(step, nx - step, step),
                                      np.arange(step, ny - step, step)))
    std = source_snr(truth, x, y, source_radius=2 * fwhm,
                     annulus_radii=(0, 7 * fwhm))[2]
    flux = std * np.exp(rng.uniform(*np.log(MAP_FLUXES), x.size))
    flux[rng.random(x.size) < 0.2] = 0
    flux[~np.isfinite(std)] = 0
    image = truth.copy()
    angle = rng.uniform(0, 360) * u.deg
    for k in np.flatnonzero(flux):
        image += flux[k] * make_psf_stamp(
            replace(band, psf=psf), shape=image.shape, center=(x[k], y[k]),
            position_angle=angle)
    return image, truth, x, y, flux


def measure_maps(weights, network, maps, n_maps=120):
    """
    Factors on errors as they are after the removal from whole maps.
    """
    rng = np.random.default_rng(SEED + 3)
    # encircled energies of the plain one are those of another PSF
    bands = [band for band in make_bands(network) if band.name != 'plain']
    rows = []
    for _ in range(n_maps):
        band = bands[rng.integers(len(bands))]
        image, truth, x, y, flux = make_map(band, maps, rng)
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
        wcs.wcs.cdelt = np.array([-1, 1]) * band.pixel_scale.to_value(u.deg)
        ccd = CCDData(image, unit='Jy / pix', wcs=wcs)
        remover = CompactSourceRemover('scanmap', band, network=network,
                                       weights=weights)
        background, sources = remover.remove(ccd, wcs.pixel_to_world(x, y))
        pulls = np.abs(sources['flux'].value - flux) / sources['flux_err']
        error = np.abs(background.data - truth) / background.uncertainty.array
        lines, columns = np.indices(image.shape)
        radius = np.minimum(sources['mask_radius'] - 1,
                            2 * fwhm_in_pixels(band, band.pixel_scale))
        for k in np.flatnonzero(np.isfinite(pulls.value)):
            hole = np.hypot(columns - x[k], lines - y[k]) < radius[k]
            pixels = error[hole & np.isfinite(error)]
            if not pixels.size:
                continue
            rows.append([max(sources['snr'][k], 0), pulls.value[k],
                         *np.percentile(pixels, ERROR_SAMPLES)])
    snr, flux, *pixels = np.array(rows).T
    return make_factors(snr, flux, np.array(pixels))


def calibrate(weights, output, network, maps):
    """
    Copy weights, with factors on errors that are measured anew.

    The cutouts of the training are harder than maps, with more errors of
    positions and PSFs; whole maps made of its backgrounds are easier than
    others. The factors lie between those that both ask for.
    """
    model, info = nn.load_weights(weights, find_model_class)
    metadata = {key: value for key, value in info.items()
                if key not in ('network', 'config', 'sha256')}
    path = output / Path(weights).name
    factors = measure_factors(model, network, maps)

    def save():
        metadata.update(mode='any', validation={**metadata['validation'],
                                                **factors})
        print(json.dumps(factors, indent=1), flush=True)
        nn.save_weights(model, path, metadata)

    save()
    for name, entry in measure_maps(path, network, maps).items():
        before = calibration({'validation': factors}, name)(entry['snr'])
        factors[name] = {'snr': entry['snr'], 'factor': [
            round(float(value), 4)
            for value in np.array(entry['factor']) ** MAP_SHARE * before]}
    save()
    return path


def train(args, maps):
    """
    Train a network, and write weights and history.
    """
    settings = SETTINGS[args.network]
    batches = make_cutouts(args.network, maps, SEED)
    validation = make_cutouts(args.network, maps, SEED + 1, n_batches=12,
                              n_fields=40, n_psfs=8)
    if args.start is None:
        model, start = build_model(args.network, width=settings['width'],
                                   seed=1), 'new weights'
    else:
        model, start = nn.load_weights(args.start, find_model_class)
        start = f'weights with sha256 {start["sha256"]}'
    name = args.network
    names = (*model.inputs, *model.targets)
    history = nn.train(
        model, RecalledFields(batches, names, settings['sizes'],
                              settings['n_distinct']),
        RecalledFields(validation, names, settings['sizes'], 1),
        nn.TrainingSettings(**settings['training'], checkpoint=str(
            args.output / f'{name}.checkpoint')),
        loss=model.make_loss(**settings['loss']), progress_bar=True, seed=1,
        augment=(nn.RandomTransform(max_shift=2.0)
                 if settings.get('augment') else None))
    best = int(np.argmin(history['validation_loss']))
    metadata = {
        'mode': 'any',
        'bands': ['blue', 'green', 'red'],
        'date': datetime.date.today().isoformat(),
        'version': __version__,
        'seed': SEED,
        'start': start,
        'n_steps': (settings['cutouts']['n_batches']
                    * settings['training']['n_epochs']),
        'configuration': settings,
        'data': ('simulated backgrounds of all kinds and the real maps '
                 + ', '.join(background.name for background in maps)),
        'validation': {
            'best_epoch': best,
            **{key.removeprefix('validation_'): round(values[best], 5)
               for key, values in history.items()
               if key.startswith('validation_')},
        },
    }
    (args.output / f'{name}.json').write_text(json.dumps(history))
    path = args.output / f'{name}.safetensors'
    nn.save_weights(model, path, metadata)
    return calibrate(path, args.output, name, maps)


if __name__ == '__main__':
    main()
