# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Errors that name a parameter, and the checks that raise them.
"""

import numpy as np

__all__ = ['ParameterError', 'ParameterTypeError', 'check_boolean',
           'check_choice', 'check_positive_integer', 'name_parameter',
           'rename_parameter']


class _NamesParameter:
    """
    What both errors share.
    """

    def __init__(self, message, parameter=''):
        super().__init__(message)
        self.parameter = parameter

    def __reduce__(self):
        return type(self), (str(self), self.parameter), self.__dict__


class ParameterError(_NamesParameter, ValueError):
    """
    A value is not allowed.

    Parameters
    ----------
    message : str
        What is wrong; it starts with the name of the parameter.
    parameter : str, optional
        The name of the parameter.

    Examples
    --------
    >>> from compact_removal.utils.parameters import ParameterError
    >>> error = ParameterError('seed must be positive, got -1', 'seed')
    >>> error.parameter, isinstance(error, ValueError)
    ('seed', True)
    """


class ParameterTypeError(_NamesParameter, TypeError):
    """
    A value has the wrong type.

    Parameters
    ----------
    message : str
        What is wrong; it starts with the name of the parameter.
    parameter : str, optional
        The name of the parameter.

    Examples
    --------
    >>> from compact_removal.utils.parameters import ParameterTypeError
    >>> error = ParameterTypeError('image must be a CCDData', 'image')
    >>> error.parameter, isinstance(error, TypeError)
    ('image', True)
    """


def check_positive_integer(name, value):
    """
    Refuse what is not a positive integer.

    Parameters
    ----------
    name : str
        The name of the parameter.
    value : object
        Its value.

    Returns
    -------
    value : int
        The value.

    Raises
    ------
    ParameterError
        If the value is not allowed.

    Examples
    --------
    >>> from compact_removal.utils.parameters import check_positive_integer
    >>> check_positive_integer('batch_size', 64)
    64
    """
    if (not isinstance(value, (int, np.integer)) or isinstance(value, bool)
            or value < 1):
        msg = f'{name} must be a positive integer, got {value!r}'
        raise ParameterError(msg, name)
    return int(value)


def check_boolean(name, value):
    """
    Refuse what is neither True nor False.

    Parameters
    ----------
    name : str
        The name of the parameter.
    value : object
        Its value.

    Returns
    -------
    value : bool
        The value.

    Raises
    ------
    ParameterError
        If the value is not allowed.

    Examples
    --------
    >>> from compact_removal.utils.parameters import check_boolean
    >>> check_boolean('recenter', True)
    True
    """
    if not isinstance(value, (bool, np.bool_)):
        msg = f'{name} must be True or False, got {value!r}'
        raise ParameterError(msg, name)
    return bool(value)


def check_choice(name, value, allowed):
    """
    Refuse what is not in a list of values.

    Parameters
    ----------
    name : str
        The name of the parameter.
    value : object
        Its value.
    allowed : iterable of str
        The values that are allowed.

    Returns
    -------
    value : str
        The value.

    Raises
    ------
    ParameterError
        If the value is not allowed.

    Examples
    --------
    >>> from compact_removal.utils.parameters import check_choice
    >>> check_choice('network', 'small', ['small', 'large'])
    'small'
    """
    allowed = list(allowed)
    if not isinstance(value, str) or value not in allowed:
        msg = f'{name} must be one of {", ".join(allowed)}, got {value!r}'
        raise ParameterError(msg, name)
    return value


def name_parameter(error, name):
    """
    Give an error of any class the attribute ``parameter``.

    Parameters
    ----------
    error : Exception
        The error, such as one of a file.
    name : str
        The name of the parameter; the message starts with it.

    Returns
    -------
    error : Exception
        The same object.

    Examples
    --------
    >>> from compact_removal.utils.parameters import name_parameter
    >>> name_parameter(FileNotFoundError('path: no file'), 'path').parameter
    'path'
    """
    error.parameter = name
    return error


def rename_parameter(error, **names):
    """
    The message of an error, where its parameter has another name.

    Parameters
    ----------
    error : Exception
        The error; its attribute ``parameter`` is the name of the
        parameter, if there is one.
    **names
        What parameters are called, by their names.

    Returns
    -------
    message : str
        The message. It is unchanged if the error is about another
        parameter, or about none.

    Examples
    --------
    >>> from compact_removal.utils.parameters import (ParameterError,
    ...                                               rename_parameter)
    >>> error = ParameterError('seed must be positive, got -1', 'seed')
    >>> rename_parameter(error, seed='--seed')
    '--seed must be positive, got -1'
    """
    message = str(error)
    name = getattr(error, 'parameter', '')
    if name in names and message.startswith(name):
        return names[name] + message.removeprefix(name)
    return message
