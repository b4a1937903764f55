# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the figures read of their arguments.
"""

import astropy.units as u
import numpy as np

from compact_removal.utils.parameters import ParameterError


def read_axes(axes, n_axes):
    """
    An array of one, two or three axes.
    """
    axes = np.ravel(np.asarray(axes, dtype=object))
    if axes.size != n_axes:
        number = ('one', 'two', 'three')[n_axes - 1]
        msg = f'axes must be {number}, got {axes.size}'
        raise ParameterError(msg, 'axes')
    return axes


def read_values(values):
    """
    A Quantity of floats, NaN where masked.
    """
    mask = getattr(values, 'mask', None)
    values = u.Quantity(values, dtype=float)
    if mask is None:
        return values
    plain = np.array(getattr(values, 'unmasked', values).value)
    plain[mask] = np.nan
    return plain * values.unit


def read_ratios(levels, ratios):
    """
    Levels as a Quantity and ratios as plain floats, checked.
    """
    levels = read_values(levels)
    if levels.unit == u.dimensionless_unscaled:
        msg = 'levels must be a Quantity with a unit of flux, got none'
        raise ParameterError(msg, 'levels')
    if not ratios:
        msg = 'ratios must have at least one label, got none'
        raise ParameterError(msg, 'ratios')
    plain = {}
    for label, values in ratios.items():
        values = read_values(values)
        if not values.unit.is_equivalent(u.one):
            msg = (f'ratios[{label!r}] must be dimensionless, got '
                   f'{values.unit}')
            raise ParameterError(msg, 'ratios')
        if values.shape != levels.shape or values.ndim != 1:
            msg = (f'ratios[{label!r}] must have one value for each of the '
                   f'levels {levels.shape}, got {values.shape}')
            raise ParameterError(msg, 'ratios')
        plain[label] = values.to_value(u.one)
    return levels, plain


def read_limits(limits):
    """
    Two floats that rise, or None.
    """
    if limits is None:
        return None
    limits = tuple(np.asarray(limits, dtype=float).ravel().tolist())
    if len(limits) != 2 or not limits[0] < limits[1]:
        msg = f'limits must be two values, the lower one first, got {limits}'
        raise ParameterError(msg, 'limits')
    return limits


def read_spectra(spectra, reference):
    """
    The frequencies, and the powers in the unit of the reference.
    """
    for label, table in spectra.items():
        names = getattr(table, 'colnames', [])
        if not {'frequency', 'power'} <= set(names):
            msg = (f"spectra[{label!r}] must have the columns 'frequency' "
                   f"and 'power', got {names}")
            raise ParameterError(msg, 'spectra')
    frequency = read_values(spectra[reference]['frequency'])
    unit = read_values(spectra[reference]['power']).unit
    powers = {}
    for label, table in spectra.items():
        power = read_values(table['power'])
        other = read_values(table['frequency'])
        if not (power.unit.is_equivalent(unit)
                and other.unit.is_equivalent(frequency.unit)):
            msg = (f'spectra[{label!r}] must have units like '
                   f'{frequency.unit} and {unit}, got {other.unit} and '
                   f'{power.unit}')
            raise ParameterError(msg, 'spectra')
        if (other.shape != frequency.shape
                or not np.allclose(other, frequency, rtol=1e-6, atol=0,
                                   equal_nan=True)):
            msg = (f'spectra[{label!r}] must have the same frequencies as '
                   f'{reference!r}')
            raise ParameterError(msg, 'spectra')
        powers[label] = power.to(unit)
    return frequency, powers


def read_history(history):
    """
    Epochs, losses of training and validation, and rates as arrays.
    """
    keys = ('epoch', 'loss', 'validation_loss', 'learning_rate')
    missing = [key for key in keys if key not in history]
    if missing:
        msg = f'history must have {", ".join(keys)}; {missing} are missing'
        raise ParameterError(msg, 'history')
    lengths = {len(history[key]) for key in keys}
    if len(lengths) > 1 or 0 in lengths:
        msg = ('history must have one value per epoch and at least one '
               f'epoch, got lists of length {sorted(lengths)}')
        raise ParameterError(msg, 'history')
    return (np.asarray(history[key], dtype=float) for key in keys)


def make_axes(axes, n_axes, **options):
    """
    Axes in an array, new ones if none are given.
    """
    if axes is None:
        from matplotlib import pyplot as plt

        _, axes = plt.subplots(layout='constrained', **options)
    return read_axes(axes, n_axes)
