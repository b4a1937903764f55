# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Texts of messages.
"""

__all__ = ['one_line']


def one_line(text):
    """
    Put a text on one line.

    Parameters
    ----------
    text : object
        Anything with a text.

    Returns
    -------
    line : str
        The text, with single spaces.

    Examples
    --------
    >>> from compact_removal.utils.text import one_line
    >>> one_line(' two   words ')
    'two words'
    """
    return ' '.join(str(text).split())
