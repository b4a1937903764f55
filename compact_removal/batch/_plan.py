# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Check the input of a run, and find out what is left to do.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from astropy.table import QTable

from compact_removal.base import BaseEstimator
from compact_removal.batch._job import Job
from compact_removal.batch._settings import (describe_estimator,
                                             hash_positions, is_same_map)
from compact_removal.maps.columns import list_columns
from compact_removal.maps.files import map_stem, read_catalog
from compact_removal.maps.positions import read_positions
from compact_removal.maps.units import read_unit
from compact_removal.utils.descriptions import hash_settings
from compact_removal.utils.files import (compute_sha256, is_temporary,
                                         replace_file, resolve_path)
from compact_removal.utils.parameters import (ParameterError,
                                              ParameterTypeError,
                                              name_parameter)
from compact_removal.utils.records import read_record, write_record

REPORT_NAME = 'report.ecsv'
REPORT_KIND = 'compact_removal: report of a batch'


@dataclass(frozen=True)
class BatchPlan:
    """
    The maps of a run, and those that need not be done.

    Parameters
    ----------
    jobs : list of `Job`
        All maps, in the order of the input.
    finished : dict of int to dict
        Records of the maps that need not be done, by their number.
    report : `~pathlib.Path`
        Where the report goes.
    """

    jobs: list
    finished: dict
    report: Path

    @property
    def tasks(self):
        """
        Numbers and jobs of the maps that are left.
        """
        return [(number, job) for number, job in enumerate(self.jobs)
                if number not in self.finished]


def make_plan(estimator, maps, catalogs, output_dir, *, overwrite,
              unit=None):
    """
    Check the input, and prepare the folder.

    Parameters
    ----------
    estimator, maps, catalogs, output_dir, overwrite, unit
        See `~compact_removal.batch.process_many`.

    Returns
    -------
    plan : `BatchPlan`
        What is to be done.

    Raises
    ------
    TypeError, ValueError, OSError
        If an argument is not allowed, or files are in the way.
    """
    maps = _check_maps(maps)
    _check_estimator(estimator)
    if not isinstance(output_dir, (str, os.PathLike)):
        msg = ('output_dir must be the path of a folder, got '
               f'{type(output_dir).__name__}')
        raise ParameterTypeError(msg, 'output_dir')
    folder = resolve_path(output_dir).absolute()
    catalogs, common = _check_catalogs(catalogs, len(maps), estimator)
    given = catalogs if common is None else [common] * len(maps)
    _check_outputs(maps, given, folder, estimator.output_files)
    carried = {}
    if unit is not None:
        carried['unit'] = unit = str(read_unit(unit))
    if isinstance(common, str):
        table = read_catalog(common)
        if list_columns(table):
            carried['columns'] = compute_sha256(common)
        common = read_positions(table)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        msg = f'output_dir must be a folder, got the file {folder}'
        raise name_parameter(NotADirectoryError(msg), 'output_dir') from error
    present = _list_files(folder)
    fitted, description = _save_estimator(estimator, folder)
    if common is not None:
        catalogs = [_save_common(common, folder)] * len(maps)
    shared = {'estimator': type(estimator), 'fitted': fitted,
              'is_common': common is not None,
              'params': _make_absolute(estimator.get_params()), 'unit': unit}
    hashes, jobs = {}, []
    for path, catalog, name in zip(maps, catalogs, given, strict=True):
        settings = hash_settings({
            'estimator': description, 'common': common is not None,
            'catalog': _hash_catalog(catalog, hashes), **carried})
        stem = map_stem(path)
        jobs.append(Job(
            map=str(path), catalog=catalog,
            catalog_name=name if isinstance(name, str) else None,
            settings=settings, record=folder / f'{stem}_record.json',
            outputs={name: folder / f'{stem}{ending}' for name, ending
                     in estimator.output_files.items()}, **shared))
    _check_report(folder / REPORT_NAME, overwrite=overwrite)
    finished = {}
    if overwrite:
        _claim(jobs, present)
    else:
        finished = _find_finished(jobs, present)
    return BatchPlan(jobs, finished, folder / REPORT_NAME)


def _check_maps(maps):
    """
    Absolute paths of the maps.
    """
    if not isinstance(maps, (list, tuple)):
        msg = f'maps must be a list of paths, got {type(maps).__name__}'
        raise ParameterTypeError(msg, 'maps')
    if not maps:
        msg = 'maps must have at least one path'
        raise ParameterError(msg, 'maps')
    for entry in maps:
        if not isinstance(entry, (str, os.PathLike)):
            msg = ('maps must be a list of paths of FITS files, got an entry '
                   f'of type {type(entry).__name__}')
            raise ParameterTypeError(msg, 'maps')
    return [resolve_path(entry).absolute() for entry in maps]


def _check_estimator(estimator):
    """
    Refuse what cannot process maps, and parameters wrong for all maps.
    """
    if not isinstance(estimator, BaseEstimator) or not estimator.output_files:
        msg = ('estimator must be one that processes single images, got '
               f'{estimator!r}')
        raise ParameterTypeError(msg, 'estimator')
    estimator.check_params()


def _make_absolute(params):
    """
    The parameters, with weights of a file by its absolute path.
    """
    weights = params.get('weights')
    if isinstance(weights, os.PathLike) or (
            isinstance(weights, str) and resolve_path(weights).is_file()):
        return {**params, 'weights': str(resolve_path(weights).absolute())}
    return params


