# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A run over many maps whose workers, and which itself, are killed.

Part 1: maps, one of them truncated, on a dask cluster of two processes; one
of these is killed midway. Part 2: the same maps on local processes, in a run
that is killed midway and started again. Needs dask::

    python benchmarks/archive_run.py
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from astropy.table import QTable, Table

from compact_removal import CompactSourceRemover, remove_many
from compact_removal.datasets import make_example_field

REMOVER = CompactSourceRemover('scanmap', 'blue', cutout_size=64)


def make_maps(folder, n_maps, n_sources):
    """
    Write the maps and catalogues; the middle map is truncated.
    """
    for number in range(n_maps):
        image, catalog = make_example_field(
            shape=(128, 128), n_sources=n_sources, seed=number)
        path = folder / f'map{number:03}.fits'
        image.write(path)
        sky = catalog['sky_center'].icrs
        Table({'ra': sky.ra.deg, 'dec': sky.dec.deg}).write(
            path.with_suffix('.csv'))
    path = folder / f'map{n_maps // 2:03}.fits'
    path.write_bytes(path.read_bytes()[:20_000])


def run(folder, output_dir, **kwargs):
    """
    Run over all maps of a folder.
    """
    maps = sorted(folder.glob('*.fits'))
    return remove_many(maps, [path.with_suffix('.csv') for path in maps],
                       remover=REMOVER, output_dir=output_dir, **kwargs)


def count_done(output_dir):
    """
    Number of finished maps.
    """
    return sum('"status": "done"' in path.read_text()
               for path in output_dir.glob('map*_record.json'))


def wait_for(output_dir, n_maps):
    """
    Wait until some maps are finished.
    """
    while count_done(output_dir) < n_maps:
        time.sleep(0.2)


def check(report, output_dir, n_maps, n_sources):
    """
    Check that one map failed and nothing of the others is lost.
    """
    good = report['status'] != 'error'
    assert len(report) == n_maps
    assert list(np.flatnonzero(~good)) == [n_maps // 2]
    for row in report[good]:
        assert len(QTable.read(row['sources'])) == n_sources
        assert Path(row['background']).is_file()
    left = [path.name for path in output_dir.iterdir()
            if path.name.startswith('.')]
    assert not left


def show(title, report, seconds):
    """
    Print what became of the maps.
    """
    counts = {name: int(np.sum(report['status'] == name))
              for name in ('done', 'resumed', 'error')}
    new = report['n_sources'][report['status'] == 'done'].sum()
    print(f'{title}: {counts["done"]} done, {counts["resumed"]} resumed, '
          f'{counts["error"]} error; {seconds:.1f} s, '
          f'{new / seconds:.1f} sources/s')


def run_on_cluster(folder, output_dir, n_maps, n_sources):
    """
    Part 1: kill a worker of a dask cluster.
    """
    from distributed import Client, LocalCluster

    def kill():
        wait_for(output_dir, n_maps // 2)
        pid = next(iter(client.run(os.getpid).values()))
        os.kill(pid, signal.SIGKILL)
        killed.append((pid, count_done(output_dir)))

    killed = []
    with (LocalCluster(n_workers=2, threads_per_worker=1,
                       dashboard_address=None) as cluster,
          Client(cluster) as client):
        thread = threading.Thread(target=kill)
        thread.start()
        start = time.perf_counter()
        report = run(folder, output_dir, client=client)
        seconds = time.perf_counter() - start
        thread.join()
        pids = set(client.run(os.getpid).values())
    ((pid, n_done),) = killed
    assert pid not in pids
    check(report, output_dir, n_maps, n_sources)
    print(f'dask: one of two workers killed after {n_done} maps')
    show('dask', report, seconds)


def run_and_resume(folder, output_dir, n_maps, n_sources):
    """
    Part 2: kill the run itself, and resume it.
    """
    output_dir.mkdir()
    process = subprocess.Popen([sys.executable, __file__, '--child',
                                str(folder), str(output_dir)],
                               stderr=subprocess.DEVNULL)
    wait_for(output_dir, n_maps // 2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(2)
    n_done = count_done(output_dir)
    times = {path: path.stat().st_mtime_ns
             for path in output_dir.glob('map*_background.fits')
             if '"done"' in Path(str(path).replace(
                 '_background.fits', '_record.json')).read_text()}
    assert len(times) == n_done
    start = time.perf_counter()
    report = run(folder, output_dir, n_workers=2)
    seconds = time.perf_counter() - start
    check(report, output_dir, n_maps, n_sources)
    assert np.sum(report['status'] == 'resumed') == n_done
    assert times == {path: path.stat().st_mtime_ns for path in times}
    print(f'local: run killed after {n_done} maps')
    show('local, resumed', report, seconds)
    start = time.perf_counter()
    report = run(folder, output_dir, n_workers=2)
    show('local, again', report, time.perf_counter() - start)


def main():
    """
    Run and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--n-maps', type=int, default=200)
    parser.add_argument('--n-sources', type=int, default=5)
    parser.add_argument('--child', nargs=2, type=Path,
                        help='used by the second part')
    args = parser.parse_args()
    if args.child:
        run(*args.child, n_workers=2)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'maps').mkdir()
        make_maps(folder / 'maps', args.n_maps, args.n_sources)
        print(f'{args.n_maps} maps of 128x128 pixels, {args.n_sources} '
              'sources each, one of them truncated')
        for part, out in ((run_on_cluster, 'dask'),
                          (run_and_resume, 'local')):
            part(folder / 'maps', folder / out, args.n_maps, args.n_sources)


if __name__ == '__main__':
    main()
