# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Results of the shipped networks are those of the golden files.
"""

import astropy.units as u
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from compact_removal.removal.tests.golden import (FIELDS, NETWORKS, SCENES,
                                                  draw_scenes, hash_outside,
                                                  load_golden, make_field,
                                                  remove_field)

# Processors round differently.
_OF_ERROR = {'separation': 0.02, 'inpainting': 1e-3}
_RELATIVE = {'separation': 0.02, 'inpainting': 1e-4}


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('name', FIELDS)
def test_removal_is_unchanged(name, network):
    golden = load_golden(name)
    field = make_field(name)
    background, sources = remove_field(field, network)
    same = background.flags == 0
    assert background.data[same].tobytes() == field[2].data[same].tobytes()
    prefix = f'{network}_'
    assert hash_outside(background) == str(golden[f'{prefix}outside'])
    changed = background.flags > 0
    error = background.uncertainty.array[changed]
    assert_allclose(error, golden[f'{prefix}error'],
                    rtol=_RELATIVE[network], atol=1e-30)
    difference = background.data[changed] - golden[f'{prefix}data']
    unit = np.maximum(np.median(error), 1e-7 * np.abs(
        background.data[changed]).max())
    assert np.abs(difference).max() < _OF_ERROR[network] * 5 * unit
    assert np.sqrt(np.mean(difference ** 2)) < _OF_ERROR[network] * unit
    columns = [key.removeprefix(prefix) for key in golden
               if key.startswith(prefix)]
    columns = [key for key in columns
               if key not in ('outside', 'data', 'error')]
    # a removal may have more columns than it had, never fewer
    assert set(columns) <= set(sources.colnames)
    for column in columns:
        value = u.Quantity(sources[column]).value
        expected = golden[prefix + column]
        if column == 'flags':
            assert_array_equal(value, expected)
        elif column.startswith('flux') and 'err' not in column:
            name = ('flux_fit_err' if column == 'flux_fit'
                    else column.replace('flux', 'flux_err'))
            scale = golden[prefix + name]
            assert_array_equal(np.isfinite(value), np.isfinite(expected))
            good = np.isfinite(value)
            assert np.all(np.abs(value - expected)[good]
                          <= _OF_ERROR[network] * scale[good])
        else:
            # what comes from fits is rounded as the processor does
            rtol = _RELATIVE[network] if 'err' in column else 1e-4
            assert_allclose(value, expected, rtol=rtol, err_msg=column)


@pytest.mark.parametrize('name', SCENES)
def test_draws_of_training_scenes_are_unchanged(name):
    golden = load_golden(name)
    found = draw_scenes(name)
    assert found.keys() == golden.keys()
    for key, expected in golden.items():
        # fits of sources end at 0.1 %
        atol = 0.0
        if key in ('image', 'sources'):
            atol = 1e-3 * np.nanmax(np.abs(expected))
        # of a PSF that one faint source taught, by the number of threads
        rtol = 5e-3 if key == 'psf_error' else 1e-4
        assert_allclose(found[key], expected, rtol=rtol, atol=atol + 1e-6,
                        err_msg=key)
