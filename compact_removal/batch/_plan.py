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

from compact_removal.maps.files import map_stem, read_catalog
from compact_removal.batch._job import Job
from compact_removal.batch._settings import (describe_remover, hash_positions,
                                             hash_settings, is_same_map)
from compact_removal.removal import CompactSourceRemover
from compact_removal.photometry.corrections import check_apertures
from compact_removal.maps.positions import read_positions
from compact_removal.maps.columns import list_columns
from compact_removal.utils.files import (compute_sha256, is_temporary,
                                         replace_file)
from compact_removal.utils.records import read_record, write_record

REPORT_NAME = 'report.ecsv'
REPORT_KIND = 'compact_removal: report of remove_many'


@dataclass(frozen=True)
class Plan:
    """
    What is to be done.

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


def make_plan(maps, catalogs, remover, output_dir, *, overwrite):
    """
    Check the input, and prepare the folder.

    Parameters
    ----------
    maps, catalogs, remover, output_dir, overwrite
        See `~compact_removal.batch.remove_many`.

    Returns
    -------
    plan : `Plan`
        What is to be done.

    Raises
    ------
    TypeError, ValueError, OSError
        If an argument is not allowed, or files are in the way.
    """
    maps = _check_maps(maps)
    remover = _check_remover(remover)
    if not isinstance(output_dir, (str, os.PathLike)):
        msg = ('output_dir must be the path of a folder, got '
               f'{type(output_dir).__name__}')
        raise TypeError(msg)
    folder = Path(output_dir).expanduser().absolute()
    catalogs, common = _check_catalogs(catalogs, len(maps))
    _check_outputs(maps, catalogs if common is None else [common], folder)
    names = [entry if isinstance(entry, str) else None for entry in
             (catalogs if common is None else [common] * len(maps))]
    carried = {}
    if isinstance(common, str):
        table = read_catalog(common)
        if list_columns(table):
            carried['columns'] = compute_sha256(common)
        common = read_positions(table)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        msg = f'output_dir must be a folder, got the file {folder}'
        raise NotADirectoryError(msg) from error
    present = _list_files(folder)
    fitted, description = _save_remover(remover, folder)
    if common is not None:
        catalogs = [_save_common(common, folder)] * len(maps)
    params = remover.get_params()
    if isinstance(params['weights'], os.PathLike) or Path(
            params['weights'] or '').expanduser().is_file():
        params['weights'] = str(Path(params['weights']).expanduser()
                                .absolute())
    hashes = {}
    jobs = []
    for path, catalog, name in zip(maps, catalogs, names, strict=True):
        settings = hash_settings({
            'remover': description, 'common': common is not None,
            'catalog': _hash_catalog(catalog, hashes), **carried})
        stem = folder / map_stem(path)
        jobs.append(Job(
            map=str(path), catalog=catalog, catalog_name=name,
            is_common=common is not None, params=params,
            fitted=fitted, settings=settings,
            background=f'{stem}_background.fits',
            sources=f'{stem}_sources.ecsv', record=f'{stem}_record.json'))
    _check_report(folder / REPORT_NAME, overwrite=overwrite)
    finished = {}
    if overwrite:
        _claim(jobs, present)
    else:
        finished = _find_finished(jobs, present)
    return Plan(jobs, finished, folder / REPORT_NAME)


def _check_maps(maps):
    """
    Absolute paths of the maps.
    """
    if not isinstance(maps, (list, tuple)):
        msg = f'maps must be a list of paths, got {type(maps).__name__}'
        raise TypeError(msg)
    if not maps:
        msg = 'maps must have at least one path'
        raise ValueError(msg)
    for entry in maps:
        if not isinstance(entry, (str, os.PathLike)):
            msg = ('maps must be a list of paths of FITS files, got an entry '
                   f'of type {type(entry).__name__}')
            raise TypeError(msg)
    return [Path(entry).expanduser().absolute() for entry in maps]


def _check_remover(remover):
    """
    The estimator; by default one that takes mode and band of headers.
    """
    if remover is None:
        return CompactSourceRemover(None, None)
    if not isinstance(remover, CompactSourceRemover):
        msg = ('remover must be a CompactSourceRemover or None, got '
               f'{type(remover).__name__}')
        raise TypeError(msg)
    # Parameters that are wrong for all maps are told before the work.
    params = remover.get_params()
    params['mode'] = params['mode'] or 'scanmap'
    params['band'] = params['band'] or 'blue'
    complete = CompactSourceRemover(**params)
    band = complete._check()
    if remover.mode is not None and remover.band is not None:
        check_apertures(complete.apertures, band)
    return remover


def _check_catalogs(catalogs, n_maps):
    """
    A path or positions for each map, or those for all.
    """
    if isinstance(catalogs, (list, tuple)):
        if len(catalogs) != n_maps:
            msg = (f'catalogs must have one entry per map ({n_maps}), or be '
                   'one catalogue for all (a path, SkyCoord or Table), got '
                   f'{len(catalogs)} entries')
            raise ValueError(msg)
        return [_check_catalog(entry, f'catalogs[{number}]')
                for number, entry in enumerate(catalogs)], None
    return [None] * n_maps, _check_catalog(catalogs, 'catalogs')


def _check_catalog(catalog, name):
    """
    An absolute path, or positions.
    """
    if isinstance(catalog, (str, os.PathLike)):
        return str(Path(catalog).expanduser().absolute())
    try:
        return read_positions(catalog)
    except (TypeError, ValueError) as error:
        msg = (f'{name} must be a path, a SkyCoord, a Table or regions: '
               f'{error}')
        raise type(error)(msg) from error


def _check_outputs(maps, catalogs, folder):
    """
    Refuse maps whose outputs would replace each other, or an input.
    """
    stems = {}
    for path in maps:
        # some systems do not tell small letters from capitals
        stem = map_stem(path)
        other = stems.setdefault(stem.lower(), path)
        if other is not path:
            msg = ('maps must have different names, as those of the outputs '
                   f'are made of them, got {other} and {path}')
            raise ValueError(msg)
    inputs = {str(path) for path in maps}
    inputs |= {entry for entry in catalogs if isinstance(entry, str)}
    outputs = [str(folder / f'{map_stem(path)}_{ending}') for path in maps
               for ending in ('background.fits', 'sources.ecsv')]
    for output in [*outputs, str(folder / REPORT_NAME)]:
        if output in inputs:
            msg = ('output_dir must be a folder where no output replaces an '
                   f'input: {output} is both')
            raise ValueError(msg)


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


def _save_remover(remover, folder):
    """
    Save a fitted estimator for the workers; describe any.
    """
    if not hasattr(remover, 'model_'):
        return None, describe_remover(remover)
    with tempfile.TemporaryDirectory() as scratch:
        saved = Path(scratch) / 'remover.safetensors'
        remover.save(saved)
        description = describe_remover(remover, saved)
        path = (folder /
                f'batch_remover-{hash_settings(description)}.safetensors')
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
    Hash of a catalogue; None if its file cannot be read.
    """
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
            _refuse(path, 'is no report of remove_many')


def _find_finished(jobs, present):
    """
    Records of finished maps; refuse files of other runs.
    """
    finished = {}
    for number, job in enumerate(jobs):
        record = (read_record(job.record)
                  if Path(job.record).name in present else {})
        outputs = [path for path in job.outputs.values()
                   if path.name in present]
        status = record.get('status')
        if status is None and outputs:
            _refuse(outputs[0], 'has no record of remove_many beside it')
        if status not in ('done', 'unfinished'):
            continue
        if record.get('settings') != job.settings:
            _refuse(job.record, 'was made with other settings (estimator, '
                                'weights or catalogue)')
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
        paths = (Path(job.record), *job.outputs.values())
        if any(path.name in present for path in paths):
            write_record(job.record, job.make_record('unfinished'))


def _refuse(path, reason):
    """
    Raise the error about a file that is in the way.
    """
    msg = (f'output_dir: {path} {reason}; choose another folder, or '
           'overwrite=True to do all maps again')
    raise FileExistsError(msg)
