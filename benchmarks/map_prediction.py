# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Prediction of a whole map in tiles: differences, time and memory.

A U-Net of 16 channels with random weights sees a map of 3000x3000
pixels in tiles of several sizes::

    python benchmarks/map_prediction.py
"""

import argparse
import time
from itertools import pairwise

import numpy as np
import torch
from process_memory import memory, reset_peak

from compact_removal.nn import Field, Model, make_model, predict_map


class UNet(Model):
    """
    Three levels of convolutions, halved by averages.
    """

    name = 'unet'
    inputs = {'image': Field('plane', 'affine')}  # noqa: RUF012
    outputs = {'probability': Field('plane')}  # noqa: RUF012
    size_step = 4
    receptive_radius = 44

    def __init__(self, width=16):
        super().__init__(width=width)
        channels = [width, 2 * width, 4 * width]
        self.down = torch.nn.ModuleList(
            self._make_block(n, m) for n, m in zip([1, *channels], channels,
                                                   strict=False))
        self.up = torch.nn.ModuleList(
            self._make_block(n + m, n) for n, m in pairwise(channels))
        self.last = torch.nn.Conv2d(width, 1, 1)

    @staticmethod
    def _make_block(n_in, n_out):
        """
        Two convolutions.
        """
        return torch.nn.Sequential(
            torch.nn.Conv2d(n_in, n_out, 3, padding=1), torch.nn.ReLU(),
            torch.nn.Conv2d(n_out, n_out, 3, padding=1), torch.nn.ReLU())

    def forward(self, image):
        """
        Return the probability of each pixel.
        """
        features, skips = torch.nan_to_num(image)[:, None], []
        for block in self.down:
            features = block(features)
            skips.append(features)
            features = torch.nn.functional.avg_pool2d(features, 2)
        features = skips.pop()
        for block in reversed(self.up):
            features = torch.nn.functional.interpolate(features,
                                                       scale_factor=2)
            features = block(torch.cat([skips.pop(), features], 1))
        return {'probability': torch.sigmoid(self.last(features))[:, 0]}


def main():
    """
    Measure and print.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--size', type=int, default=3000)
    parser.add_argument('--tiles', type=int, nargs='+',
                        default=[256, 512, 1024])
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    image = rng.normal(size=(args.size, args.size)).astype(np.float32)
    model = make_model(UNet, seed=1)
    # new weights give nearly the same everywhere: make it differ
    piece = predict_map(model, {'image': image[:300, :300]})['probability']
    logits = np.log(piece / (1 - piece))
    with torch.no_grad():
        model.last.weight /= float(logits.std())
        model.last.bias -= float(logits.mean())
        model.last.bias /= float(logits.std())
    first = None
    for tile_size in args.tiles:
        reset_peak()
        before = memory('VmRSS')
        start = time.perf_counter()
        found = predict_map(model, {'image': image},
                            tile_size=tile_size)['probability']
        seconds = time.perf_counter() - start
        used = memory('VmHWM') - before
        first = found if first is None else first
        difference = np.abs(found - first).max()
        print(f'tiles of {tile_size}: {seconds:.1f} s, at most {used:.0f} MiB '
              f'above the map, largest difference to the first '
              f'{difference:.1e} (values {found.min():.2f} to '
              f'{found.max():.2f})')


if __name__ == '__main__':
    main()
