# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fetch PACS maps from the Herschel Science Archive.
"""

import contextlib
import os
import re
import shutil
import tarfile
import tempfile
import zlib
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path, PurePosixPath

from astropy.config.paths import get_cache_dir
from astropy.io import fits
from astropy.table import Table

from compact_removal.instruments import get_band
from compact_removal.maps.headers import find_band
from compact_removal.maps.pacs import read_pacs_map
from compact_removal.utils.parameters import ParameterError

__all__ = ['fetch_pacs_map']


def fetch_pacs_map(obsid, band, *, mapper='jscanam', level=2.5,
                   cache_dir=None, overwrite=False, progress_bar=False):
    """
    Fetch a PACS map of an observation from the Herschel Science Archive.

    The archive sends all products of a level in one file, which may be
    large. The maps of the mapper, in all bands of the observation, go
    to a cache; what is there is not fetched again. Fetching needs
    astroquery: ``pip install '.[archive]'`` in the folder of the source.

    Parameters
    ----------
    obsid : int or str
        The observation, 10 digits.
    band : str or `~astropy.units.Quantity`
        The name of the band (``'blue'``, ``'green'``, ``'red'``) or its
        wavelength.
    mapper : {'jscanam', 'hpf', 'unimap'}, optional
        What made the map: JScanam, the high-pass filter (for point
        sources only), or Unimap.
    level : float, optional
        The level of the product: 2.5 (scan and cross scan), 3 (all
        observations of a field together; JScanam and Unimap), or 2 (one
        scan; high-pass filter).
    cache_dir : str or path-like, optional
        The folder of the cache, made if it does not exist; by default
        what `astropy.config.get_cache_dir` gives for compact_removal.
    overwrite : bool, optional
        Whether to fetch maps that the cache holds.
    progress_bar : bool, optional
        Whether to show a progress bar while fetching.

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The map, as `read_pacs_map` gives it.

    Raises
    ------
    ValueError
        If a parameter is not allowed, or the observation has no such
        map; the message lists the bands there are.
    ImportError
        If astroquery is needed and not installed.
    OSError
        If the archive cannot be reached, refuses the observation, or
        sends something else than a tar file.

    See Also
    --------
    read_pacs_map : Read a map that is on disk.

    Notes
    -----
    If an observation has several maps in a band (slices), it is the
    first one by file name.

    Examples
    --------
    >>> from compact_removal.datasets import fetch_pacs_map
    >>> ccd = fetch_pacs_map(1342217404, 'blue')  # doctest: +SKIP
    >>> ccd.meta['OBJECT'], ccd.meta['WAVELNTH']  # doctest: +SKIP
    ('gamma Dra', 70.0)
    """
    if not re.fullmatch('[0-9]{10}', str(obsid)):
        msg = f'obsid must have 10 digits, got {obsid!r}'
        raise ParameterError(msg, 'obsid')
    name = get_band('scanmap', band).name
    facts = _get_product(mapper, level)
    root = Path(get_cache_dir('compact_removal') if cache_dir is None
                else cache_dir)
    folder = root / str(obsid) / facts['archive_level'].lower()
    cached = _find_cached(folder, mapper)
    if overwrite or name not in cached:
        _fetch(str(obsid), facts, folder, progress_bar)
        cached = _find_cached(folder, mapper)
    if not cached:
        msg = (f'mapper {mapper!r} has no map of level {facts["level"]:g} '
               f'in observation {obsid}')
        raise ParameterError(msg, 'mapper')
    if name not in cached:
        bands = ', '.join(repr(found) for found in cached)
        msg = (f'band must be one of {bands} in observation {obsid}, got '
               f'{name!r}')
        raise ParameterError(msg, 'band')
    return read_pacs_map(cached[name])


@lru_cache(maxsize=1)
def _products():
    """
    The table of products, as a list of dicts.
    """
    resource = (files('compact_removal.maps') / 'data'
                / 'pacs_products.ecsv')
    with as_file(resource) as path:
        table = Table.read(path, format='ascii.ecsv')
    return [dict(zip(table.colnames, row, strict=True))
            for row in zip(*(table[name].tolist()
                             for name in table.colnames), strict=True)]


def _get_product(mapper, level):
    """
    The row of the table of products for a mapper and a level.
    """
    rows = [row for row in _products() if row['mapper'] == mapper]
    if not rows:
        allowed = ', '.join(repr(name) for name in dict.fromkeys(
            row['mapper'] for row in _products()))
        msg = f'mapper must be one of {allowed}, got {mapper!r}'
        raise ParameterError(msg, 'mapper')
    with contextlib.suppress(TypeError, ValueError):
        for row in rows:
            if row['level'] == float(level):
                return row
    allowed = ', '.join(f'{row["level"]:g}' for row in rows)
    msg = (f'level must be one of {allowed} for mapper {mapper!r}, got '
           f'{level!r}')
    raise ParameterError(msg, 'level')


def _find_cached(folder, mapper):
    """
    Paths of the maps of a mapper in a folder of the cache, by band.
    """
    return {path.name.split('.')[0].removeprefix(f'{mapper}_'): path
            for path in sorted(folder.glob(f'{mapper}_*.fits*'))}


def _fetch(obsid, facts, folder, progress_bar):
    """
    Fetch the products of one level and put the wanted maps into a folder.
    """
    try:
        from astroquery import log
        from astroquery.esa.hsa import HSA
        from astroquery.exceptions import LoginError
    except ImportError as error:
        msg = ('astroquery is needed to fetch maps: pip install '
               "'.[archive]' in the folder of the source of compact-removal")
        raise ImportError(msg) from error
    folder.mkdir(parents=True, exist_ok=True)
    # beside the maps, so that they can be renamed into their places
    with tempfile.TemporaryDirectory(prefix='.fetch-', dir=folder) as work:
        try:
            with _log_level(log, None if progress_bar else 'WARNING'):
                path = HSA.download_data(
                    retrieval_type='OBSERVATION', observation_id=obsid,
                    instrument_name='PACS',
                    product_level=facts['archive_level'],
                    download_dir=work, cache=False)
            _unpack(path, facts, folder, Path(work))
        except (OSError, LoginError, tarfile.TarError, EOFError, zlib.error,
                LookupError, TypeError, ValueError,
                fits.VerifyError) as error:
            msg = (f'obsid {obsid} could not be fetched from the Herschel '
                   f'Science Archive ({facts["archive_level"]}): {error}')
            raise OSError(msg) from error


@contextlib.contextmanager
def _log_level(log, level):
    """
    Set the level of a logger for a while; None leaves it.
    """
    before = log.level
    if level is not None:
        log.setLevel(level)
    try:
        yield
    finally:
        log.setLevel(before)


def _unpack(path, facts, folder, work):
    """
    Put the maps of a product, the first one of each band, into a folder.
    """
    found = set()
    with tarfile.open(path) as tar:
        for member in sorted(tar.getmembers(), key=lambda item: item.name):
            if not _is_map(member, facts['product']):
                continue
            suffix = '.fits.gz' if member.name.endswith('.gz') else '.fits'
            copy = work / f'map{suffix}'
            with tar.extractfile(member) as source, copy.open('wb') as sink:
                shutil.copyfileobj(source, sink)
            band = find_band(fits.getheader(copy))
            if band is not None and band not in found:
                found.add(band)
                os.replace(copy, folder / f'{facts["mapper"]}_{band}{suffix}')


def _is_map(member, product):
    """
    Whether a member of a tar file is a regular file with a map.
    """
    path = PurePosixPath(member.name)
    return (member.isreg() and not path.is_absolute()
            and '..' not in path.parts and product in member.name.upper()
            and path.name.lower().endswith(('.fits', '.fits.gz')))
