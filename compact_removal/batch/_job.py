# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What a worker does with one map.
"""

import contextlib
import threading
import time
import traceback
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.batch._settings import hash_positions, map_fingerprint
from compact_removal.maps.columns import join_catalog
from compact_removal.maps.cutouts import chunk_slices, extract_valid
from compact_removal.maps.files import read_catalog
from compact_removal.maps.headers import find_mode_and_band
from compact_removal.maps.geometry import SkyGrid
from compact_removal.maps.pixels import on_map
from compact_removal.maps.positions import read_pixels, read_positions
from compact_removal.maps.products import write_products
from compact_removal.utils.records import write_record
from compact_removal.utils.text import one_line

# A position is on a map if a pixel this near was observed.
_NEAR = 10

# Recorded warnings are those about the data.
_TECHNICAL = (DeprecationWarning, PendingDeprecationWarning, ImportWarning,
              ResourceWarning)

# Warnings of a process are caught in one map at a time.
_lock = threading.Lock()


@dataclass(frozen=True)
class Job:
    """
    One map, and all that a worker needs.

    Parameters
    ----------
    map : str
        The map.
    catalog : SkyCoord, str or None
        Positions, or the file that holds them.
    catalog_name : str or None
        The file that the user gave, if any.
    is_common : bool
        Whether ``catalog`` is the file of the common catalogue.
    estimator : type
        The class of the estimator.
    params : dict
        Its parameters.
    fitted : str or None
        The file of a fitted estimator.
    settings : str
        Hash of what decides on the result.
    outputs : dict of str to `~pathlib.Path`
        Where the results go, by name.
    record : `~pathlib.Path`
        Where the record goes.
    unit : str or None
        The unit of the map, in place of that of its header.
    """

    map: str
    catalog: object
    catalog_name: str | None
    is_common: bool
    estimator: type
    params: dict
    fitted: str | None
    settings: str
    outputs: dict
    record: Path
    unit: str | None = None

    def make_record(self, status, error='', **values):
        """
        Make what is known of the map.

        Parameters
        ----------
        status : {'unfinished', 'done', 'error'}
            How far it is.
        error : str, optional
            Why it failed.
        **values
            Other entries.

        Returns
        -------
        record : dict
            Plain values.
        """
        from compact_removal import __version__

        return {'status': status, 'error': one_line(error), 'warnings': '',
                'n_sources': 0, 'n_on_map': 0, 'n_flagged': 0, 'seconds': 0.0,
                'version': __version__, 'settings': self.settings,
                'map': self.map, 'traceback': '', **values}

    def make_error(self, error):
        """
        Make the record of a map that failed.

        Parameters
        ----------
        error : Exception
            Why it failed.

        Returns
        -------
        record : dict
            See `make_record`; ``traceback`` is a text of many lines.
        """
        text = ''.join(traceback.format_exception(error))
        return self.make_record('error', f'{type(error).__name__}: {error}',
                                traceback=text)


def process_one(job):
    """
    Process one map, and write results and record.

    Parameters
    ----------
    job : `Job`
        The map.

    Returns
    -------
    record : dict
        See `Job.make_record`. An error is described there, not raised.
    """
    start = time.monotonic()
    with _lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for category in _TECHNICAL:
            warnings.simplefilter('ignore', category)
        try:
            # Before any output: what a killed worker leaves is its own.
            write_record(job.record, job.make_record('unfinished'))
            _delete_outputs(job)
            record = job.make_record('done', **_process(job))
        except Exception as error:  # one map must not stop the others
            with contextlib.suppress(OSError):
                _delete_outputs(job)
            record = job.make_error(error)
    messages = dict.fromkeys(one_line(entry.message) for entry in caught)
    record['warnings'] = '; '.join(messages)
    record['seconds'] = round(time.monotonic() - start, 3)
    try:
        write_record(job.record, record)
    except OSError as error:
        record = job.make_error(error)
    return record


def _delete_outputs(job):
    """
    Delete the results of a map, if there are any.
    """
    for path in job.outputs.values():
        path.unlink(missing_ok=True)


def _process(job):
    """
    Read, process and write; return what goes into the record.
    """
    fingerprint = map_fingerprint(job.map)
    image = job.estimator.read_image(job.map, **(
        {} if job.unit is None else {'unit': job.unit}))
    estimator = _make_estimator(job, image.meta)
    n_on_map = 0
    if job.catalog is None:
        products = estimator.process(image)
    else:
        products, n_on_map = _process_positions(job, estimator, image)
    name = None if job.catalog_name is None else Path(job.catalog_name).name
    write_products(products, job.outputs, overwrite=True,
                   history=estimator.describe_task(Path(job.map).name, name))
    sources = products.get('sources', ())
    flags = getattr(sources, 'columns', {}).get('flags', ())
    return {'n_sources': len(sources), 'n_on_map': n_on_map,
            'n_flagged': int(np.count_nonzero(flags)),
            'fingerprint': fingerprint}


def _process_positions(job, estimator, image):
    """
    Process a map with positions; their catalogue joins the sources.

    Returns the products, and how many of the positions lie on the map.
    """
    catalog, rows = job.catalog, None
    if job.is_common:
        positions, vectors = _read_common(catalog)
        rows = _rows_on_map(image, positions, vectors)
        catalog, positions = _read_given(job, positions), positions[rows]
    elif isinstance(catalog, str):
        catalog = positions = read_catalog(catalog)
    else:
        positions = catalog
    products = estimator.process(image, positions)
    if rows is None:
        x, y = read_pixels(positions, wcs=image.wcs, shape=image.data.shape)
        n_on_map = int(np.count_nonzero(_are_observed(image, x, y)))
    else:
        n_on_map = rows.size
    if 'sources' not in products:
        return products, n_on_map
    sources = products['sources']
    if rows is not None:
        sources['id'] = rows + 1
    return {**products,
            'sources': join_catalog(sources, catalog, rows)}, n_on_map


def _make_estimator(job, meta):
    """
    The estimator for a map.
    """
    params = dict(job.params)
    if 'progress_bar' in params:
        params['progress_bar'] = False
    if job.fitted is not None:
        estimator = _load_fitted(job.estimator, job.fitted)
        return estimator.set_params(**{
            name: params[name] for name in estimator.no_effect
            if name in params})
    if {'mode', 'band'} <= set(params):
        params['mode'], params['band'] = find_mode_and_band(
            meta, params['mode'], params['band'])
    return job.estimator(**params)


@lru_cache(maxsize=1)
def _load_fitted(estimator, path):
    """
    A fitted estimator, loaded once in each process.
    """
    return estimator.load(path)


@lru_cache(maxsize=1)
def _read_common(path):
    """
    The common catalogue: positions, and their unit vectors (ICRS).
    """
    positions = QTable.read(path, format='fits')['sky_center']
    return positions, _unit_vectors(positions)


def _read_given(job, positions):
    """
    The file of the common catalogue, for its columns.

    The positions, where there is no such file or it has changed.
    """
    if job.catalog_name is None:
        return positions
    try:
        status = Path(job.catalog_name).stat()
        return _read_columns(job.catalog_name, job.catalog, status.st_size,
                             status.st_mtime_ns)
    except (OSError, TypeError, ValueError) as error:
        warnings.warn(f'catalog: no columns of {job.catalog_name} are in the '
                      f'table: {error}', AstropyUserWarning, stacklevel=2)
        return positions


@lru_cache(maxsize=1)
def _read_columns(path, common, size, mtime_ns):
    """
    A catalogue in a state of its file, if it has the common positions.
    """
    del size, mtime_ns
    catalog = read_catalog(path)
    if (hash_positions(read_positions(catalog))
            != hash_positions(_read_common(common)[0])):
        msg = 'its positions have changed'
        raise ValueError(msg)
    return catalog


def _unit_vectors(coordinates):
    """
    Unit vectors of shape (3, n).
    """
    icrs = coordinates.icrs
    lon, lat = icrs.ra.rad, icrs.dec.rad
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon),
                     np.sin(lat)])


def _rows_on_map(image, positions, vectors):
    """
    Indices of the positions that lie on a map.
    """
    grid = SkyGrid(image.wcs)
    rows = _rows_nearby(grid, image.data.shape, vectors)
    if rows.size == 0:
        return rows
    x, y = grid.to_pixels(positions[rows], image.data.shape)
    return rows[_are_observed(image, x, y)]


def _are_observed(image, x, y):
    """
    Whether positions lie on a map, near observed pixels.
    """
    observed = on_map(x, y, image.data.shape)
    (inside,) = np.nonzero(observed)
    size = 2 * _NEAR + 1
    for part in chunk_slices(inside.size, size):
        rows = inside[part]
        around, _ = extract_valid(image.data, x[rows], y[rows], size,
                                  mask=image.mask)
        observed[rows] = np.isfinite(around).any(axis=(1, 2))
    return observed


def _rows_nearby(grid, shape, vectors):
    """
    Indices of the positions in a circle around a map, or of all.
    """
    ny, nx = shape
    x = np.array([nx / 2, 0, nx / 2, nx, 0, nx, 0, nx / 2, nx]) - 0.5
    y = np.array([ny / 2, 0, 0, 0, ny / 2, ny / 2, ny, ny, ny]) - 0.5
    border = _unit_vectors(grid.to_sky(x, y))
    center = border[:, 0]
    # The chord, as the cosine is inaccurate for small maps.
    radius = np.linalg.norm(border - center[:, None], axis=0).max()
    if not np.isfinite(radius) or radius > 1:
        return np.arange(vectors.shape[1])
    distance = np.linalg.norm(vectors - center[:, None], axis=0)
    return np.flatnonzero(distance <= 1.02 * radius)
