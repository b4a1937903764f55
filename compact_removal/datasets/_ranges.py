# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Ranges from which simulations are drawn.
"""

from dataclasses import fields

import numpy as np

from compact_removal.utils.parameters import ParameterError


def check_ranges(settings):
    """
    Refuse settings that are not numbers or ranges of them.

    Parameters
    ----------
    settings : dataclass
        Its fields are numbers, or tuples of the least and the largest.

    Raises
    ------
    ParameterError
        If one is negative, not finite, or the wrong way round.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        numbers = value if isinstance(value, tuple) else (value,)
        if not (all(0 <= number < np.inf for number in numbers)
                and list(numbers) == sorted(numbers)):
            msg = (f'{field.name} must be a number >= 0 or a range of '
                   f'them, got {value!r}')
            raise ParameterError(msg, field.name)


def draw_power_law(rng, limits, slope):
    """
    Draw a number; those above it fall with a power of it.

    Parameters
    ----------
    rng : `~numpy.random.Generator`
        Source of randomness.
    limits : tuple of float
        The least and the largest.
    slope : float
        The power, positive.

    Returns
    -------
    value : float
        Between the limits.
    """
    low, high = (limit ** -slope for limit in limits)
    return rng.uniform(high, low) ** (-1 / slope)
