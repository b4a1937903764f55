# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The ``compact-removal`` command.

Results go to stdout, progress and warnings to stderr. The exit status
is 0 on success, 1 if some maps of many failed, 2 on an error, which is
told in one line, and 130 if interrupted (141 if whoever reads stdout
has left, as ``head`` does).
"""

import argparse
import os
import select
import sys
import warnings

from compact_removal import __version__
from compact_removal.cli._batch import add_batch
from compact_removal.cli._common import (describe_status, print_warning,
                                         to_options)
from compact_removal.cli._demo import add_demo
from compact_removal.cli._evaluate import add_evaluate
from compact_removal.cli._info import add_info
from compact_removal.cli._remove import add_remove
from compact_removal.cli._train import add_train

__all__ = ['main']

_EXIT_OK = 0
_EXIT_ERROR = 2
_EXIT_INTERRUPTED = 130
_EXIT_BROKEN_PIPE = 141

_EXAMPLE = """\
example:
  compact-removal remove map.fits catalog.csv --mode scanmap --band blue
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
        self.exit(_EXIT_ERROR)


def _print_error(message):
    """
    Print one line on stderr, whatever the message holds.
    """
    print(f'compact-removal: error: {to_options(message)}', file=sys.stderr)


def _print_warning(message, category, filename, lineno, file=None,
                   line=None):
    """
    Print a warning as one line, in place of `warnings.showwarning`.
    """
    del category, filename, lineno, file, line
    print_warning(message)


def _make_parser():
    """
    Make the parser of all subcommands.
    """
    parser = _Parser(
        prog='compact-removal', allow_abbrev=False,
        description='Remove compact sources from maps with structured '
                    'backgrounds, and measure them.',
        epilog=f'{_EXAMPLE}\n{describe_status(some_fail=True)}',
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--version', action='version',
                        version=f'compact-removal {__version__}')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND',
                                     required=True)
    for add in (add_demo, add_remove, add_train, add_evaluate, add_batch,
                add_info):
        add(commands)
    return parser


def _is_read():
    """
    Tell whether somebody reads stdout; if it cannot be told, yes.
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
    args, unknown = _make_parser().parse_known_args(argv)
    if unknown:
        args.parser.error(f'unrecognized arguments: {" ".join(unknown)}')
    with warnings.catch_warnings():
        warnings.showwarning = _print_warning
        try:
            status = args.function(args)
            # here, as errors at the end of the process are not told well
            sys.stdout.flush()
        except (OSError, MemoryError, RuntimeError, TypeError,
                ValueError) as error:
            if isinstance(error, BrokenPipeError) and not _is_read():
                # nothing is left to be written at the end of the process
                with open(os.devnull, 'w') as nothing:
                    os.dup2(nothing.fileno(), sys.stdout.fileno())
                return _EXIT_BROKEN_PIPE
            _print_error(str(error) or type(error).__name__)
            return _EXIT_ERROR
        except KeyboardInterrupt as error:
            _print_error(str(error) or 'interrupted')
            return _EXIT_INTERRUPTED
    return _EXIT_OK if status is None else status
