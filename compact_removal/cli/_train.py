# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal train``.
"""

import contextlib
import logging
import math
import shlex
import sys
from pathlib import Path

from compact_removal.cli._common import (add_command, add_injection_options,
                                         add_remover_options, check_catalogs,
                                         check_outputs, check_seed,
                                         make_remover, print_paths,
                                         print_table, read_map,
                                         read_positions_file, save_figure)

_EXAMPLE = """\
Sources are injected into each MAP, away from the real ones in CATALOG (one
per MAP); without a MAP, into simulated ones. The epoch that is best on
validation data counts. FILE holds the network, and is allowed as --weights;
the losses are written beside it (ECSV, PNG). A training that was interrupted
or killed is resumed by the same command, from FILE.checkpoint, which is
deleted at the end.

example:
  compact-removal train a.fits b.fits --validation c.fits --n-epochs 20
  compact-removal train --mode scanmap --band red --weights none --seed 3
"""

_WEIGHTS = ('where to start: shipped weights, a safetensors file, or none for '
            'random ones (default: the shipped ones of the network)')

# Options that are settings of the training, and the least value.
_COUNTS = {'n_epochs': 1, 'n_batches': 1, 'n_fields': 1}
_LEAST_BATCH = 2


def add_train(commands):
    """
    Add ``train``.
    """
    parser = add_command(commands, 'train', _run_train,
                         'Train a network on maps, or on simulated ones',
                         _EXAMPLE)
    add_injection_options(parser)
    parser.add_argument('--validation', metavar='MAP', type=Path, nargs='+',
                        default=[],
                        help='maps for validation (default: other cutouts of '
                             'the maps)')
    parser.add_argument('--output', metavar='FILE', type=Path,
                        help='where to write (default: '
                             '<mode>_<band>.safetensors in this folder)')
    parser.add_argument('--n-epochs', metavar='N', type=int,
                        help='number of epochs (default: 100)')
    parser.add_argument('--n-batches', metavar='N', type=int,
                        help='batches per epoch (default: 100)')
    parser.add_argument('--n-fields', metavar='N', type=int,
                        help='simulated maps, without a MAP (default: 400)')
    parser.add_argument('--learning-rate', metavar='RATE', type=float,
                        help='the first one (default: 0.0001, for inpainting '
                             '0.0005; ten times that from random weights)')
    parser.add_argument('--batch-size', metavar='N', type=int, default=64,
                        help='cutouts per batch (default: %(default)s)')
    add_remover_options(parser, _WEIGHTS)


def _run_train(args):
    """
    Train, save, and print how it went.
    """
    training = _read_settings(args)
    check_seed(args.seed)
    check_catalogs(args.catalog, args.maps)
    maps, validation = ([read_map(path) for path in paths]
                        for paths in (args.maps, args.validation))
    catalogs = [read_positions_file(path) for path in args.catalog]
    if args.weights == 'none':
        args.weights = None
    meta = next((image.meta for image in maps + validation), {})
    remover = make_remover(args, meta, batch_size=args.batch_size,
                           seed=args.seed, progress_bar=sys.stderr.isatty())
    band = _check_remover(remover, maps + validation)
    paths = _output_paths(args, band)
    check_outputs(paths, overwrite=args.overwrite)
    checkpoint = Path(f'{paths["network"]}.checkpoint')
    settings = _describe(args, remover, band, training)
    paths['network'].parent.mkdir(parents=True, exist_ok=True)
    if _prepare(checkpoint, settings, overwrite=args.overwrite):
        print(f'resuming the training of {checkpoint}', file=sys.stderr)
    try:
        _fit(remover, maps or None, checkpoint, catalogs=catalogs or None,
             validation=validation or None, training=training)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(_tell_how_to_resume(checkpoint)) from error
    finally:
        if not checkpoint.exists():
            _settings_path(checkpoint).unlink(missing_ok=True)
    remover.save(paths['network'], overwrite=args.overwrite)
    _write_history(remover, paths)
    for path in (checkpoint, _settings_path(checkpoint)):
        path.unlink(missing_ok=True)
    _print_training(args, remover, band, paths)


def _read_settings(args):
    """
    Settings of the training that were given.
    """
    for name, least in (*_COUNTS.items(), ('batch_size', _LEAST_BATCH)):
        value = getattr(args, name)
        if value is not None and value < least:
            msg = (f'--{name.replace("_", "-")} must be at least {least}, got '
                   f'{value}')
            raise ValueError(msg)
    rate = args.learning_rate
    if rate is not None and not 0 < rate < math.inf:
        msg = f'--learning-rate must be a positive number, got {rate:g}'
        raise ValueError(msg)
    return {name: getattr(args, name) for name in (*_COUNTS, 'learning_rate')
            if getattr(args, name) is not None}


def _check_remover(remover, images):
    """
    Refuse what would fail after the training only; return the band.
    """
    from compact_removal.maps.headers import warn_of_band
    from compact_removal.photometry.corrections import check_apertures

    band = remover._check()
    check_apertures(remover.apertures, band)
    for image in images:
        warn_of_band(image, band)
    return band


def _output_paths(args, band):
    """
    What is to be written.
    """
    path = args.output
    if path is None:
        path = Path(f'{band.mode}_{band.name}.safetensors')
    if path.suffix != '.safetensors':
        msg = f'--output must end with .safetensors, got {path}'
        raise ValueError(msg)
    return {'network': path,
            'history': path.with_name(f'{path.stem}_history.ecsv'),
            'picture': path.with_name(f'{path.stem}_history.png')}


def _describe(args, remover, band, training):
    """
    All that decides on the result, as JSON can hold it.
    """
    from compact_removal.removal.training import training_settings
    from compact_removal.utils.files import compute_sha256

    weights = 'none' if args.weights is None else args.weights
    if Path(weights).is_file():
        weights = compute_sha256(weights)
    return {'mode': band.mode, 'band': band.name, 'network': args.network,
            'weights': weights, 'batch_size': args.batch_size,
            'seed': args.seed, **training_settings(remover, training),
            **{name: [compute_sha256(path) for path in getattr(args, name)]
               for name in ('maps', 'catalog', 'validation')}}


def _settings_path(checkpoint):
    """
    The file with the settings of a checkpoint.
    """
    return checkpoint.with_name(f'{checkpoint.name}.json')


def _prepare(checkpoint, settings, *, overwrite):
    """
    Keep the checkpoint of the same training, and no other.

    Returns whether there is one.
    """
    from compact_removal.utils.files import is_temporary
    from compact_removal.utils.records import read_record, write_record

    for path in checkpoint.parent.iterdir():
        # what killed writers of this checkpoint left
        if is_temporary(path.name, checkpoint.name):
            path.unlink(missing_ok=True)
    path = _settings_path(checkpoint)
    if checkpoint.exists():
        found = read_record(path)
        if found == settings:
            return True
        if not overwrite:
            names = [name for name in settings
                     if settings[name] != found.get(name)]
            msg = (f'{checkpoint} is of a training with other settings '
                   f'({", ".join(names)}); use --overwrite to begin anew, or '
                   'another --output')
            raise FileExistsError(msg)
        checkpoint.unlink()
    write_record(path, settings)
    return False


def _fit(remover, maps, checkpoint, *, training, **kwargs):
    """
    Train, with advice where it diverges.
    """
    from compact_removal.nn.training import TrainingDivergedError

    try:
        with _tell_epochs(remover.progress_bar):
            remover.fit(maps, training={**training,
                                        'checkpoint': str(checkpoint)},
                        **kwargs)
    except TrainingDivergedError as error:
        option = ' and --overwrite' if checkpoint.exists() else ''
        msg = f'{error}; try a lower --learning-rate{option}'
        raise RuntimeError(msg) from error


@contextlib.contextmanager
def _tell_epochs(progress_bar):
    """
    Print a line for each epoch on stderr, where no bar is shown.
    """
    if progress_bar:
        yield
        return
    log = logging.getLogger('compact_removal.nn')
    handler = logging.StreamHandler(sys.stderr)
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def _tell_how_to_resume(checkpoint):
    """
    What to do after Ctrl-C.
    """
    if checkpoint.exists():
        return ('interrupted; the same command resumes the training from '
                f'{checkpoint}')
    return ('interrupted in the first epoch; the same command starts from the '
            'beginning')


def _write_history(remover, paths):
    """
    Write losses and learning rates, and a picture of them.
    """
    import matplotlib as mpl
    from astropy.table import Table

    from compact_removal.plotting import plot_history
    from compact_removal.utils.files import replace_file

    mpl.use('agg')
    with replace_file(paths['history']) as path:
        Table(remover.history_).write(path, format='ascii.ecsv')
    save_figure(plot_history(remover.history_)[0].figure, paths['picture'])


def _print_training(args, remover, band, paths):
    """
    Print losses, validation figures and the next command.
    """
    import numpy as np
    from astropy.table import Table

    info, history = remover.info_, remover.history_
    start = info['started_from'] or 'random weights'
    n_maps = len(args.maps)
    data = f'maps: {n_maps}' if n_maps else 'simulated maps'
    print(f'network {args.network}, mode {band.mode}, band {band.name}; '
          f'epochs: {remover.n_epochs_}; {data}; started from {start}')
    print()
    rows = {'first': 0, 'best': int(np.argmin(history['validation_loss'])),
            'last': -1}
    table = Table({'which': list(rows)})
    for name in ('epoch', 'loss', 'validation_loss'):
        table[name] = [history[name][row] for row in rows.values()]
        table[name].info.format = '' if name == 'epoch' else '.5g'
    print_table(table)
    print()
    _print_validation(info['validation'])
    print()
    print_paths(paths)
    print()
    print('To use it:')
    print('  ' + shlex.join(_next_command(args, band, paths['network'])))


def _print_validation(validation):
    """
    Print the factors on the errors that the network tells.
    """
    from astropy.table import Table

    if not validation:
        print('Too few sources for validation: errors are as the network '
              'tells them.')
        return
    print('Validation: factors on the errors that the network tells, by '
          'signal-to-noise ratio')
    # both are measured at the same ratios
    first = next(iter(validation.values()))
    print_table(Table({'snr': first['snr'],
                       **{name: entry['factor']
                          for name, entry in validation.items()}}))


def _next_command(args, band, path):
    """
    The command that removes sources with the network, in words.
    """
    options = ['--weights', str(path), '--mode', band.mode, '--band',
               band.name]
    if args.network != 'separation':
        options += ['--network', args.network]
    if args.aperture is not None:
        options += ['--aperture', *(f'{value:g}' for value in args.aperture)]
    return ['compact-removal', 'remove', 'map.fits', 'catalog.csv', *options]