def _check_catalogs(catalogs, n_maps, estimator):
    """
    A path or positions for each map, or those for all.
    """
    if catalogs is None and estimator.positions_use != 'required':
        return [None] * n_maps, None
    if estimator.positions_use == 'none':
        msg = (f'catalogs must be None, as {type(estimator).__name__} takes '
               'no positions')
        raise ParameterError(msg, 'catalogs')
    if isinstance(catalogs, (list, tuple)):
        if len(catalogs) != n_maps:
            msg = (f'catalogs must have one entry per map ({n_maps}), or be '
                   'one catalogue for all (a path, SkyCoord or Table), got '
                   f'{len(catalogs)} entries')
            raise ParameterError(msg, 'catalogs')
        return [_check_catalog(entry, f'catalogs[{number}]')
                for number, entry in enumerate(catalogs)], None
    return [None] * n_maps, _check_catalog(catalogs, 'catalogs')


def _check_catalog(catalog, name):
    """
    An absolute path, or positions.
    """
    if isinstance(catalog, (str, os.PathLike)):
        return str(resolve_path(catalog).absolute())
    try:
        return read_positions(catalog)
    except (TypeError, ValueError) as error:
        msg = (f'{name} must be a path, a SkyCoord, a Table or regions: '
               f'{error}')
        kind = (ParameterTypeError if isinstance(error, TypeError)
                else ParameterError)
        raise kind(msg, 'catalogs') from error


def _check_outputs(maps, catalogs, folder, endings):
    """
    Refuse maps whose outputs would replace each other, or an input.
    """
    stems = {}
    for path in maps:
        # for some systems small letters and capitals are the same
        stem = map_stem(path)
        other = stems.setdefault(stem.lower(), path)
        if other is not path:
            msg = ('maps must have different names, as those of the outputs '
                   f'are made of them, got {other} and {path}')
            raise ParameterError(msg, 'maps')
    inputs = {str(path) for path in maps}
    inputs |= {entry for entry in catalogs if isinstance(entry, str)}
    outputs = [str(folder / f'{map_stem(path)}{ending}') for path in maps
               for ending in endings.values()]
    for output in [*outputs, str(folder / REPORT_NAME)]:
        if output in inputs:
            msg = ('output_dir must be a folder where no output replaces an '
                   f'input: {output} is both')
            raise ParameterError(msg, 'output_dir')


def _list_files(folder):
    """
    Names of the files in the folder; delete what killed writers left.
    """
    present = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_temporary(entry.name):
                Path(entry.path).unlink(missing_ok=True)
            else:
                present.add(entry.name)
    return present


def _save_estimator(estimator, folder):
    """
    Save a fitted estimator for the workers; describe any.
    """
    if not any(name.endswith('_') for name in vars(estimator)):
        return None, describe_estimator(estimator)
    with tempfile.TemporaryDirectory() as scratch:
        saved = Path(scratch) / 'estimator.safetensors'
        estimator.save(saved)
        description = describe_estimator(estimator, saved)
        path = (folder /
                f'batch_estimator-{hash_settings(description)}.safetensors')
        with replace_file(path) as temporary:
            shutil.copyfile(saved, temporary)
    return str(path), description


def _save_common(common, folder):
    """
    Write the common catalogue where workers can read it quickly.
    """
    path = folder / f'batch_catalog-{hash_positions(common)}.fits'
    if not path.exists():
        with replace_file(path) as temporary:
            QTable({'sky_center': common}).write(temporary, format='fits')
    return str(path)


def _hash_catalog(catalog, hashes):
    """
    Hash of a catalogue; None if there is none, or it cannot be read.
    """
    if catalog is None:
        return None
    if not isinstance(catalog, str):
        return hash_positions(catalog)
    if catalog not in hashes:
        try:
            hashes[catalog] = compute_sha256(catalog)
        except OSError:
            hashes[catalog] = None
    return hashes[catalog]


def _check_report(path, *, overwrite):
    """
    Refuse to replace a report that is something else.
    """
    if overwrite or not path.exists():
        return
    with open(path, encoding='utf-8', errors='replace') as file:
        if REPORT_KIND not in file.read(2 ** 16):
            _refuse(path, 'is no report of a batch')


def _find_finished(jobs, present):
    """
    Records of finished maps; refuse files of other runs.
    """
    finished = {}
    for number, job in enumerate(jobs):
        record = read_record(job.record) if job.record.name in present else {}
        outputs = [path for path in job.outputs.values()
                   if path.name in present]
        status = record.get('status')
        if status is None and outputs:
            _refuse(outputs[0], 'has no record of a batch beside it')
        if status not in ('done', 'unfinished'):
            continue
        if record.get('settings') != job.settings:
            _refuse(job.record, 'was made with other settings (estimator, '
                                'weights, their calibration or catalogue)')
        if status == 'done':
            if not is_same_map(job.map, record.get('fingerprint')):
                _refuse(job.record, 'was made of a map of the same name with '
                                    'other content')
            if len(outputs) == len(job.outputs):
                finished[number] = record
    return finished


def _claim(jobs, present):
    """
    Mark what is to be replaced, so that the run can be resumed.
    """
    for job in jobs:
        paths = (job.record, *job.outputs.values())
        if any(path.name in present for path in paths):
            write_record(job.record, job.make_record('unfinished'))


def _refuse(path, reason):
    """
    Raise the error about a file that is in the way.
    """
    msg = (f'output_dir: {path} {reason}; choose another folder, or let it '
           'be overwritten: then all maps are done again')
    raise name_parameter(FileExistsError(msg), 'output_dir')
