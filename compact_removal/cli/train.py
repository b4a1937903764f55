# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal train``.
"""

import contextlib
import inspect
import logging
import shlex
import sys
from importlib import import_module
from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.inputs import (add_unit, check_catalogs, check_inputs,
                                        check_maps, check_outputs, check_seed,
                                        read_map, read_positions_file)
from compact_removal.cli.options import (add_options, describe_maps,
                                         format_options)
from compact_removal.cli.output import print_paths, print_table, save_figure
from compact_removal.utils.parameters import ParameterError

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'MORE', 'add_arguments', 'run']

HELP = 'Train a network on maps, or on simulated ones'

ESTIMATOR = 'any'

EPILOG = """\
--weights is where to start, or none for random ones. The epoch that is best on
validation data counts. FILE holds the network, and is allowed as --weights;
the losses are written beside it (ECSV, PNG). A training that was interrupted
or killed is resumed by the same command, from FILE.checkpoint, which is
deleted at the end.
"""

# What is said for single estimators.
MORE = {'CompactSourceRemover': """\

Sources are injected into each MAP, away from the real ones in CATALOG (one per
MAP); without a MAP, into simulated ones.

example:
  compact-removal train a.fits b.fits --validation c.fits --n-epochs 20
  compact-removal train --mode scanmap --band red --weights none --seed 3
"""}

# Settings of the training that are no options.
_NO_OPTIONS = ('checkpoint', 'loss')
_LEAST_BATCH = 2


def add_arguments(parser, estimator):
    """
    Add the options.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.
    estimator : type
        The class of the estimator.
    """
    if not hasattr(estimator, 'fit'):
        parser.error(f'--estimator must be one that can be trained, got '
                     f'{estimator.__name__}')
    parser.add_argument('maps', metavar='MAP', type=Path, nargs='*',
                        help=describe_maps(estimator, estimator.fit))
    taken = inspect.signature(estimator.fit).parameters
    if 'catalogs' in taken:
        parser.add_argument('--catalog', metavar='CATALOG', type=Path,
                            nargs='+', default=[], dest='catalogs',
                            help='positions of real sources (.ecsv, .csv, '
                                 '.fits or .reg), one file per MAP')
    if 'validation' in taken:
        parser.add_argument('--validation', metavar='MAP', type=Path,
                            nargs='+', default=[],
                            help='maps for validation (default: other parts '
                                 'of the maps)')
    if 'contaminants' in taken:
        parser.add_argument('--dark', metavar='FILE', type=Path, nargs='+',
                            default=[], dest='darks',
                            help='dark frames, whose cosmic rays are learned')
        parser.add_argument('--learn', metavar='CLASS', nargs='+', default=[],
                            help='other classes to learn, simulated (default: '
                                 'all, or with --dark none)')
    parser.add_argument('--output', metavar='FILE', type=Path,
                        help='where to write (default: '
                             f'{_find_default(estimator)}.safetensors in this '
                             'folder)')
    add_options(parser, estimator)
    settings = parser.add_argument_group(
        'settings of the training', 'The defaults are those of the network.')
    add_options(settings, estimator.training_class, skip=_NO_OPTIONS,
                with_defaults=False)
    add_unit(parser)
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Train, save, and print how it went.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.
    """
    training = _read_settings(args)
    check_seed(getattr(args, 'seed', 0))
    files = {name: getattr(args, name) for name in
             ('maps', 'catalogs', 'validation', 'darks')
             if hasattr(args, name)}
    check_catalogs(files.get('catalogs'), args.maps)
    check_inputs({'map': [*args.maps, *files.get('validation', [])],
                  'catalog': files.get('catalogs', []),
                  '--dark': files.get('darks', [])},
                 getattr(args, 'weights', None))
    images = {name: {path: read_map(path, args.estimator_class,
                                    unit=args.unit)
                     for path in files.get(name, [])}
              for name in ('maps', 'validation', 'darks')}
    data = {'validation': list(images['validation'].values()),
            'catalogs': [read_positions_file(path, image) for path, image
                         in zip(files.get('catalogs', []),
                                images['maps'].values(), strict=False)]}
    data = {name: values or None for name, values in data.items()
            if name in files}
    if files.get('darks') or getattr(args, 'learn', None):
        darks = list(images.pop('darks').values())
        data['contaminants'] = {**dict.fromkeys(args.learn),
                                **({'CR': darks} if darks else {})}
    if getattr(args, 'weights', None) == 'none':
        args.weights = None
    meta = next((image.meta for found in images.values()
                 for image in found.values()), {})
    estimator = make_estimator(args, meta)
    estimator.check_params()
    for found in images.values():
        check_maps(found, estimator)
    paths = _output_paths(args, estimator)
    check_outputs(paths, overwrite=args.overwrite)
    checkpoint = Path(f'{paths["network"]}.checkpoint')
    settings = _describe(estimator, training, files)
    if getattr(args, 'learn', None):
        settings['learn'] = args.learn
    paths['network'].parent.mkdir(parents=True, exist_ok=True)
    if _prepare(checkpoint, settings, overwrite=args.overwrite):
        print(f'resuming the training of {checkpoint}', file=sys.stderr)
    try:
        _fit(estimator, list(images['maps'].values()) or None, checkpoint,
             training=training, **data)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(_describe_resumption(checkpoint)) from error
    finally:
        if not checkpoint.exists():
            _settings_path(checkpoint).unlink(missing_ok=True)
    estimator.save(paths['network'], overwrite=args.overwrite)
    _write_history(estimator, paths)
    for path in (checkpoint, _settings_path(checkpoint)):
        path.unlink(missing_ok=True)
    _print_training(args, estimator, paths)


