# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The ``compact-removal`` command.

Results go to stdout, progress and warnings to stderr. The exit status
is 0 on success and 2 on bad input, which is told in one line.
"""

import argparse
import sys
import warnings
from pathlib import Path

from compact_removal import __version__

__all__ = ['main']

_EXIT_OK = 0
_EXIT_BAD_INPUT = 2
_EXIT_INTERRUPTED = 130

_CATALOG_FORMATS = {'.ecsv': 'ascii.ecsv', '.csv': 'ascii.csv',
                    '.fits': 'fits', '.fit': 'fits', '.fits.gz': 'fits',
                    '.reg': 'ds9'}

_DEMO_EXAMPLE = """\
example:
  compact-removal demo --output-dir try --seed 7
"""

_REMOVE_EXAMPLE = """\
CATALOG has the columns ra and dec (ECSV, CSV or FITS; degrees if there is
no unit) or a column of sky coordinates (ECSV), or it is a DS9 region file.

example:
  compact-removal remove map.fits catalog.csv --mode scanmap --band blue
"""

_INFO_EXAMPLE = """\
example:
  compact-removal info
"""


class _Parser(argparse.ArgumentParser):
    """
    A parser that tells errors in one line.
    """

    def error(self, message):
        """
        Exit with one line on stderr.

        Parameters
        ----------
        message : str
            What is wrong.
        """
        _print_error(f'{message} (see {self.prog} --help)')
        self.exit(_EXIT_BAD_INPUT)


def _print_error(message):
    """
    Print one line on stderr, whatever the message holds.
    """
    text = ' '.join(str(message).split())
    print(f'compact-removal: error: {text}', file=sys.stderr)


def _print_warning(message, category, filename, lineno, file=None,
                   line=None):
    """
    Print a warning as one line, in place of `warnings.showwarning`.
    """
    del category, filename, lineno, file, line
    text = ' '.join(str(message).split())
    print(f'compact-removal: warning: {text}', file=sys.stderr)


def _make_parser():
    """
    Make the parser of all subcommands.
    """
    parser = _Parser(
        prog='compact-removal', allow_abbrev=False,
        description='Remove compact sources from maps with structured '
                    'backgrounds, and measure them.',
        epilog=_REMOVE_EXAMPLE.split('\n\n')[1],
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action='version',
                        version=f'compact-removal {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND',
                                     required=True)
    _add_demo(commands)
    _add_remove(commands)
    _add_info(commands)
    return parser


def _add_command(commands, name, function, text, epilog):
    """
    Add a subcommand.
    """
    parser = commands.add_parser(
        name, help=text, description=f'{text}.', epilog=epilog,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.set_defaults(function=function)
    return parser


def _add_demo(commands):
    """
    Add ``demo``.
    """
    parser = _add_command(commands, 'demo', _run_demo,
                          'Run on a simulated field, and compare with what '
                          'was put in', _DEMO_EXAMPLE)
    parser.add_argument('--output-dir', default='compact_removal_demo',
                        metavar='DIR', type=Path,
                        help='where to write (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=1,
                        help='seed of the field (default: %(default)s)')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def _add_remove(commands):
    """
    Add ``remove``.
    """
    parser = _add_command(commands, 'remove', _run_remove,
                          'Remove the sources of a catalogue from a map',
                          _REMOVE_EXAMPLE)
    parser.add_argument('map', metavar='MAP', type=Path,
                        help='FITS file with the map')
    parser.add_argument('catalog', metavar='CATALOG', type=Path,
                        help='positions (.ecsv, .csv, .fits or .reg)')
    parser.add_argument('--mode', required=True,
                        help='observing mode, such as scanmap or parallel')
    parser.add_argument('--band', required=True,
                        help='band, such as blue, or its wavelength, such as '
                             '70um')
    parser.add_argument('--output', metavar='PREFIX', type=Path,
                        help='folder and beginning of the names of the '
                             'output files (default: the name of MAP, in '
                             'this folder)')
    parser.add_argument('--aperture', metavar='ARCSEC', type=float,
                        nargs='+', help='aperture radii in arcsec '
                        '(default: that of the band)')
    parser.add_argument('--network', default='separation',
                        help='separation, which sees the pixels under the '
                             'sources, or inpainting (default: %(default)s)')
    parser.add_argument('--weights', default='default',
                        help='shipped weights (see compact-removal info) or '
                             'a safetensors file (default: those of the '
                             'network)')
    parser.add_argument('--device', default='auto',
                        help='auto, cpu, cuda, ... (default: %(default)s)')
    parser.add_argument('--recenter', action='store_true',
                        help='move positions to the centroids first')
    parser.add_argument('--plot', action='store_true',
                        help='write a picture (PNG), too')
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def _add_info(commands):
    """
    Add ``info``.
    """
    _add_command(commands, 'info', _run_info,
                 'List versions, modes, bands and trained weights',
                 _INFO_EXAMPLE)


def _run_demo(args):
    """
    Run the main job on a simulated field.
    """
    import astropy.units as u

    from compact_removal.datasets import make_example_field
    from compact_removal.estimators import CompactSourceRemover

    folder = args.output_dir
    paths = {'background': folder / 'background.fits',
             'sources': folder / 'sources.ecsv',
             'picture': folder / 'removal.png'}
    _check_outputs(paths, overwrite=args.overwrite)
    if args.seed < 0:
        msg = f'--seed must not be negative, got {args.seed}'
        raise ValueError(msg)
    image, catalog = make_example_field(seed=args.seed)
    remover = CompactSourceRemover('scanmap', 'blue',
                                   progress_bar=sys.stderr.isatty())
    result = remover.remove(image, catalog['sky_center'])
    sources = result.sources
    # Before the measured ones, where the eye looks for it.
    sources.add_column(catalog['flux'].to(sources['flux'].unit),
                       name='injected_flux',
                       index=sources.colnames.index('flux'))
    _write(image, result, paths, overwrite=args.overwrite)

    ny, nx = image.data.shape
    print(f'Simulated field: {nx} x {ny} pixels, {len(sources)} sources, '
          f'seed {args.seed}')
    print()
    _print_sources(sources, u.mJy)
    print()
    _print_scatter(sources, u.mJy)
    print()
    _print_paths(paths)


def _run_remove(args):
    """
    Remove sources from the user's map.
    """
    import astropy.units as u

    from compact_removal.datasets import read_pacs_map
    from compact_removal.estimators import CompactSourceRemover
    from compact_removal.instruments import get_band

    get_band(args.mode, args.band)
    prefix = args.output
    if prefix is None:
        prefix = Path(args.map.name.removesuffix('.gz')).with_suffix('')
    paths = {'background': Path(f'{prefix}_background.fits'),
             'sources': Path(f'{prefix}_sources.ecsv')}
    if args.plot:
        paths['picture'] = Path(f'{prefix}_removal.png')
    _check_outputs(paths, overwrite=args.overwrite)
    apertures = None if args.aperture is None else args.aperture * u.arcsec
    remover = CompactSourceRemover(
        args.mode, args.band, network=args.network, weights=args.weights,
        apertures=apertures, device=args.device, recenter=args.recenter,
        progress_bar=sys.stderr.isatty())
    if not args.map.is_file():
        msg = f'map: there is no file {args.map}'
        raise FileNotFoundError(msg)
    positions = _read_catalog(args.catalog)
    image = read_pacs_map(args.map)
    result = remover.remove(image, positions)
    _write(image, result, paths, overwrite=args.overwrite)
    _print_sources(result.sources, result.sources['flux'].unit)
    print()
    _print_paths(paths)


def _run_info(args):
    """
    Print versions, bands and weights.
    """
    del args
    from importlib.metadata import version

    from compact_removal.instruments import list_bands
    from compact_removal.nn import list_weights

    names = ('astropy', 'photutils', 'torch')
    print(f'compact-removal {__version__} (Python '
          f'{sys.version.split()[0]}, '
          + ', '.join(f'{name} {version(name)}' for name in names) + ')')
    print('\nModes and bands:')
    _print_table(list_bands())
    print('\nWeights:')
    rows = list_weights()
    if not rows:
        print('none')
    for row in rows:
        print(row.pop('name'))
        for key, value in row.items():
            print(f'    {key}: {value}')


def _check_outputs(paths, *, overwrite):
    """
    Refuse to replace files before any work is done.
    """
    for path in paths.values():
        if path.exists() and not overwrite:
            msg = f'{path} exists; use --overwrite to replace it'
            raise FileExistsError(msg)


def _read_catalog(path):
    """
    Read positions: a table, or a list of regions.
    """
    name = path.name.lower()
    suffix = '.fits.gz' if name.endswith('.fits.gz') else path.suffix.lower()
    if suffix not in _CATALOG_FORMATS:
        allowed = ', '.join(_CATALOG_FORMATS)
        msg = f'catalog must be a file of type {allowed}, got {path}'
        raise ValueError(msg)
    if not path.is_file():
        msg = f'catalog: there is no file {path}'
        raise FileNotFoundError(msg)
    file_format = _CATALOG_FORMATS[suffix]
    try:
        if file_format == 'ds9':
            from regions import Regions

            return list(Regions.read(path, format='ds9'))
        from astropy.table import QTable

        return QTable.read(path, format=file_format)
    except (OSError, ValueError, TypeError, KeyError, IndexError) as error:
        msg = f'catalog: {path} could not be read: {error}'
        raise ValueError(msg) from error


def _write(image, result, paths, *, overwrite):
    """
    Write background, table and, if asked for, picture.
    """
    from astropy.io import fits

    background, sources = result
    paths['background'].parent.mkdir(parents=True, exist_ok=True)
    hdus = background.to_hdu(as_image_hdu=False)
    hdus.append(fits.ImageHDU(background.flags, name='FLAGS'))
    hdus.writeto(paths['background'], overwrite=overwrite)
    sources.write(paths['sources'], format='ascii.ecsv', overwrite=overwrite)
    if 'picture' in paths:
        import matplotlib as mpl

        from compact_removal.plotting import plot_removal

        mpl.use('agg')
        from matplotlib import pyplot as plt

        figure = plot_removal(image, result)[0].figure
        figure.savefig(paths['picture'], dpi=120, bbox_inches='tight')
        plt.close(figure)


def _print_sources(sources, unit):
    """
    Print the fluxes, beside the injected ones if there are any.
    """
    from astropy.table import Table

    from compact_removal.estimators import decode_flags

    table = Table()
    table['id'] = sources['id']
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
    _print_table(table)


def _print_table(table):
    """
    Print all rows and columns of a table.
    """
    print('\n'.join(table.pformat(max_lines=-1, max_width=-1)))


def _print_scatter(sources, unit):
    """
    Print how far measured and injected fluxes are apart.
    """
    import numpy as np

    truth = sources['injected_flux'].to_value(unit)
    print('Measured minus injected flux (median, and scatter as '
          'interquartile range / 1.349):')
    for text, name in (('network', 'flux'), ('annulus', 'annulus_flux')):
        error = sources[name].to_value(unit) - truth
        error = error[np.isfinite(error)]
        low, middle, high = np.percentile(error, [25, 50, 75])
        print(f'  {text}: median {middle:+.4g} {unit}, scatter '
              f'{(high - low) / 1.349:.4g} {unit} ({error.size} sources)')


def _print_paths(paths):
    """
    Print what was written.
    """
    for name, path in paths.items():
        print(f'{name}: {path}')


def main(argv=None):
    """
    Run the ``compact-removal`` command.

    Parameters
    ----------
    argv : list of str, optional
        The arguments; default: those of the process.

    Returns
    -------
    status : int
        The exit status: 0, or 2 on bad input.

    Examples
    --------
    >>> from compact_removal.cli import main
    >>> main(['info'])  # doctest: +ELLIPSIS
    compact-removal ...
    """
    args = _make_parser().parse_args(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        try:
            args.function(args)
        except (OSError, TypeError, ValueError) as error:
            _print_error(error)
            return _EXIT_BAD_INPUT
        except KeyboardInterrupt:
            _print_error('interrupted')
            return _EXIT_INTERRUPTED
    return _EXIT_OK


if __name__ == '__main__':
    sys.exit(main())
