# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Remove sources from many maps.
"""

import contextlib
import sys
import time

import astropy.units as u
import numpy as np
from astropy.table import QTable
from tqdm import tqdm

from compact_removal import nn
from compact_removal.batch import _workers
from compact_removal.batch._job import describe_error, remove_one
from compact_removal.batch._plan import REPORT_KIND, make_plan
from compact_removal.utils.files import replace_file
from compact_removal.utils.progress import bar_shape
from compact_removal.utils.records import read_record

__all__ = ['remove_many']

_COLUMNS = {'map': str, 'status': str, 'error': str, 'n_sources': int,
            'n_flagged': int, 'seconds': float, 'warnings': str,
            'background': str, 'sources': str}


def remove_many(maps, catalogs, *, remover=None, output_dir, n_workers=None,
                client=None, overwrite=False, progress_bar=False):
    """
    Remove sources from many maps, on local processes or a dask cluster.

    For each map three files are written to ``output_dir``, named after
    it: ``<name>_background.fits`` (background, ``UNCERT``, ``FLAGS``),
    ``<name>_sources.ecsv`` and ``<name>_record.json`` (what became of
    it), and at the end ``report.ecsv``. A map that fails does not stop
    the others. If the run is interrupted or killed, the same call
    resumes it: finished maps are not done again, failed ones are. The
    report of an interrupted run has no rows for maps that are left.

    Parameters
    ----------
    maps : list of str or path-like
        FITS files, see `~compact_removal.datasets.read_pacs_map`. Their
        names, without folder and ending, must be different.
    catalogs : list, or path, SkyCoord or Table
        A list with one entry per map: what
        `~compact_removal.CompactSourceRemover.remove` takes as
        positions, or a file (ECSV, CSV, FITS or DS9 regions). Or one
        catalogue for all maps, no list: each map takes the rows that
        lie on it, no further than 10 pixels from an observed one, and
        ``id`` in the results is the number of the row, from 1.
    remover : `~compact_removal.CompactSourceRemover`, optional
        The estimator, fitted or not. Where its ``mode`` or ``band`` is
        `None`, the header of each map tells it. Default: one with
        default parameters, and mode and band of the headers.
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
    progress_bar : bool, optional
        Whether to show progress on stderr.

    Returns
    -------
    report : `~astropy.table.QTable`
        One row per map, in the order of ``maps``: ``map``, ``status``
        (``'done'``, ``'resumed'`` if an earlier run had done it, or
        ``'error'``), ``error`` (its class and message), ``n_sources``,
        ``n_flagged`` (sources with flags), ``seconds``, ``warnings``
        (separated by semicolons), ``background`` and ``sources`` (the
        files, empty for errors).

    Raises
    ------
    TypeError, ValueError
        If an argument is not allowed; the message starts with its name.
    OSError
        If ``overwrite`` is False and ``output_dir`` has files that were
        made with other settings or by something else. Nothing was done
        then.
    RuntimeError
        If processes cannot be started.

    Notes
    -----
    Settings are the same if the parameters of the estimator (other than
    ``batch_size``, ``device``, ``progress_bar`` and ``seed``), the
    weights and the catalogue are. A map is the same if its size and the
    time of its last change are, or if all of its bytes are, as in one
    that was moved or copied.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal import CompactSourceRemover, remove_many
    >>> from compact_removal.datasets import make_example_field
    >>> image, catalog = make_example_field(shape=(96, 96), n_sources=2)
    >>> remover = CompactSourceRemover('scanmap', 'blue', cutout_size=64)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'map.fits'
    ...     image.write(path)
    ...     report = remove_many([path], [catalog], remover=remover,
    ...                          output_dir=folder, n_workers=1)
    >>> report['status', 'n_sources'].pprint()
    status n_sources
    ------ ---------
      done         2
    """
    _check_workers(n_workers, client)
    plan = make_plan(maps, catalogs, remover, output_dir,
                     overwrite=overwrite)
    tasks = plan.tasks
    if client is not None:
        results = _workers.run_on_client(remove_one, tasks, client=client)
    else:
        n_workers = min(n_workers or _workers.count_cpus(), len(tasks))
        results = (_workers.run_here(remove_one, tasks) if n_workers <= 1
                   else _workers.run_local(remove_one, tasks,
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
        report = _make_report(plan.jobs, records)
        with replace_file(plan.report) as path:
            report.write(path, format='ascii.ecsv')
    return report


def _check_workers(n_workers, client):
    """
    Check who does the work.
    """
    if n_workers is not None and (
            not isinstance(n_workers, (int, np.integer))
            or isinstance(n_workers, bool) or n_workers < 1):
        msg = ('n_workers must be a positive integer or None, got '
               f'{n_workers!r}')
        raise ValueError(msg)
    if client is None:
        return
    if n_workers is not None:
        msg = (f'n_workers must be None with a client, got {n_workers}: the '
               'cluster has its own workers')
        raise ValueError(msg)
    try:
        from distributed import Client
    except ImportError:
        Client = ()
    if not isinstance(client, Client) or client.asynchronous:
        msg = ('client must be a dask.distributed.Client that is not '
               f'asynchronous, got {type(client).__name__}')
        raise TypeError(msg)


def _collect(results, jobs, records, bar):
    """
    Put the results into the records as they come.
    """
    start, n_sources, n_errors = time.monotonic(), 0, 0
    for number, record in results:
        if isinstance(record, Exception):
            record = jobs[number].make_record('error',
                                              describe_error(record))
        records[number] = record
        n_sources += record['n_sources']
        n_errors += record['status'] == 'error'
        rate = n_sources / max(time.monotonic() - start, 1e-3)
        bar.set_postfix_str(f'{rate:.3g} sources/s, {n_errors} errors',
                            refresh=False)
        bar.update()


def _add_done(jobs, records):
    """
    Add the maps that were done, but not told of, in an interrupted run.
    """
    for number, job in enumerate(jobs):
        if number in records:
            continue
        record = read_record(job.record)
        if (record.get('status') == 'done'
                and record.get('settings') == job.settings):
            records[number] = record


def _make_report(jobs, records):
    """
    The report, without the maps of which nothing is known.
    """
    rows = []
    for number in sorted(records):
        record, job = records[number], jobs[number]
        good = record['status'] != 'error'
        outputs = {name: str(path) if good else ''
                   for name, path in job.outputs.items()}
        rows.append({**record, 'map': job.map, **outputs})
    report = QTable({name: np.array([row[name] for row in rows], dtype=kind)
                     for name, kind in _COLUMNS.items()})
    report['seconds'] = report['seconds'] * u.s
    report.meta['kind'] = REPORT_KIND
    return report