def _find_default(estimator):
    """
    How the file is called by default, for help texts.
    """
    parameters = inspect.signature(estimator).parameters
    return ('<mode>_<band>' if {'mode', 'band'} <= set(parameters)
            else estimator.__name__)


def _read_settings(args):
    """
    Settings of the training that were given.
    """
    size = getattr(args, 'batch_size', None)
    if size is not None and size < _LEAST_BATCH:
        msg = f'batch_size must be at least {_LEAST_BATCH}, got {size}'
        raise ParameterError(msg, 'batch_size')
    settings = args.estimator_class.training_class
    given = {name: getattr(args, name) for name in settings.names()
             if getattr(args, name, None) is not None}
    # errors of single values come before anything else
    settings(**given)
    return given


def _find_names(estimator):
    """
    Network, and names of mode and band, where the estimator has them.
    """
    from compact_removal.instruments import get_band

    params = estimator.get_params()
    names = {'network': params['network']} if 'network' in params else {}
    if {'mode', 'band'} <= set(params):
        band = get_band(params['mode'], params['band'])
        names.update(mode=band.mode, band=band.name)
    return names


def _output_paths(args, estimator):
    """
    What is to be written.
    """
    path = args.output
    if path is None:
        names = _find_names(estimator)
        names.pop('network', None)
        stem = '_'.join(names.values()) or type(estimator).__name__
        path = Path(f'{stem}.safetensors')
    if path.suffix != '.safetensors':
        msg = f'output must end with .safetensors, got {path}'
        raise ParameterError(msg, 'output')
    return {'network': path,
            'history': path.with_name(f'{path.stem}_history.ecsv'),
            'picture': path.with_name(f'{path.stem}_history.png')}


def _describe(estimator, training, files):
    """
    All that decides on the result, as JSON can hold it.
    """
    from compact_removal.utils.files import compute_sha256, resolve_path

    params = {**estimator.get_params(), **_find_names(estimator)}
    for name in ('device', 'progress_bar'):
        params.pop(name, None)
    weights = params.get('weights')
    if weights is not None and resolve_path(weights).is_file():
        params['weights'] = compute_sha256(resolve_path(weights))
    plain = {name: value if isinstance(value, (bool, int, float, str))
             else str(value) for name, value in params.items()}
    training = {name: value for name, value in training.items()
                if name != 'n_workers'}
    return {'estimator': type(estimator).__name__, **plain, **training,
            **{name: [compute_sha256(path) for path in paths]
               for name, paths in files.items() if paths or name != 'darks'}}


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


