# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the tests with arbitrary input share: maps, and what must hold for
every result.
"""

import warnings

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData
from astropy.wcs import WCS
from numpy.testing import assert_array_equal

from compact_removal import CompactSourceRemover, nn
from compact_removal.instruments import get_band
from compact_removal.psf import make_psf_stamp
from compact_removal.removal import build_model

__all__ = ['PARAMETERS', 'check_removal', 'make_data', 'make_remover',
           'make_wcs', 'sky']

# With these names the messages of errors may begin.
PARAMETERS = ('image', 'positions', 'pixel_scale', 'weights', 'apertures',
              'cutout_size', 'batch_size', 'device', 'network', 'mode',
              'band')


def make_remover(folder):
    """
    An estimator with a tiny untrained network, whose weights are in a folder.
    """
    path = folder / 'random.safetensors'
    nn.save_weights(build_model('separation', width=1, seed=1), path)
    return CompactSourceRemover('scanmap', 'blue', weights=path,
                                cutout_size=32)


def make_wcs(shape, scale=1.6):
    """
    A plain WCS with the reference pixel in the middle.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = 'RA---TAN', 'DEC--TAN'
    wcs.wcs.crval = 83.8, -5.4
    wcs.wcs.crpix = shape[1] / 2, shape[0] / 2
    wcs.wcs.cdelt = -scale / 3600, scale / 3600
    return wcs


def make_data(shape, x=(), y=(), flux=(), *, seed=5, noise=1e-3):
    """
    Noise on a constant background, and sources.
    """
    rng = np.random.default_rng(seed)
    data = 0.05 + noise * rng.normal(size=shape)
    for xi, yi, value in zip(x, y, flux, strict=True):
        data += value * make_psf_stamp(get_band('scanmap', 'blue'),
                                       shape=shape, center=(xi, yi))
    return data


def sky(wcs, x, y):
    """
    Sky coordinates of pixels, NaN where a pixel is NaN.
    """
    return SkyCoord(*wcs.wcs_pix2world(np.asarray(x, dtype=float),
                                       np.asarray(y, dtype=float), 0),
                    unit='deg')


def _snapshot(image, positions):
    """
    Copies of everything that must not change, as arrays and strings.
    """
    uncertainty = image.uncertainty
    parts = {'data': np.array(image.data),
             'dtype': str(np.asarray(image.data).dtype),
             'wcs': image.wcs.to_header_string(relax=True),
             'unit': str(image.unit), 'meta': dict(image.meta)}
    if image.mask is not None:
        parts['mask'] = np.array(image.mask)
    if uncertainty is not None:
        parts['uncertainty'] = np.array(uncertainty.array)
    if isinstance(positions, SkyCoord):
        parts['lon'] = np.array(positions.spherical.lon.deg)
        parts['lat'] = np.array(positions.spherical.lat.deg)
    return parts


def check_removal(remover, image, positions, *, names=PARAMETERS):
    """
    Remove, and check what must hold whatever the input.

    Parameters
    ----------
    remover : CompactSourceRemover
        The estimator.
    image, positions : object
        What it gets.
    names : tuple of str
        With one of these the message of an error must begin.

    Returns
    -------
    result : RemovalResult or None
        None where the input was refused, in the right way.
    """
    before = _snapshot(image, positions)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        warnings.filterwarnings('ignore', 'none of the positions')
        # blocks of one value are taken as missing
        warnings.filterwarnings('ignore', 'image has .* pixels of exactly')
        result, message = None, None
        try:
            result = remover.remove(image, positions)
        except (TypeError, ValueError) as error:
            message = str(error)
    assert message is None or message.startswith(names), message
    after = _snapshot(image, positions)
    assert before.keys() == after.keys()
    for key, value in before.items():
        assert_array_equal(value, after[key], err_msg=key)
    if result is not None:
        _check_map(image, result.background)
        _check_table(image, result.sources, np.size(positions))
    return result


def _check_map(image, background):
    data, found = np.asarray(image.data), background.data
    assert isinstance(background, CCDData)
    assert found.shape == data.shape
    assert background.unit == image.unit
    if data.dtype.kind == 'f':
        assert found.dtype == data.dtype.newbyteorder('=')
    else:
        assert found.dtype.kind == 'f'
    same = background.flags == 0
    # bit by bit: the signs of zeros and the payload of NaN count, too
    assert (found[same].tobytes()
            == np.ascontiguousarray(data[same]).astype(found.dtype)
            .tobytes())
    usable = np.isfinite(data)
    if image.mask is not None:
        usable &= ~np.asarray(image.mask, dtype=bool)
    assert np.all(same | usable)
    assert np.all(np.isfinite(found[usable]))
    error = background.uncertainty.array[~same]
    assert np.all(np.isfinite(error) & (error >= 0))


def _check_table(image, sources, n_positions):
    assert sources['id'].tolist() == list(range(1, n_positions + 1))
    flags = np.asarray(sources['flags'])
    off = ((sources['x_center'] < -0.5) | (sources['y_center'] < -0.5)
           | (sources['x_center'] > image.shape[1] - 0.5)
           | (sources['y_center'] > image.shape[0] - 0.5)
           | ~np.isfinite(sources['x_center'] + sources['y_center']))
    assert_array_equal(flags & 16 > 0, off)
    nothing = flags & (16 | 32) > 0
    for name in sources.colnames:
        if 'flux' in name:
            values = sources[name].value
            assert not np.any(np.isinf(values)), name
            assert np.all(np.isnan(values[nothing])), name
            # what was not measured has a flag that tells why
            assert np.all(flags[np.isnan(values)] > 0), name
