# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Time the partial convolution against the form with two convolutions.

Run by hand::

    python benchmarks/partial_conv.py

The reference (the form of Liu et al. 2018) keeps a mask with as many
channels as the data and runs a second full convolution on it. Both
forms get the same weights, must give the same numbers, and are timed in
turn in one process, so that the ratio does not depend on what else the
machine does.
"""

import argparse
import statistics
import time

import torch
from torch.nn import functional

from compact_removal.nn.layers import PartialConv2d, PartialConvTranspose2d

CASES = ((PartialConv2d, 3, 1), (PartialConv2d, 4, 2),
         (PartialConvTranspose2d, 3, 1), (PartialConvTranspose2d, 4, 2))


def two_convolutions(layer, features, mask):
    """
    Compute the layer in the form with a mask of all channels.
    """
    convolve = (functional.conv2d if isinstance(layer, PartialConv2d)
                else functional.conv_transpose2d)
    options = {'stride': layer.stride, 'padding': layer.padding}
    output = convolve(features * mask, layer.weight, **options)
    with torch.no_grad():
        count = convolve(mask, torch.ones_like(layer.weight), **options)
        holes = count < 0.5
        count = count.masked_fill(holes, 1.0)
    output = (output / count).masked_fill(holes, 0.0)
    return output, torch.ones_like(output).masked_fill(holes, 0.0)


def measure(function, *args, backward):
    """
    Return the time of one call (s).
    """
    start = time.perf_counter()
    with torch.set_grad_enabled(backward):
        output = function(*args)[0]
        if backward:
            output.sum().backward()
    return time.perf_counter() - start


def main():
    """
    Print one line per case and the ratios of the sums.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('--channels', type=int, default=512)
    parser.add_argument('--size', type=int, default=12)
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--repeats', type=int, default=7)
    parser.add_argument('--threads', type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    features = torch.randn(args.batch, args.channels, args.size, args.size)
    mask = (torch.rand(args.batch, 1, args.size, args.size) > 0.3).float()
    full_mask = mask.expand(-1, args.channels, -1, -1).contiguous()
    sums = {False: [0.0, 0.0], True: [0.0, 0.0]}
    for class_, kernel_size, stride in CASES:
        layer = class_(args.channels, args.channels, stride=stride,
                       kernel_size=kernel_size, padding=1)
        with torch.no_grad():
            torch.testing.assert_close(
                layer(features, mask)[0],
                two_convolutions(layer, features, full_mask)[0],
                rtol=1e-4, atol=1e-5)
        ratios = []
        for backward, total in sums.items():
            times = [(measure(layer, features, mask, backward=backward),
                      measure(two_convolutions, layer, features, full_mask,
                              backward=backward))
                     for _ in range(args.repeats + 1)]
            ours, reference = map(statistics.median,
                                  zip(*times[1:], strict=True))
            total[0] += ours
            total[1] += reference
            ratios.append(f'{1e3 * ours:.0f} ms against '
                          f'{1e3 * reference:.0f} ms, ratio '
                          f'{reference / ours:.2f}')
        print(f'{class_.__name__}, kernel {kernel_size}, stride {stride}: '
              f'forward {ratios[0]}; with backward {ratios[1]}')
    (one, two), (three, four) = sums.values()
    print(f'all, {args.channels} channels: ratio {two / one:.2f} forward, '
          f'{four / three:.2f} with backward')


if __name__ == '__main__':
    main()
