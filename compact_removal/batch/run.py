# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Process many maps with an estimator.
"""

import contextlib
import logging
import sys
import time

import astropy.units as u
import numpy as np
from astropy.table import QTable
from tqdm import tqdm

from compact_removal import nn
from compact_removal.batch import _workers
from compact_removal.batch._job import process_one
from compact_removal.batch._plan import REPORT_KIND, make_plan
from compact_removal.utils.files import replace_file
from compact_removal.utils.parameters import (ParameterError,
                                              ParameterTypeError,
                                              check_positive_integer)
from compact_removal.utils.processors import count_cpus
from compact_removal.utils.progress import bar_shape
from compact_removal.utils.records import read_record

__all__ = ['process_many']

_LOG = logging.getLogger(__name__)

_COLUMNS = {'map': str, 'status': str, 'error': str, 'n_sources': int,
            'n_on_map': int, 'n_flagged': int, 'seconds': float,
            'warnings': str}


def process_many(estimator, maps, catalogs=None, *, output_dir,
                 n_workers=None, client=None, overwrite=False,
                 unit=None, progress_bar=False):
    """
    Process many maps, on local processes or a dask cluster.

    For each map the files of the estimator's ``output_files`` are
    written to ``output_dir``, named after it, with
    ``<name>_record.json`` (what became of it), and at the end
    ``report.ecsv``. A map that fails does not stop the others; its
    record holds the traceback. If the run is interrupted or killed, the
    same call resumes it: finished maps are not done again, failed ones
    are. The report of an interrupted run has no rows for maps that are
    left.

    Parameters
    ----------
    estimator : `~compact_removal.base.BaseEstimator`
        The estimator, fitted or not. If it has the parameters ``mode``
        and ``band`` and one of them is `None`, that of the header of
        each map is taken.
    maps : list of str or path-like
        Files that the estimator can read, see its ``read_image``. Their
        names, without folder and ending, must be different.
    catalogs : list, or path, SkyCoord or Table, optional
        Positions, where the estimator takes them. A list with one entry
        per map: positions, or a file, see
        `~compact_removal.maps.read_catalog`.
        Or one catalogue for all maps, no list: each map takes the rows
        that lie on it, no further than 10 pixels from an observed one,
        and ``id`` in the results is the number of the row, from 1.
    output_dir : str or path-like
        Folder of the results; it is made if there is none. Only one run
        at a time may write to it. Workers must reach it, and the maps,
        by the same paths.
    n_workers : int, optional
        Number of local processes; default: one for each processor that
        this process may use. With 1, maps are done in this process.
    client : `distributed.Client`, optional
        A dask cluster in place of local processes.
    overwrite : bool, optional
        Whether to do all maps again, and replace what is there.
    unit : str or `~astropy.units.Unit`, optional
        The unit of all maps, in place of those of their headers.
    progress_bar : bool, optional
        Whether to show progress on stderr.

    Returns
    -------
    report : `~astropy.table.QTable`
        One row per map, in the order of ``maps``: ``map``, ``status``
        (``'done'``, ``'resumed'`` if an earlier run had done it, or
        ``'error'``), ``error`` (its class and message), ``n_sources``,
        ``n_on_map`` (positions that lie on the map, no further than 10
        pixels from an observed one), ``n_flagged`` (sources with
        flags), ``seconds``, ``warnings`` (separated by semicolons), and
        the files, by the names of ``output_files``, empty for errors.

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message starts with its name.
    OSError
        If ``overwrite`` is False and ``output_dir`` has files that were
        made with other settings or by something else. No map was done
        then.
    RuntimeError
        If processes cannot be started.

    Notes
    -----
    Settings are the same if the estimator, its parameters (other than
    those of ``no_effect``), the weights, their calibration and the
    catalogue are. A map is the same if its size and the time of its
    last change are, or if all of its bytes are, as in one that was
    moved or copied.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.batch import process_many
    >>> from compact_removal.datasets import make_example_field
    >>> image, catalog = make_example_field(shape=(96, 96), n_sources=2)
    >>> remover = CompactSourceRemover('scanmap', 'blue', cutout_size=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'map.fits'
    ...     image.write(path)
    ...     report = process_many(remover, [path], [catalog],
    ...                           output_dir=folder, n_workers=1)
    >>> report['status', 'n_sources'].pprint()
    status n_sources
    ------ ---------
      done         2
    """
    _check_workers(n_workers, client)
    plan = make_plan(estimator, maps, catalogs, output_dir,
                     overwrite=overwrite, unit=unit)
    tasks = plan.tasks
    if client is not None:
        results = _workers.run_on_client(process_one, tasks, client=client)
    else:
        n_workers = min(n_workers or count_cpus(), len(tasks))
        results = (_workers.run_here(process_one, tasks) if n_workers <= 1
                   else _workers.run_local(process_one, tasks,
                                           n_workers=n_workers,
                                           prepare=nn.limit_threads))
    records = {number: {**record, 'status': 'resumed'}
               for number, record in plan.finished.items()}
    bar = tqdm(total=len(plan.jobs), initial=len(records), unit='map',
               disable=not progress_bar, file=sys.stderr,
               **bar_shape(sys.stderr))
    try:
        with bar, contextlib.closing(results):
            _collect(results, plan.jobs, records, bar)
    finally:
        _add_done(plan.jobs, records)
        report = _make_report(plan.jobs, records, estimator.output_files)
        with replace_file(plan.report) as path:
            report.write(path, format='ascii.ecsv')
    return report


def _check_workers(n_workers, client):
    """
    Check who does the work.
    """
    if n_workers is not None:
        check_positive_integer('n_workers', n_workers)
    if client is None:
        return
    if n_workers is not None:
        msg = (f'n_workers must be None with a client, got {n_workers}: the '
               'cluster has its own workers')
        raise ParameterError(msg, 'n_workers')
    try:
        from distributed import Client
    except ImportError:
        Client = ()
    if not isinstance(client, Client) or client.asynchronous:
        msg = ('client must be a dask.distributed.Client that is not '
               f'asynchronous, got {type(client).__name__}')
        raise ParameterTypeError(msg, 'client')


def _collect(results, jobs, records, bar):
    """
    Put the results into the records as they come.
    """
    start, n_sources, n_errors = time.monotonic(), 0, 0
    for number, record in results:
        if isinstance(record, Exception):
            record = jobs[number].make_error(record)
        if record['status'] == 'error':
            _LOG.info('%s failed: %s', record['map'], record['error'])
        records[number] = record
        n_sources += record['n_sources']
        n_errors += record['status'] == 'error'
        rate = n_sources / max(time.monotonic() - start, 1e-3)
        bar.set_postfix_str(f'{rate:.3g} sources/s, {n_errors} errors',
                            refresh=False)
        bar.update()


def _add_done(jobs, records):
    """
    Add the maps that were done, but not collected, in an interrupted run.
    """
    for number, job in enumerate(jobs):
        if number in records:
            continue
        record = read_record(job.record)
        if (record.get('status') == 'done'
                and record.get('settings') == job.settings):
            records[number] = record


def _make_report(jobs, records, output_files):
    """
    The report, without the maps that have no record.
    """
    rows = []
    for number in sorted(records):
        record, job = records[number], jobs[number]
        good = record['status'] != 'error'
        outputs = {name: str(path) if good else ''
                   for name, path in job.outputs.items()}
        # records of earlier versions do not have the number on the map
        rows.append({'n_on_map': record['n_sources'], **record,
                     'map': job.map, **outputs})
    columns = {**_COLUMNS, **dict.fromkeys(output_files, str)}
    report = QTable({name: np.array([row[name] for row in rows], dtype=kind)
                     for name, kind in columns.items()})
    report['seconds'] = report['seconds'] * u.s
    report.meta['kind'] = REPORT_KIND
    return report
