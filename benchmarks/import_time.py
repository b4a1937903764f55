# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time of imports, beside that of parts of Astropy that every user needs.

Each import is timed in new processes, all in turn, so that they see the
same load of the computer::

    python benchmarks/import_time.py

Prints medians of the time and of the time of the processor, the difference
and the ratio to Astropy; then the same in processes that have imported
Astropy before, and the packages that cost most of it.
"""

import argparse
import subprocess
import sys

import numpy as np

ASTROPY = 'import astropy.nddata, astropy.table, astropy.coordinates'

IMPORTS = {
    'astropy': ASTROPY,
    'compact_removal': 'import compact_removal',
    'CompactSourceRemover':
        'from compact_removal import CompactSourceRemover',
    'remove_many': 'from compact_removal import remove_many',
    'datasets': 'import compact_removal.datasets',
    'metrics': 'import compact_removal.metrics',
    'plotting': 'import compact_removal.plotting',
    'evaluation': 'import compact_removal.evaluation',
    'cli': 'import compact_removal.cli',
    'torch': 'import torch',
}

TIMED = """
{before}
import time
start = time.perf_counter(), time.process_time()
{code}
print(time.perf_counter() - start[0], time.process_time() - start[1])
"""


def run(*arguments):
    """
    Output and errors of a new Python, which must succeed.
    """
    return subprocess.run([sys.executable, '-W', 'error', *arguments],
                          check=True, capture_output=True, text=True)


def import_times(imports, n_repeats, before=''):
    """
    Medians of times of imports in new processes (s), by name.

    The first is that of a clock, the second that of the processor.
    """
    times = {name: [] for name in imports}
    for repeat in range(n_repeats + 1):
        for name, code in imports.items():
            found = run('-c', TIMED.format(before=before, code=code))
            # the first only fills the cache of the disk
            if repeat:
                times[name].append([float(text)
                                    for text in found.stdout.split()])
    return {name: np.median(values, axis=0)
            for name, values in times.items()}


def slowest_modules(code, n_modules):
    """
    The packages that an import spends most time in, after Astropy (s).

    The time of a module is without that of the modules that it imports.
    """
    found = run('-X', 'importtime', '-c', f'{ASTROPY}\nimport sys\n'
                f'print("start", file=sys.stderr)\n{code}')
    total = {}
    _, _, lines = found.stderr.partition('start\n')
    for line in lines.splitlines():
        own, _, name = line.removeprefix('import time:').split('|')
        package = '.'.join(name.strip().split('.')[:2])
        total[package] = total.get(package, 0) + float(own) * 1e-6
    order = sorted(total, key=total.get, reverse=True)
    return {name: total[name] for name in order[:n_modules]}


def main():
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n')[0])
    parser.add_argument('--n-repeats', type=int, default=9)
    args = parser.parse_args()

    title = f'{"time":>10s}{"processor":>12s}{"difference":>12s}{"ratio":>8s}'
    print(f'{"in a new process":22s}{title}')
    times = import_times(IMPORTS, args.n_repeats)
    reference = times['astropy'][0]
    for name, (wall, cpu) in times.items():
        print(f'{name:22s}{wall:8.3f} s{cpu:10.3f} s{wall - reference:+10.3f}'
              f' s{wall / reference:8.2f}')

    print(f'{"after astropy":22s}{title}')
    own = {name: code for name, code in IMPORTS.items()
           if 'compact_removal' in code}
    for name, (wall, cpu) in import_times(own, args.n_repeats,
                                          before=ASTROPY).items():
        print(f'{name:22s}{wall:8.3f} s{cpu:10.3f} s{wall:+10.3f} s'
              f'{1 + wall / reference:8.2f}')

    print('packages that CompactSourceRemover spends most time in')
    for name, seconds in slowest_modules(IMPORTS['CompactSourceRemover'],
                                         10).items():
        print(f'{name:42s}{seconds:8.3f} s')


if __name__ == '__main__':
    main()
