# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Small fields whose removal must stay the same, and what it gave.

This writes the files anew, after a change that is meant to change the
results::

    python -m compact_removal.removal.tests.golden

The commit that holds the new files states which rows changed, and why.
"""

import hashlib
import warnings
from pathlib import Path
from unittest.mock import patch

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal import CompactSourceRemover
from compact_removal.datasets import (BackgroundMap, inject_sources,
                                      make_background, make_example_field,
                                      read_pacs_map)
from compact_removal.instruments import get_band
from compact_removal.removal import TrainingCutouts, network_separation
from compact_removal.tests.helpers import get_data_path

__all__ = ['FIELDS', 'FOLDER', 'NETWORKS', 'SCENES', 'draw_scenes',
           'hash_outside', 'load_golden', 'make_field', 'remove_field']

FOLDER = Path(__file__).parent / 'data'
NETWORKS = ('separation', 'inpainting')

_SHAPE = (96, 96)


def _example(mode, band, **kwargs):
    """
    A field of the package, as input of `CompactSourceRemover.remove`.
    """
    image, catalog = make_example_field(
        **{'mode': mode, 'band': band, 'shape': _SHAPE, 'n_sources': 4,
           **kwargs})
    return mode, band, image, catalog['sky_center'], {}


def _crowded():
    """
    Blends of 0.4 to 2 beams, with a duplicate and a position off the map.
    """
    band = get_band('scanmap', 'blue')
    image, _ = make_example_field(shape=_SHAPE, n_sources=0, seed=11)
    x = np.array([40, 43.5, 46.1, 41, 60, 62.2, 70, 76, 78.5, 25, 25.4, 30])
    y = np.array([40, 41, 38.2, 46.3, 60, 60.9, 20, 22, 27, 70, 70.2, 74])
    sky = image.wcs.pixel_to_world(x, y)
    catalog = QTable({'sky_center': sky})
    catalog['flux'] = np.geomspace(3000, 40, x.size) * u.mJy
    image = inject_sources(image, catalog, band, seed=3)
    extra = image.wcs.pixel_to_world([40, -20], [40, 10])
    positions = SkyCoord(np.concatenate([sky.ra, extra.ra]),
                         np.concatenate([sky.dec, extra.dec]))
    return 'scanmap', 'blue', image, positions, {}


def _gaps():
    """
    Missing and masked pixels, sources at the edges, float32.
    """
    band = get_band('parallel', 'blue')
    image, _ = make_example_field(mode='parallel', shape=_SHAPE,
                                  n_sources=0, seed=12)
    x = np.array([2.0, 94.6, 48, 30, 70.3, 50])
    y = np.array([40.0, 50, 1.2, 30, 70, 80])
    catalog = QTable({'sky_center': image.wcs.pixel_to_world(x, y)})
    catalog['flux'] = [300, 800, 500, 900, 200, 400] * u.mJy
    image = inject_sources(image, catalog, band, seed=4)
    image.data = image.data.astype(np.float32)
    image.data[33:40, 26:33] = np.nan
    image.data[:, :1] = np.nan
    mask = np.zeros(_SHAPE, dtype=bool)
    mask[66:69] = True
    mask[80, 51] = True
    image.mask = mask
    return 'parallel', 'blue', image, catalog['sky_center'], {}


def _per_beam():
    """
    Jy/beam, without uncertainty, three apertures, moved to the centroid.
    """
    mode, band, image, positions, _ = _example('scanmap', 'green', seed=13)
    pixels = (np.pi / (4 * np.log(2)) * (7 / 1.6) ** 2)
    image = CCDData(image.data * pixels, unit=u.Jy / u.beam, wcs=image.wcs,
                    meta={'BMAJ': 7 / 3600, 'BMIN': 7 / 3600})
    shifted = positions.directional_offset_by(40 * u.deg, 1.2 * u.arcsec)
    return mode, band, image, shifted, {
        'apertures': [4, 9, 14] * u.arcsec, 'recenter': True}


def _fine_pixels():
    """
    Pixels of 1 arcsec in MJy/sr, where nominal ones have 1.6.
    """
    band = get_band('scanmap', 'blue')
    image, _ = make_example_field(shape=(120, 120), n_sources=0, seed=14)
    wcs = image.wcs.deepcopy()
    wcs.wcs.cdelt = wcs.wcs.cdelt / 1.6
    image = CCDData(image.data * 1e5, unit=u.MJy / u.sr, wcs=wcs,
                    uncertainty=StdDevUncertainty(np.full(image.shape, 9.0)))
    x, y = np.array([[30, 80.4, 60, 95], [35, 70.7, 100, 20]])
    catalog = QTable({'sky_center': wcs.pixel_to_world(x, y)})
    catalog['flux'] = [900, 300, 100, 2000] * u.mJy
    image = inject_sources(image, catalog, band, seed=5)
    return 'scanmap', 'blue', image, catalog['sky_center'], {}


def _real(pattern, mode, band, x, y, size=140):
    """
    A piece of a real map, if the development data are there.
    """
    image = read_pacs_map(get_data_path('pacs', pattern))
    ny, nx = image.shape
    y0, x0 = ny // 2 - size // 2, nx // 2 - size // 2
    image = image[y0:y0 + size, x0:x0 + size]
    return (mode, band, image,
            image.wcs.pixel_to_world(np.array(x, float), np.array(y, float)),
            {})


FIELDS = {
    'scanmap_blue': lambda: _example('scanmap', 'blue', seed=1),
    'scanmap_green': lambda: _example('scanmap', 'green', seed=2,
                                      kind='cirrus'),
    'scanmap_red': lambda: _example('scanmap', 'red', seed=3,
                                    kind='filaments'),
    'parallel_blue': lambda: _example('parallel', 'blue', seed=4),
    'parallel_green': lambda: _example('parallel', 'green', seed=5,
                                       kind='anisotropic'),
    'parallel_red': lambda: _example('parallel', 'red', seed=6),
    'crowded': _crowded,
    'gaps': _gaps,
    'per_beam': _per_beam,
    'fine_pixels': _fine_pixels,
    'gamma_dra_blue': lambda: _real(
        'hpacs_25HPPJSMAPB_blue*', 'scanmap', 'blue', [70, 40, 100],
        [70, 100, 55]),
    'helix_red': lambda: _real('helix_ksu_hppjsmapr.fits', 'scanmap', 'red',
                               [70, 50, 30], [70, 90, 40], size=110),
}


def make_field(name):
    """
    Mode, band, map, positions and parameters of one of `FIELDS`.
    """
    return FIELDS[name]()


def remove_field(field, network):
    """
    Remove the sources of a field with shipped weights.

    In single precision, whatever the processor has.
    """
    mode, band, image, positions, params = field
    remover = CompactSourceRemover(mode, band, network=network,
                                   device='cpu', **params)
    with warnings.catch_warnings(), patch.object(
            network_separation, 'has_bfloat16', return_value=False):
        # the modes of the gaps and of the real maps are not at stake
        warnings.simplefilter('ignore', AstropyUserWarning)
        return remover.remove(image, positions)


def hash_outside(background):
    """
    SHA-256 of the pixels outside of the footprints, and of the flags.

    In single precision: simulated maps differ by their last bits between
    processors.
    """
    outside = background.flags == 0
    digest = hashlib.sha256(background.data[outside].astype('<f4').tobytes())
    digest.update(np.ascontiguousarray(background.flags).tobytes())
    return digest.hexdigest()


def _scene_map():
    """
    A map to draw training scenes from, with gaps and sources.
    """
    data = make_background((150, 170), kind='cloud', seed=21)
    data[:20, :30] = np.nan
    return BackgroundMap(data, np.array([[60.0, 70], [120, 100]]), fwhm=3.0)


SCENES = {
    'scanmap_simulated': lambda: TrainingCutouts(
        'scanmap', size=64, batch_size=8, n_batches=3, n_fields=4,
        field_size=96, n_psfs=3, seed=31),
    'parallel_with_map': lambda: TrainingCutouts(
        'parallel', [_scene_map()], size=64, batch_size=10, n_batches=3,
        n_fields=2, field_size=80, n_psfs=2, real_fraction=0.6, seed=32),
    'blue_real_only': lambda: TrainingCutouts(
        'scanmap', [_scene_map()], bands=['blue'], size=96, batch_size=6,
        n_batches=2, n_fields=2, field_size=128, n_psfs=2,
        real_fraction=1.0, seed=33),
}


def draw_scenes(name):
    """
    Some batches of training data, every seventh pixel of each plane.

    Returns a dict of float32 arrays, by name of the plane.
    """
    cutouts = SCENES[name]()
    batches = [batch for epoch in (0, 2) for batch in cutouts.epoch(epoch)]
    found = {}
    for key in batches[0]:
        values = np.concatenate([batch[key] for batch in batches])
        found[key] = values[..., ::7, ::7] if values.ndim == 3 else values
    return found


def load_golden(name):
    """
    What was found: arrays by name.
    """
    with np.load(FOLDER / f'{name}.npz', allow_pickle=False) as file:
        return dict(file)


def _write():
    """
    Make all files.
    """
    FOLDER.mkdir(exist_ok=True)
    for name in FIELDS:
        try:
            field = make_field(name)
        except pytest.skip.Exception as error:
            print(f'{name} stays as it is: {error}')
            continue
        content = {}
        for network in NETWORKS:
            background, sources = remove_field(field, network)
            changed = background.flags > 0
            content[f'{network}_outside'] = np.array(
                hash_outside(background))
            content[f'{network}_data'] = background.data[changed].astype('f4')
            content[f'{network}_error'] = background.uncertainty.array[
                changed].astype('f4')
            for column in sources.colnames:
                if column not in ('id', 'sky_center'):
                    value = u.Quantity(sources[column]).value
                    kind = 'i8' if column == 'flags' else 'f8'
                    content[f'{network}_{column}'] = value.astype(kind)
        np.savez_compressed(FOLDER / f'{name}.npz', **content)
    for name in SCENES:
        np.savez_compressed(FOLDER / f'{name}.npz', **draw_scenes(name))


if __name__ == '__main__':
    _write()
