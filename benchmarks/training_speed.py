# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Batches per second of the training, by the number of worker processes.

The default network learns from simulated cutouts, which are made by a
thread of the same process (0) or by worker processes; ratios are those
to the thread. The simulator alone is timed beside it::

    python benchmarks/training_speed.py
"""

import argparse
import time

from compact_removal import nn
from compact_removal.removal import TrainingCutouts, build_model


def make_cutouts(n_batches, seed):
    """
    Cutouts as `CompactSourceRemover.fit` has them, of one band.
    """
    return TrainingCutouts('scanmap', bands=['blue'], size=64, batch_size=64,
                           n_batches=n_batches, n_fields=100, field_size=128,
                           seed=seed)


def time_training(n_batches, n_workers):
    """
    Seconds per batch, without the first epoch, which fills the caches.
    """
    times = []

    class Clock:
        """
        Validation data that tell when an epoch ends.
        """

        def __init__(self, cutouts):
            self.cutouts = cutouts

        def __len__(self):
            return 1

        def batch(self, epoch, number):
            return self.cutouts.batch(epoch, number)

    model = build_model('separation', seed=1)
    settings = nn.TrainingSettings(n_epochs=3, learning_rate=1e-3,
                                   scheduler='cosine', max_norm=20.0,
                                   n_workers=n_workers)
    loss = model.make_loss()

    def timed(*args):
        if not model.training:
            times.append(time.perf_counter())
        return loss(*args)

    nn.train(model, make_cutouts(n_batches, 1), Clock(make_cutouts(1, 2)),
             settings, loss=timed)
    return (times[-1] - times[0]) / (2 * n_batches)


def main():
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--n-batches', type=int, default=20)
    parser.add_argument('--n-workers', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args()
    cutouts = make_cutouts(args.n_batches, 3)
    for epoch in range(2):
        start = time.perf_counter()
        for number in range(len(cutouts)):
            cutouts.batch(epoch, number)
        seconds = (time.perf_counter() - start) / args.n_batches
    print(f'simulation alone: {1 / seconds:.2f} batches of 64 per second')
    first = None
    for n_workers in args.n_workers:
        seconds = time_training(args.n_batches, n_workers)
        first = first or seconds
        print(f'{n_workers} worker processes: {1 / seconds:.2f} batches per '
              f'second, {first / seconds:.2f} of the first')


if __name__ == '__main__':
    main()
