# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Options made of the signature and the docstring of an estimator.
"""

import inspect
from pathlib import Path

__all__ = ['add_options', 'describe_maps', 'format_options', 'read_options']


def arcsec(text):
    """
    Read an angle in arcsec.

    Parameters
    ----------
    text : str
        A number.

    Returns
    -------
    angle : `~astropy.units.Quantity`
        The angle.
    """
    import astropy.units as u

    return float(text) * u.arcsec


def mjy(text):
    """
    Read a flux in mJy.

    Parameters
    ----------
    text : str
        A number.

    Returns
    -------
    flux : `~astropy.units.Quantity`
        The flux.
    """
    import astropy.units as u

    return float(text) * u.mJy


def number_or_pair(text):
    """
    Read a number, ``NAME=NUMBER``, or a word.

    Parameters
    ----------
    text : str
        What was given.

    Returns
    -------
    value : float, tuple or str
        Pairs of name and number are tuples.
    """
    name, equal, number = text.partition('=')
    return (name, float(number)) if equal else _number_or_word(text)


# What these parameters are on the command line; for others, name, type,
# default and docstring decide.
_KNOWN = {
    'mode': {'--mode': {
        'help': 'observing mode, such as scanmap or parallel (default: that '
                'of the header of the map)'}},
    'band': {'--band': {
        'help': 'band, such as blue, or its wavelength, such as 70um '
                '(default: that of the header of the map)'}},
    'weights': {'--weights': {
        'help': 'shipped weights (see compact-removal info) or a safetensors '
                'file (default: those of the network)'}},
    'device': {'--device': {
        'help': 'auto, cpu, cuda, ... (default: %(default)s)'}},
    'apertures': {'--aperture': {
        'metavar': 'ARCSEC', 'type': arcsec, 'nargs': '+',
        'help': 'aperture radii in arcsec (default: that of the band)'}},
    'classes': {'--classes': {
        'metavar': 'CLASS', 'nargs': '+',
        'help': 'classes that are looked for, such as CR SAT (default: '
                'all)'}},
    'priors': {'--priors': {
        'metavar': 'PRIOR', 'type': number_or_pair, 'nargs': '+',
        'help': 'shares of the classes in the images: default, training, or '
                'pairs such as CR=0.001 (default: %(default)s)'}},
    'thresholds': {'--thresholds': {
        'metavar': 'PROBABILITY', 'type': number_or_pair, 'nargs': '+',
        'help': 'probabilities from which a pixel is flagged: one for all, '
                'or pairs such as CR=0.7 (default: those that are best for '
                'the priors)'}},
    'catalogs': {'--catalog': {
        'metavar': 'CATALOG', 'type': Path, 'nargs': '+',
        'help': 'positions of real sources (a table or regions of DS9), one '
                'file per MAP'}},
    'flux_levels': {
        '--n-levels': {
            'metavar': 'N', 'type': int,
            'help': 'number of fluxes per map (default: %(default)s)'},
        '--flux': {
            'metavar': 'MJY', 'type': mjy, 'nargs': '+',
            'help': 'the fluxes themselves, in mJy'}},
    'seed': {'--seed': {
        'metavar': 'N', 'type': int, 'default': 0,
        'help': 'seed of everything random (default: %(default)s)'}},
}

_DEFAULT = ' (default: %(default)s)'

# Verbs decide on these themselves.
_NO_OPTIONS = ('self', 'data', 'progress_bar')


def add_options(parser, function, *, skip=(), with_defaults=True):
    """
    Add the options for the parameters of a class or function.

    A parameter becomes an option if it is a known one, or a number, a
    text, or True or False.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser. The values get the names of the parameters.
    function : callable
        The class or function.
    skip : sequence of str, optional
        Names of parameters without options.
    with_defaults : bool, optional
        Whether the defaults of the function are those of the options;
        otherwise options that are not given are `None`.
    """
    documented = _read_docstring(function)
    for name, parameter in inspect.signature(function).parameters.items():
        if (name in skip or name in _NO_OPTIONS
                or parameter.kind is parameter.VAR_KEYWORD):
            continue
        default = parameter.default
        if default is parameter.empty:
            default = None
        options = _KNOWN.get(name) or _make_option(
            name, default, *documented.get(name, ('', '')))
        for flag, details in options.items():
            details = {'default': default, **details}
            if not with_defaults:
                details['default'] = None
                details['help'] = details['help'].removesuffix(_DEFAULT)
            parser.add_argument(flag, dest=name, **details)


def describe_maps(estimator, function):
    """
    Describe the files of data that a method of an estimator takes.

    Parameters
    ----------
    estimator : type
        The class of the estimator.
    function : callable
        The method. Its first parameter takes them.

    Returns
    -------
    text : str
        The help of the argument.
    """
    if 'band' in inspect.signature(estimator).parameters:
        return 'FITS files of one mode and band'
    _, text = next(iter(_read_docstring(function).values()), ('', ''))
    return f'FITS files: {_shorten(text)}' if text else 'FITS files'


def read_options(args, function):
    """
    Values of the options that `add_options` added.

    Parameters
    ----------
    args : `argparse.Namespace`
        All values.
    function : callable
        The class or function.

    Returns
    -------
    values : dict
        Values by the names of the parameters.
    """
    values = {name: getattr(args, name)
              for name in inspect.signature(function).parameters
              if hasattr(args, name)}
    return {name: _join(value) if isinstance(value, list) else value
            for name, value in values.items()}


def _join(words):
    """
    The value of an option with several words.
    """
    import astropy.units as u

    if isinstance(words[0], u.Quantity):
        return u.Quantity(words)
    if all(isinstance(word, tuple) for word in words):
        return dict(words)
    # one number or word stands for itself; names of classes are a list
    alone = len(words) == 1 and (
        isinstance(words[0], float)
        or (isinstance(words[0], str) and not words[0].isupper()))
    return words[0] if alone else words


def format_options(function, values):
    """
    The options that give values, where these are not the defaults.

    Parameters
    ----------
    function : callable
        The class or function.
    values : dict
        Values by the names of the parameters.

    Returns
    -------
    words : list of str
        Words of a command.
    """
    import numpy as np

    words = []
    for name, parameter in inspect.signature(function).parameters.items():
        value = values.get(name, parameter.default)
        plain = isinstance(value, (str, int, float))
        if (name in _NO_OPTIONS or value is parameter.default
                or (plain and value == parameter.default)):
            continue
        words.append(next(iter(_KNOWN.get(name, [_make_flag(name)]))))
        if value is not True:
            entries = ([value] if plain
                       else [f'{key}={entry:g}' for key, entry
                             in value.items()] if isinstance(value, dict)
                       else np.ravel(getattr(value, 'value', value)).tolist())
            words += [f'{entry:g}' if isinstance(entry, float) else str(entry)
                      for entry in entries]
    return words


def _make_flag(name):
    """
    The option of a parameter.
    """
    return f'--{name.replace("_", "-")}'


def _make_option(name, default, kind, text):
    """
    The option of a parameter that is no known one, or none.

    ``kind`` and ``text`` are its type and description in the docstring.
    """
    sentence = _shorten(text)
    flag = _make_flag(name)
    if default is False:
        return {flag: {'action': 'store_true',
                       'help': sentence.removeprefix('whether to ')}}
    if isinstance(default, str) and kind.startswith('float or '):
        read = _number_or_word
    elif isinstance(default, (int, float, str)):
        read = type(default)
    else:
        names = {'int': int, 'float': float, 'str': str}
        read = (str if kind.startswith('{')
                else names.get(kind.split(',')[0].split(' ')[0]))
    if read is None or default is True:
        return {}
    if kind.startswith('{'):
        choices = kind[1:kind.index('}')].replace("'", '')
        sentence = f'one of {choices}'
    # 'default' is what the weights say
    shown = '' if default is None else (
        ' (default: that of the weights)' if default == 'default'
        else _DEFAULT)
    details = {'type': read, 'help': f'{sentence}{shown}'}
    if read is not str:
        details['metavar'] = 'N'
    return {flag: details}


def _shorten(text):
    """
    The first sentence of a description, for help texts.
    """
    sentence = text.split('. ')[0].removesuffix('.').replace('`', '')
    return sentence[:1].lower() + sentence[1:].replace('%', '%%')


def _number_or_word(text):
    """
    A number where the text is one; estimators check what else there is.
    """
    try:
        return float(text)
    except ValueError:
        return text


def _read_docstring(function):
    """
    Types and descriptions in the section on parameters, by name.
    """
    found, name = {}, None
    if inspect.isclass(function):
        # a subclass describes what it adds
        for base in function.__bases__:
            found.update(_read_docstring(base))
    lines = (inspect.cleandoc(function.__doc__ or '')).splitlines()
    if 'Parameters' not in lines:
        return found
    described, found = found, {}
    lines = lines[lines.index('Parameters') + 2:]
    for line, following in zip(lines, [*lines[1:], ''], strict=True):
        if following.startswith('---'):
            break
        if line.startswith(' ') or not line:
            if name is not None:
                found[name][1].append(line.strip())
        else:
            name, _, kind = line.partition(' : ')
            found[name] = kind, []
    return described | {name: (kind, ' '.join(text).strip())
                        for names, (kind, text) in found.items()
                        for name in names.split(', ')}
