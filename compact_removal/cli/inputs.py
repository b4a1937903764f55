# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Files that users name, checked before any work.
"""

import contextlib
import os

from compact_removal.utils.files import resolve_path
from compact_removal.utils.parameters import ParameterError, rename_parameter

__all__ = ['add_unit', 'check_catalogs', 'check_inputs', 'check_maps',
           'check_outputs', 'check_seed', 'read_map', 'read_positions_file',
           'renamed']


@contextlib.contextmanager
def renamed(**names):
    """
    Give errors about parameters the names of options and files.

    Parameters
    ----------
    **names
        What parameters are called, by their names.
    """
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        if getattr(error, 'parameter', '') not in names:
            raise
        raise ParameterError(rename_parameter(error, **names)) from error


def add_unit(parser):
    """
    Add the option for the unit of maps.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.
    """
    parser.add_argument('--unit', metavar='UNIT',
                        help='unit of the maps, such as Jy/pixel, in place '
                             'of BUNIT of the headers')


def read_map(path, kind, *, unit=None):
    """
    Read a map as an estimator reads it.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    kind : type
        The class of the estimator.
    unit : str, optional
        The unit of the map, in place of that of the header.

    Returns
    -------
    image : `~astropy.nddata.CCDData`
        The map.
    """
    with renamed(path='map', image=f'map {path}', unit='--unit'):
        return kind.read_image(path, **(
            {} if unit is None else {'unit': unit}))


def check_inputs(files, weights=None):
    """
    Refuse input files that do not exist, all of them at once.

    This comes before outputs are checked.

    Parameters
    ----------
    files : dict of str to list of `~pathlib.Path`
        The files, by what messages call them.
    weights : str, optional
        Weights; a file if it ends with ``.safetensors``.
    """
    if weights is not None and weights.endswith('.safetensors'):
        files = {**files, '--weights': [resolve_path(weights)]}
    faults = {f'{name}: a file is needed, not the folder {path}'
              if path.is_dir() else f'{name}: there is no file {path}': None
              for name, paths in files.items() for path in paths
              if not path.is_file()}
    if faults:
        raise FileNotFoundError('; '.join(faults))


def check_maps(images, estimator):
    """
    Refuse maps that an estimator does not take.

    Parameters
    ----------
    images : dict
        Maps by their files.
    estimator : `~compact_removal.base.BaseEstimator`
        The estimator.
    """
    for path, image in images.items():
        with renamed(image=f'map {path}'):
            estimator.check_images([image])


def read_positions_file(path, image, *, pixels=False):
    """
    Read a catalogue, and check that it has positions.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    image : `~astropy.nddata.CCDData`
        The map that the positions belong to.
    pixels : bool, optional
        Whether pixels will do for a map without a WCS.

    Returns
    -------
    catalog : `~astropy.table.QTable` or list of regions
        The catalogue.
    """
    from compact_removal.maps import read_pixels
    from compact_removal.maps.files import read_catalog
    from compact_removal.maps.positions import read_positions

    catalog, wcs = read_catalog(path), getattr(image, 'wcs', None)
    with renamed(positions=f'catalog {path}'):
        if pixels:
            read_pixels(catalog, wcs=wcs, shape=image.shape)
        else:
            read_positions(catalog, wcs=wcs)
    return catalog


def check_catalogs(paths, maps):
    """
    Refuse catalogues that are not one per map.

    Parameters
    ----------
    paths, maps : list
        The files.
    """
    if paths and len(paths) != len(maps):
        msg = (f'catalogs must name one file per MAP ({len(maps)}), got '
               f'{len(paths)}')
        raise ParameterError(msg, 'catalogs')


def check_seed(seed):
    """
    Refuse a seed that NumPy does not take.

    Parameters
    ----------
    seed : int
        The seed.
    """
    if seed < 0:
        msg = f'seed must not be negative, got {seed}'
        raise ParameterError(msg, 'seed')


def check_outputs(paths, *, overwrite):
    """
    Refuse to replace files, and folders that cannot be written to.

    This comes before any work is done.

    Parameters
    ----------
    paths : dict of str to `~pathlib.Path`
        The files.
    overwrite : bool
        Whether they may be replaced.
    """
    for path in paths.values():
        if path.is_dir():
            msg = f'{path} must be a file, but there is a folder of that name'
            raise IsADirectoryError(msg)
        if path.exists() and not overwrite:
            msg = f'{path} exists; use --overwrite to replace it'
            raise FileExistsError(msg)
        folder = next(parent for parent in path.absolute().parents
                      if parent.exists())
        if not folder.is_dir():
            msg = f'{path} cannot be written: {folder} is not a folder'
            raise NotADirectoryError(msg)
        if not os.access(folder, os.W_OK | os.X_OK):
            msg = f'{path} cannot be written: no permission for {folder}'
            raise PermissionError(msg)
