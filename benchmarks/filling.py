# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Defects that are filled, by this package and as others do.

Cosmic rays that no training saw are put on simulated exposures with galaxies
that no training saw; the pixels of the truth are filled, and compared with the
exposure without cosmic rays::

    python benchmarks/filling.py ../shared/data --n 30

The median, the mean and the mean weighted by the inverse distance in 5 x 5
pixels are those of astroscrappy (``medmask``, ``meanmask``, ``idw``), which
ccdproc uses; the Gaussian is ``interpolate_replace_nans`` of astropy.
"""

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from astropy.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / 'docs' / 'examples'))

from train_masker_weights import load_parts

from compact_removal.contaminants import clean, contaminate
from compact_removal.datasets import ExposureSettings, make_exposure

WIDTHS = {'below 2.5': (1.5, 2.5), 'above 2.5': (2.5, 6.0)}


def fill_locally(image, mask, size=2):
    """
    Median, mean, and mean weighted by the inverse distance.
    """
    found = {name: image.astype(float) for name in ('median', 'mean', 'idw')}
    ny, nx = image.shape
    for y, x in np.argwhere(mask):
        part = np.s_[max(y - size, 0):min(y + size + 1, ny),
                     max(x - size, 0):min(x + size + 1, nx)]
        known = ~mask[part]
        if not known.any():
            continue
        values = image[part][known]
        rows, columns = np.mgrid[part]
        weights = 1 / np.hypot(rows[known] - y, columns[known] - x)
        found['median'][y, x] = np.median(values)
        found['mean'][y, x] = values.mean()
        found['idw'][y, x] = np.average(values, weights=weights)
    return found


def main():
    """
    Fill cosmic rays, and print a table of errors.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('data', type=Path)
    parser.add_argument('--n', type=int, default=30)
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    parts = load_parts(args.data, apart=True)
    rows = []
    for label, widths in WIDTHS.items():
        errors, pulls, bright = {}, [], []
        for number in range(args.n):
            rng = np.random.default_rng([5, int(10 * widths[0]), number])
            exposure = make_exposure(
                (300, 300), galaxies=parts['galaxies'], seed=rng,
                settings=ExposureSettings(fwhm=widths))
            broken = contaminate(exposure, ['CR'], seed=rng,
                                 cosmic_rays=parts['cosmic_rays'])
            mask = broken.planes[0] & ~exposure.saturated
            cleaned = clean(broken.image, mask)
            fill = cleaned.flags == 1
            methods = {'clean': cleaned.data,
                       **fill_locally(broken.image, mask),
                       'Gaussian': interpolate_replace_nans(
                           np.where(mask, np.nan, broken.image),
                           Gaussian2DKernel(1.0))}
            for name, data in methods.items():
                errors.setdefault(name, []).append(
                    (data - exposure.image)[fill] / exposure.noise)
            pulls.append((cleaned.data - exposure.image)[fill]
                         / cleaned.uncertainty.array[fill])
            bright.append(exposure.bright[fill])
        objects, pull = np.concatenate(bright), np.concatenate(pulls)
        for name, values in errors.items():
            values = np.nan_to_num(np.concatenate(values), nan=1e3)
            mean = name == 'clean'
            rows.append((
                label, name, np.median(np.abs(values)),
                np.median(np.abs(values[objects])),
                np.sqrt(np.mean(np.clip(values[objects], -1e3, 1e3) ** 2)),
                np.mean(np.abs(pull) < 1) if mean else np.nan,
                np.mean(np.abs(pull) < 1.96) if mean else np.nan))
    table = Table(rows=rows, names=['FWHM', 'method', 'all median',
                                    'objects median', 'objects rms',
                                    'within 1', 'within 1.96'])
    for name in table.colnames[2:]:
        table[name].info.format = '.2f'
    print('errors over the noise of the sky: of all pixels that were filled, '
          'and of those on objects above 10 standard deviations')
    table.pprint(max_lines=-1, max_width=-1)


if __name__ == '__main__':
    main()
