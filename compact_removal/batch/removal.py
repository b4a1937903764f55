# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Remove sources from many maps.
"""

from compact_removal.batch.run import process_many
from compact_removal.removal import CompactSourceRemover
from compact_removal.utils.parameters import ParameterTypeError

__all__ = ['remove_many']


def remove_many(maps, catalogs, *, remover=None, output_dir, n_workers=None,
                client=None, overwrite=False, unit=None,
                progress_bar=False):
    """
    Remove sources from many maps, on local processes or a dask cluster.

    For each map three files are written to ``output_dir``, named after
    it: ``<name>_background.fits`` (background, ``UNCERT``, ``FLAGS``),
    ``<name>_sources.ecsv`` and ``<name>_record.json`` (what became of
    it), and at the end ``report.ecsv``. A map that fails does not stop
    the others; its record holds the traceback. If the run is
    interrupted or killed, the same call resumes it: finished maps are
    not done again, failed ones are. The report of an interrupted run
    has no rows for maps that are left.

    Parameters
    ----------
    maps : list of str or path-like
        FITS files, see `~compact_removal.datasets.read_pacs_map`. Their
        names, without folder and ending, must be different.
    catalogs : list, or path, SkyCoord or Table
        A list with one entry per map: what
        `~compact_removal.CompactSourceRemover.remove` takes as
        positions, or a file, see
        `~compact_removal.maps.read_catalog`. Or one
        catalogue for all maps, no list: each map takes the rows that
        lie on it, no further than 10 pixels from an observed one, and
        ``id`` in the results is the number of the row, from 1.
    remover : `~compact_removal.CompactSourceRemover`, optional
        The estimator, fitted or not. Where its ``mode`` or ``band`` is
        `None`, that of the header of each map is taken. Default: one
        with default parameters, and mode and band of the headers.
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
        flags), ``seconds``, ``warnings`` (separated by semicolons),
        ``background`` and ``sources`` (the files, empty for errors).

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
    Settings are the same if the parameters of the estimator (other than
    ``batch_size``, ``device``, ``progress_bar`` and ``seed``), the
    weights, their calibration and the catalogue are. A map is the same
    if its size and the time of its last change are, or if all of its
    bytes are, as in one that was moved or copied.

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
    if remover is None:
        remover = CompactSourceRemover(None, None)
    elif not isinstance(remover, CompactSourceRemover):
        msg = ('remover must be a CompactSourceRemover or None, got '
               f'{type(remover).__name__}')
        raise ParameterTypeError(msg, 'remover')
    return process_many(remover, maps, catalogs, output_dir=output_dir,
                        n_workers=n_workers, client=client,
                        overwrite=overwrite, unit=unit,
                        progress_bar=progress_bar)
