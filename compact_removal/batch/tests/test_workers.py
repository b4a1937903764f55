# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of doing tasks, with small functions in place of maps.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from compact_removal import nn
from compact_removal.batch import _workers
from compact_removal.batch._workers import (WorkerDiedError, run_here,
                                            run_local, run_on_client)
from compact_removal.utils.processors import count_cpus


def work(text):
    """
    Double a text, or end the process: always, or if a file is missing.
    """
    if text == 'deadly':
        os.kill(os.getpid(), signal.SIGKILL)
    if text == 'bad':
        msg = 'this one is bad'
        raise ValueError(msg)
    if text.startswith('/') and not Path(text).exists():
        Path(text).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * text


def environment(name):
    """
    A variable of the worker, its number of threads, and its number.
    """
    return os.environ.get(name), nn.limit_threads(1000), os.getpid()


@pytest.mark.slow
def test_killed_workers_lose_nothing(tmp_path):
    once = str(tmp_path / 'killed once')
    texts = ['a', 'deadly', 'b', once, 'bad']
    results = dict(run_local(work, enumerate(texts), n_workers=2))
    assert sorted(results) == list(range(len(texts)))
    died = results.pop(1)
    assert isinstance(died, WorkerDiedError)
    assert str(died) == 'the worker process died, twice'
    assert repr(results.pop(4)) == "ValueError('this one is bad')"
    del texts[1], texts[3]
    assert [results[number] for number in sorted(results)] == [
        2 * text for text in texts]


@pytest.mark.slow
def test_threads_and_end_of_workers(monkeypatch):
    monkeypatch.setattr(_workers, 'count_cpus', lambda: 7)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    tasks = [(0, 'OMP_NUM_THREADS'), (1, 'HOME')]
    results = run_local(environment, tasks, n_workers=1,
                        prepare=nn.limit_threads)
    _, (variable, n_threads, pid) = next(results)
    assert variable == '7'
    assert n_threads <= 7
    assert 'OMP_NUM_THREADS' not in os.environ
    os.kill(pid, 0)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_count_cpus(monkeypatch):
    assert 1 <= count_cpus() <= os.cpu_count()
    # as on systems that do not tell
    monkeypatch.delattr(os, 'sched_getaffinity', raising=False)
    assert count_cpus() == os.cpu_count()
    monkeypatch.setattr(os, 'cpu_count', lambda: None)
    assert count_cpus() == 1


def test_limit_threads():
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert nn.limit_threads(3) == 2
        assert nn.limit_threads(1) == 1
        assert nn.limit_threads(5) == 1
        with pytest.raises(ValueError, match='n_threads must be a positive'):
            nn.limit_threads(0)
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_scripts_without_a_guard(tmp_path):
    script = tmp_path / 'script.py'
    script.write_text(
        'from compact_removal.batch._workers import run_local\n'
        'from compact_removal.batch.tests.test_workers import work\n'
        'list(run_local(work, [(0, "a"), (1, "b")], n_workers=1))\n')
    root = Path(_workers.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True,
        text=True, env={**os.environ, 'PYTHONPATH': str(root)})
    assert result.returncode == 1
    assert ('RuntimeError: worker processes cannot be started: in a script, '
            'start the run below') in result.stderr


def count_taken(tasks, taken):
    for task in tasks:
        taken.append(task)
        yield task


def test_run_here_takes_one_at_a_time():
    taken = []
    results = run_here(work, count_taken(enumerate('abcd'), taken))
    assert next(results) == (0, 'aa')
    assert len(taken) == 1


def test_client(client):
    taken = []
    tasks = count_taken(enumerate(['a', 'bad', *'cdefghijklmnop']), taken)
    results = run_on_client(work, tasks, client=client)
    found = dict([next(results)])
    # Two for each thread, and one in place of that which is finished.
    assert len(taken) <= 5
    found.update(results)
    assert sorted(found) == list(range(16))
    assert repr(found.pop(1)) == "ValueError('this one is bad')"
    assert set(found.values()) == {2 * text for text in 'acdefghijklmnop'}


def test_equal_tasks_are_all_done(client):
    results = run_on_client(work, [(0, 'a'), (1, 'a')], client=client)
    assert sorted(results) == [(0, 'aa'), (1, 'aa')]
