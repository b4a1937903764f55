# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Parsers that report errors in one line, and remember their options.
"""

import argparse
import difflib
import sys

from compact_removal.utils.parameters import rename_parameter
from compact_removal.utils.text import one_line

__all__ = ['EXIT_ERROR', 'Parser', 'describe_status', 'print_error',
           'print_warning']

EXIT_ERROR = 2


class Parser(argparse.ArgumentParser):
    """
    A parser whose options are found by the name of a parameter.

    Parameters
    ----------
    **kwargs
        See `argparse.ArgumentParser`.
    """

    def __init__(self, **kwargs):
        super().__init__(
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)

    def parse_args(self, args=None, namespace=None):
        """
        Parse arguments; of unknown ones, say which may be meant.

        Parameters
        ----------
        args : list of str, optional
            The arguments; default: those of the process.
        namespace : `argparse.Namespace`, optional
            What takes the values; default: a new one.

        Returns
        -------
        namespace : `argparse.Namespace`
            The values.
        """
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            hints = ''.join(f'; {hint}' for hint in dict.fromkeys(
                map(self._find_hint, unknown)) if hint)
            self.error(f'unrecognized arguments: {" ".join(unknown)}{hints}')
        return found

    def _find_hint(self, word):
        """
        What may be meant by an unknown argument; '' if nothing is near.
        """
        flag = word.partition('=')[0]
        if not flag.startswith('--'):
            return ''
        for action in self._get_positional_actions():
            if flag[2:].upper() == action.metavar:
                return f'{action.metavar} is given without {flag}'
        known = self._option_string_actions
        near = ([option for option in known if option.startswith(flag)]
                or difflib.get_close_matches(flag, known, n=1, cutoff=0.7))
        return f'for {flag}, {near[0]} may be meant' if near else ''

    def describe_error(self, error):
        """
        Describe an error in one line, with options in place of parameters.

        Parameters
        ----------
        error : Exception
            The error. If it has the attribute ``parameter``, the option
            that sets this parameter is named.

        Returns
        -------
        line : str
            The message.
        """
        found = {}
        for action in self._actions:
            if action.option_strings:
                found.setdefault(action.dest, []).append(
                    action.option_strings[-1])
        names = {dest: ' or '.join(flags) for dest, flags in found.items()}
        return one_line(rename_parameter(error, **names)
                        or type(error).__name__)

    def error(self, message):
        """
        Exit with one line on stderr.

        Parameters
        ----------
        message : str
            What is wrong.
        """
        print_error(f'{message} (see {self.prog} --help)')
        self.exit(EXIT_ERROR)


def describe_status(*, some_fail=False):
    """
    Describe the exit status, for the end of a help text.

    Parameters
    ----------
    some_fail : bool, optional
        Whether status 1 occurs.

    Returns
    -------
    text : str
        One line per status.
    """
    some = '  1    some maps failed\n' if some_fail else ''
    return (f'exit status:\n  0    success\n{some}'
            '  2    an error, described in one line on stderr\n'
            '  130  interrupted\n')


def print_error(message):
    """
    Print an error on stderr, in one line.

    Parameters
    ----------
    message : object
        What is wrong.
    """
    print(f'compact-removal: error: {one_line(message)}', file=sys.stderr)


def print_warning(message):
    """
    Print a warning on stderr, in one line.

    Parameters
    ----------
    message : object
        The warning.
    """
    print(f'compact-removal: warning: {one_line(message)}', file=sys.stderr)