def _fit(estimator, maps, checkpoint, *, training, **kwargs):
    """
    Train, with advice where it diverges.
    """
    from compact_removal.nn import TrainingDivergedError

    try:
        with _print_epochs(sys.stderr.isatty()):
            estimator.fit(maps, training={**training,
                                          'checkpoint': str(checkpoint)},
                          **kwargs)
    except ParameterError as error:
        # of a setting, the option is that of the setting
        inner = error.__cause__
        if (error.parameter == 'training'
                and getattr(inner, 'parameter', '') not in ('', 'loss')):
            raise inner from None
        raise
    except TrainingDivergedError as error:
        option = ' and --overwrite' if checkpoint.exists() else ''
        msg = f'{error}; try a lower --learning-rate{option}'
        raise RuntimeError(msg) from error


@contextlib.contextmanager
def _print_epochs(progress_bar):
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


def _describe_resumption(checkpoint):
    """
    What to do after Ctrl-C.
    """
    if checkpoint.exists():
        return ('interrupted; the same command resumes the training from '
                f'{checkpoint}')
    return ('interrupted in the first epoch; the same command starts from the '
            'beginning')


def _write_history(estimator, paths):
    """
    Write losses and learning rates, and a picture of them.
    """
    import matplotlib as mpl
    from astropy.table import Table

    from compact_removal.plotting import plot_history
    from compact_removal.utils.files import replace_file

    mpl.use('agg')
    with replace_file(paths['history']) as path:
        Table(estimator.history_).write(path, format='ascii.ecsv')
    save_figure(plot_history(estimator.history_)[0].figure, paths['picture'])


def _print_training(args, estimator, paths):
    """
    Print losses, validation figures and the next command.
    """
    import numpy as np
    from astropy.table import Table

    info, history = estimator.info_, estimator.history_
    start = info.get('started_from') or 'random weights'
    n_maps = len(args.maps)
    data = f'maps: {n_maps}' if n_maps else 'simulated maps'
    what = ', '.join(f'{name} {value}' for name, value
                     in _find_names(estimator).items())
    print(f'{what or type(estimator).__name__}; epochs: '
          f'{len(history["epoch"])}; {data}; started from {start}')
    print()
    rows = {'first': 0, 'best': int(np.argmin(history['validation_loss'])),
            'last': -1}
    table = Table({'which': list(rows)})
    for name in ('epoch', 'loss', 'validation_loss'):
        table[name] = [history[name][row] for row in rows.values()]
        table[name].info.format = '' if name == 'epoch' else '.5g'
    print_table(table)
    print()
    if 'validation' in info:
        _print_validation(info['validation'])
        print()
    print_paths(paths)
    print()
    print('To use it:')
    print(f'  {_describe_use(estimator, paths["network"])}')


def _print_validation(validation):
    """
    Print the factors on the errors that the network predicts.
    """
    from astropy.table import Table

    if not validation:
        print('Too few sources for validation: errors are as the network '
              'predicts them.')
        return
    print('Validation: factors on the errors that the network predicts, by '
          'signal-to-noise ratio')
    # both are measured at the same ratios
    first = next(iter(validation.values()))
    print_table(Table({'snr': first['snr'],
                       **{name: entry['factor']
                          for name, entry in validation.items()}}))


def _describe_use(estimator, path):
    """
    The command of the estimator with the network, or else Python.
    """
    from compact_removal.cli import COMMANDS

    kind = type(estimator)
    for verb, module in COMMANDS.items():
        command = import_module(module)
        if command.ESTIMATOR == kind.__name__ and hasattr(command, 'USAGE'):
            values = {**estimator.get_params(), **_find_names(estimator),
                      'weights': str(path)}
            for name in estimator.no_effect:
                values.pop(name, None)
            return shlex.join(['compact-removal', verb,
                               *command.USAGE.split(),
                               *format_options(kind, values)])
    return f'{kind.__name__}.load({str(path)!r})'
