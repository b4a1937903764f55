# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What several subcommands need: options, files, tables.
"""

import argparse
import os
import re
import sys
from pathlib import Path

# What messages of the library call parameters, and what options are.
_OPTIONS = (
    (r'\b(overwrite|recenter)=True', r'--\1'),
    (r'^((?:\w+Error: )?)(mode|band|network|weights|device|output_dir)'
     r'(?= must |:)', r'\1--\2'),
    (r'(?<=: )network(?= must be that)', '--network'),
    (r'--output_dir', '--output-dir'),
    (r'^((?:\w+Error: )?)apertures(?= must )', r'\1--aperture'),
    (r'^flux_levels(?= must )', '--n-levels or --flux'),
    (r'^n_sources(?= must )', '--n-sources'),
)

_WEIGHTS = ('shipped weights (see compact-removal info) or a safetensors file '
            '(default: those of the network)')

# No more rows of sources are printed.
_MAX_ROWS = 40


def describe_status(*, some_fail=False):
    """
    Tell the exit status, for the end of a help text.
    """
    some = '  1    some maps failed\n' if some_fail else ''
    return (f'exit status:\n  0    success\n{some}'
            '  2    an error, told in one line on stderr\n'
            '  130  interrupted\n')


def add_command(commands, name, function, text, epilog, *, some_fail=False):
    """
    Add a subcommand.
    """
    status = describe_status(some_fail=some_fail)
    parser = commands.add_parser(
        name, help=text, description=f'{text}.',
        epilog=f'{epilog}\n{status}', allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(function=function, parser=parser)
    return parser


def add_injection_options(parser):
    """
    Add the maps into which sources are injected, and the seed.
    """
    parser.add_argument('maps', metavar='MAP', type=Path, nargs='*',
                        help='FITS files of one mode and band')
    parser.add_argument('--catalog', metavar='CATALOG', type=Path, nargs='+',
                        default=[],
                        help='positions of real sources (.ecsv, .csv, .fits '
                             'or .reg), one file per MAP')
    parser.add_argument('--seed', type=int, default=0,
                        help='seed of everything random (default: '
                             '%(default)s)')


def add_remover_options(parser, weights=_WEIGHTS):
    """
    Add the options that make an estimator; ``weights`` is a help text.
    """
    parser.add_argument('--mode',
                        help='observing mode, such as scanmap or parallel '
                             '(default: that of the header of the map)')
    parser.add_argument('--band',
                        help='band, such as blue, or its wavelength, such as '
                             '70um (default: that of the header of the map)')
    parser.add_argument('--aperture', metavar='ARCSEC', type=float,
                        nargs='+', help='aperture radii in arcsec '
                        '(default: that of the band)')
    parser.add_argument('--network', default='separation',
                        help='separation, which sees the pixels under the '
                             'sources, or inpainting (default: %(default)s)')
    parser.add_argument('--weights', default='default', help=weights)
    parser.add_argument('--device', default='auto',
                        help='auto, cpu, cuda, ... (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def make_remover(args, meta, **params):
    """
    Make an estimator of the options, and of the header of a map.
    """
    from compact_removal.maps.headers import find_mode_and_band

    mode, band = find_mode_and_band(meta, args.mode, args.band)
    return build_remover(args, mode, band, **params)


def build_remover(args, mode, band, **params):
    """
    Make an estimator of the options, for a mode and a band.
    """
    import astropy.units as u

    from compact_removal.removal import CompactSourceRemover

    apertures = None if args.aperture is None else args.aperture * u.arcsec
    return CompactSourceRemover(
        mode, band, network=args.network, weights=args.weights,
        apertures=apertures, device=args.device, **params)


def read_map(path):
    """
    Read a map, and check that it is one.
    """
    from compact_removal.datasets import read_pacs_map
    from compact_removal.maps.images import read_image

    if not path.is_file():
        what = ('a file is needed, not the folder' if path.is_dir()
                else 'there is no file')
        msg = f'map: {what} {path}'
        raise FileNotFoundError(msg)
    try:
        image = read_pacs_map(path)
        read_image(image)
    except (TypeError, ValueError) as error:
        # those of the file have its name
        text = re.sub(r'^image\b', f'map {path}', str(error))
        raise ValueError(re.sub(r'^path\b', 'map', text)) from error
    return image


def read_positions_file(path):
    """
    Read a catalogue, and check that it has positions.
    """
    from compact_removal.maps.files import read_catalog
    from compact_removal.maps.positions import read_positions

    catalog = read_catalog(path)
    try:
        read_positions(catalog)
    except (TypeError, ValueError) as error:
        text = re.sub(r'^positions\b', f'catalog {path}', str(error))
        raise ValueError(text) from error
    return catalog


def check_catalogs(paths, maps):
    """
    Refuse catalogues that are not one per map.
    """
    if paths and len(paths) != len(maps):
        msg = (f'--catalog must name one file per MAP ({len(maps)}), got '
               f'{len(paths)}')
        raise ValueError(msg)


def check_seed(seed):
    """
    Refuse a seed that NumPy does not take.
    """
    if seed < 0:
        msg = f'--seed must not be negative, got {seed}'
        raise ValueError(msg)


def check_outputs(paths, *, overwrite):
    """
    Refuse to replace files, and folders that cannot be written to.

    This comes before any work is done.
    """
    for path in paths.values():
        if path.is_dir():
            msg = f'{path} must be a file, but there is a folder of that name'
            raise IsADirectoryError(msg)
        if path.exists() and not overwrite:
            msg = f'{path} exists; use --overwrite to replace it'
            raise FileExistsError(msg)
        folder = next(parent for parent in path.absolute().parents
                      if parent.exists())
        if not folder.is_dir():
            msg = f'{path} cannot be written: {folder} is not a folder'
            raise NotADirectoryError(msg)
        if not os.access(folder, os.W_OK | os.X_OK):
            msg = f'{path} cannot be written: no permission for {folder}'
            raise PermissionError(msg)


def write_picture(image, result, path):
    """
    Write a picture of a map and its result.
    """
    import matplotlib as mpl

    from compact_removal.plotting import plot_removal

    mpl.use('agg')
    save_figure(plot_removal(image, result)[0].figure, path)


def save_figure(figure, path):
    """
    Write a figure, and close it.
    """
    from matplotlib import pyplot as plt

    from compact_removal.utils.files import replace_file

    with replace_file(path) as temporary:
        figure.savefig(temporary, dpi=120, bbox_inches='tight')
    plt.close(figure)


def print_sources(sources, unit, path, names=None):
    """
    Print the fluxes, beside the injected ones if there are any.

    Of many rows the first are printed, sources on the map before those
    off it; ``path`` is the file that has all. ``names`` is a column of
    strings to be printed beside the numbers.
    """
    import numpy as np
    from astropy.table import Table

    from compact_removal.removal import SOURCE_FLAGS, decode_flags

    (off_map,) = (flag.value for flag in SOURCE_FLAGS
                  if flag.name == 'off_map')
    is_off = (np.asarray(sources['flags']) & off_map) != 0
    shown = np.argsort(is_off, kind='stable')[:_MAX_ROWS]
    summary = _summarize(sources['flags'])
    n_more = len(sources) - len(shown)
    sources = sources[shown]
    table = Table()
    table['id'] = sources['id']
    if names is not None:
        table[names.info.name] = names[shown]
    center = sources['sky_center'].icrs
    table['ra'] = [f'{value:.5f}' for value in center.ra.deg]
    table['dec'] = [f'{value:.5f}' for value in center.dec.deg]
    table['snr'] = [f'{value:.1f}' for value in sources['snr']]
    for name in sources.colnames:
        if 'flux' not in name:
            continue
        table[f'{name} [{unit}]'] = [
            f'{value:.5g}' for value in sources[name].to_value(unit)]
    table['flags'] = [','.join(decode_flags(flags)) or '-'
                      for flags in sources['flags']]
    print_table(table)
    if n_more:
        print(f'... {n_more} more rows in {path}')
    print(summary)


def _summarize(values):
    """
    Tell the number of positions, and how many have each flag.
    """
    import numpy as np

    from compact_removal.removal import SOURCE_FLAGS

    values = np.asarray(values)
    counts = {flag.name: np.count_nonzero(values & flag.value)
              for flag in SOURCE_FLAGS}
    text = (f'{values.size} positions, {counts.pop("off_map")} of them off '
            'the map')
    flags = ', '.join(f'{count} {name}' for name, count in counts.items()
                      if count)
    return f'{text}; flags: {flags}' if flags else text


def print_table(table):
    """
    Print all rows and columns of a table.
    """
    print('\n'.join(table.pformat(max_lines=-1, max_width=-1)))


def print_paths(paths):
    """
    Print what was written.
    """
    for name, path in paths.items():
        print(f'{name}: {path}')


def to_options(message):
    """
    Put a message of the library on one line, with options of the command.
    """
    from compact_removal.utils.text import one_line

    text = one_line(message)
    for pattern, option in _OPTIONS:
        text = re.sub(pattern, option, text)
    return text


def print_warning(message):
    """
    Print one line on stderr, whatever the message holds.
    """
    print(f'compact-removal: warning: {to_options(message)}', file=sys.stderr)
