# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The ``compact-removal`` command.

Results go to stdout, progress and warnings to stderr. The exit status
is 0 on success, 1 if some maps of many failed, 2 on an error, which is
described in one line, and 130 if interrupted (141 if whoever reads
stdout has left, as ``head`` does).

A verb is a module and a line in ``COMMANDS``. The module has ``HELP``
(one line), ``EPILOG`` (the end of its help text), ``add_arguments``
and ``run``. ``ESTIMATOR`` is the name of the estimator that the verb
is for, `None` if it needs none, or ``'any'``: then there is the option
``--estimator``. ``add_arguments(parser, estimator)`` gets the class of
the estimator, or `None`; ``run(args)`` may return an exit status.
``SOME_FAIL = True`` is for verbs that return 1 if some maps failed.
"""

import os
import select
import sys
import traceback
import warnings
from importlib import import_module

from compact_removal import __version__
from compact_removal.cli.parser import (EXIT_ERROR, Parser, describe_status,
                                        print_error, print_warning)

__all__ = ['COMMANDS', 'main', 'make_parser']

# Verbs, in the order of the help text, and their modules.
COMMANDS = {
    'demo': 'compact_removal.cli.demo',
    'find': 'compact_removal.cli.find',
    'remove': 'compact_removal.cli.remove',
    'deblend': 'compact_removal.cli.deblend',
    'mask': 'compact_removal.cli.mask',
    'tracking': 'compact_removal.cli.tracking',
    'batch': 'compact_removal.cli.batch',
    'evaluate': 'compact_removal.cli.evaluate',
    'train': 'compact_removal.cli.train',
    'info': 'compact_removal.cli.info',
}

_EXIT_OK = 0
_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141

_EXAMPLE = """\
example:
  compact-removal remove map.fits catalog.csv --mode scanmap --band blue
"""

_ERRORS = (OSError, MemoryError, RuntimeError, TypeError, ValueError)


def make_parser(verb=None, argv=()):
    """
    Make the parser of a verb, or that of the verbs.

    Parameters
    ----------
    verb : str, optional
        A key of ``COMMANDS``. Default: the parser of the first
        argument.
    argv : sequence of str, optional
        The arguments behind the verb, in which ``--estimator`` is
        sought: it decides on the other options.

    Returns
    -------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.

    Examples
    --------
    >>> from compact_removal.cli import make_parser
    >>> make_parser('info').prog
    'compact-removal info'
    """
    if verb is None:
        return _make_first_parser()
    command = import_module(COMMANDS[verb])
    status = describe_status(some_fail=getattr(command, 'SOME_FAIL', False))
    parser = Parser(prog=f'compact-removal {verb}',
                    description=f'{command.HELP}.')
    estimator = None
    if command.ESTIMATOR is not None:
        from compact_removal.cli.estimators import find_estimator

        estimator = find_estimator(parser, command.ESTIMATOR, argv)
    more = getattr(command, 'MORE', {}).get(getattr(
        estimator, '__name__', None), '')
    parser.epilog = f'{command.EPILOG}{more}\n{status}'
    command.add_arguments(parser, estimator)
    parser.add_argument('--traceback', action='store_true',
                        help='print where an error came from, too')
    parser.set_defaults(run=command.run, estimator_class=estimator)
    return parser


def _make_first_parser():
    """
    Make the parser of the first argument.
    """
    width = max(map(len, COMMANDS))
    lines = [f'  {verb:{width}}  {import_module(name).HELP}'
             for verb, name in COMMANDS.items()]
    parser = Parser(
        prog='compact-removal',
        description='Remove compact sources from maps with structured '
                    'backgrounds, and measure them.',
        usage='compact-removal [--help] [--version] COMMAND ...',
        epilog='commands (each has --help):\n' + '\n'.join(lines)
               + f'\n\n{_EXAMPLE}\n{describe_status(some_fail=True)}')
    parser.add_argument('--version', action='version',
                        version=f'compact-removal {__version__}')
    parser.add_argument('command', metavar='COMMAND', choices=COMMANDS,
                        help='what to do')
    return parser


def _print_warning(message, category, filename, lineno, file=None,
                   line=None):
    """
    Print a warning as one line, in place of `warnings.showwarning`.
    """
    del category, filename, lineno, file, line
    print_warning(message)


def _is_read():
    """
    Whether somebody reads stdout; if this cannot be found out, yes.
    """
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return not poll.poll(0)
    except (AttributeError, OSError, ValueError):
        return True


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
        The exit status: 0, 1 if some maps failed, 2 on an error, 130
        if interrupted.

    Examples
    --------
    >>> from compact_removal.cli import main
    >>> main(['info'])  # doctest: +ELLIPSIS
    compact-removal ...
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    verb = make_parser().parse_args(argv[:1]).command
    parser = make_parser(verb, argv[1:])
    args = parser.parse_args(argv[1:])
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        try:
            status = args.run(args)
            # here, as errors at the end of the process are reported badly
            sys.stdout.flush()
        except _ERRORS as error:
            if isinstance(error, BrokenPipeError) and not _is_read():
                # nothing is left to be written at the end of the process
                with open(os.devnull, 'w') as nothing:
                    os.dup2(nothing.fileno(), sys.stdout.fileno())
                return _EXIT_BROKEN_PIPE
            if args.traceback:
                traceback.print_exc()
            print_error(parser.describe_error(error))
            return EXIT_ERROR
        except KeyboardInterrupt as error:
            if args.traceback:
                traceback.print_exc()
            print_error(str(error) or 'interrupted')
            return _EXIT_INTERRUPTED
    return _EXIT_OK if status is None else status
