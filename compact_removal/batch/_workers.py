# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Do tasks on local processes or a dask cluster, a bounded number at a time.

Tasks are pairs of a number and an argument. The generators yield the
number with the result, or with an exception where there is no result.
"""

import contextlib
import os
import signal
import threading
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context, parent_process

from compact_removal.utils.processors import count_cpus

# Read by the libraries below NumPy when they are loaded.
_THREAD_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS',
                     'MKL_NUM_THREADS')


class WorkerDiedError(RuntimeError):
    """
    The process that worked on a map ended, for example for want of memory.
    """


def run_here(function, tasks):
    """
    Do tasks one by one in this process.

    Parameters
    ----------
    function : callable
        What to do with the argument of a task.
    tasks : iterable of tuple
        Number and argument.

    Yields
    ------
    number, result
        In the order of ``tasks``.
    """
    for number, argument in tasks:
        yield number, function(argument)


def run_local(function, tasks, *, n_workers, prepare=None):
    """
    Do tasks on local processes.

    A process that dies takes one task with it, as each has its own
    executor. That task is done again at the end, when no other task
    needs memory; if its process dies once more, it is given up.

    Parameters
    ----------
    function : callable
        A function of a module; its argument and result are pickled.
    tasks : iterable of tuple
        Number and argument.
    n_workers : int
        Number of processes.
    prepare : callable, optional
        Called in each new process with its share of the processors.

    Yields
    ------
    number, result
        As they are finished. The result is a `WorkerDiedError` where
        the process died twice.

    Raises
    ------
    RuntimeError
        If processes cannot be started.
    """
    n_threads = max(1, count_cpus() // n_workers)
    workers = [_Worker(function, prepare, n_threads) for _ in range(n_workers)]
    waiting, idle, lost, busy = iter(tasks), list(workers), [], {}
    proven = False
    try:
        while True:
            # islice takes no more tasks than there are idle workers
            for task in islice(waiting, len(idle)):
                worker = idle.pop()
                busy[worker.submit(task[1])] = worker, task
            if not busy:
                break
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                worker, task = busy.pop(future)
                idle.append(worker)
                try:
                    result = future.result()
                except BrokenProcessPool as error:
                    if not (worker.discard() or proven):
                        msg = ('worker processes cannot be started: in a '
                               'script, start the run below "if '
                               '__name__ == \'__main__\':", or use '
                               'n_workers=1')
                        raise RuntimeError(msg) from error
                    lost.append(task)
                    continue
                except Exception as error:  # it could not be pickled
                    result = error
                proven = True
                yield task[0], result
        for worker in workers[1:]:
            worker.discard()
        for number, argument in lost:
            try:
                result = workers[0].submit(argument).result()
            except BrokenProcessPool:
                workers[0].discard()
                result = WorkerDiedError('the worker process died, twice')
            yield number, result
    except BaseException:
        for worker in workers:
            worker.kill()
        raise
    workers[0].discard()


class _Worker:
    """
    A process, started when it is needed.
    """

    def __init__(self, function, prepare, n_threads):
        self._function = function
        self._prepare = prepare
        self._n_threads = n_threads
        self._executor = None
        self._pid = None

    def submit(self, argument):
        """
        Hand over a task.
        """
        if self._executor is not None:
            with contextlib.suppress(BrokenProcessPool):
                return self._executor.submit(self._function, argument)
            # it died with nothing to do
            self.discard()
        self._start()
        return self._executor.submit(self._function, argument)

    def _start(self):
        """
        Start the process.
        """
        self._executor = ProcessPoolExecutor(
            1, mp_context=get_context('spawn'), initializer=_start_process,
            initargs=(self._prepare, self._n_threads))
        with _thread_environment(self._n_threads):
            self._pid = self._executor.submit(os.getpid)

    def discard(self):
        """
        Let go of a process that is dead or idle; return if it had started.
        """
        if self._executor is None:
            return False
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = None
        return self._pid.exception() is None

    def kill(self):
        """
        End the process, whatever it does.
        """
        if self._executor is None:
            return
        with contextlib.suppress(BrokenProcessPool, OSError):
            os.kill(self._pid.result(), signal.SIGTERM)
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._executor = None


@contextlib.contextmanager
def _thread_environment(n_threads):
    """
    Limit the threads of processes that are started meanwhile.
    """
    added = [name for name in _THREAD_VARIABLES if name not in os.environ]
    os.environ.update(dict.fromkeys(added, str(n_threads)))
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _start_process(prepare, n_threads):
    """
    Prepare a new process.
    """
    # Ctrl-C is for the parent, which ends its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(n_threads)


def _end_with_parent():
    """
    End this process when its parent has ended, even if it was killed.
    """
    parent_process().join()
    os._exit(1)


def run_on_client(function, tasks, *, client):
    """
    Do tasks on a dask cluster.

    Parameters
    ----------
    function : callable
        A function of a module that the workers have.
    tasks : iterable of tuple
        Number and argument.
    client : `distributed.Client`
        The cluster. Its scheduler does tasks of dead workers again.

    Yields
    ------
    number, result
        As they are finished. The result is an exception where the
        scheduler has given up.
    """
    from distributed import as_completed

    waiting, running = iter(tasks), {}
    completed = as_completed([], loop=client.loop)

    def fill():
        n_threads = sum(client.nthreads().values())
        while len(running) < max(2, 2 * n_threads):
            task = next(waiting, None)
            if task is None:
                return
            future = client.submit(function, task[1], pure=False)
            running[future] = task[0]
            completed.add(future)

    try:
        fill()
        for future in completed:
            number = running.pop(future)
            try:
                result = future.result()
            except Exception as error:  # whatever the cluster raises
                result = error
            del future
            fill()
            yield number, result
    finally:
        if running:
            client.cancel(list(running))
