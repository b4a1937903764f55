# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fluxes and errors at positions where there is no source.

A dozen bright sources go into each background of ``accuracy.py``, so that
the PSF can be learned; fluxes are measured at random positions between
them::

    python benchmarks/empty_positions.py --data ../shared/data
"""

import warnings

import numpy as np
from accuracy import (iterate_backgrounds, load_psfs, make_parser,
                      make_scene)
from astropy.table import Table, vstack
from development_data import as_ccd, find_empty

from compact_removal import CompactSourceRemover
from compact_removal.instruments import get_band
from compact_removal.maps import source_snr

METHODS = ('separation', 'inpainting', 'annulus')


def describe(kind, name, rows):
    """
    Medians and half widths (68 %) of flux over error (``pull``) and of
    flux over local deviation, and the share of pulls within limits.
    """
    ratio = rows[name] / rows[f'{name}_err']
    entry = {'kind': kind, 'method': name, 'n': len(rows)}
    for key, values in (('pull', ratio), ('flux', rows[name] / rows['sigma'])):
        low, middle, high = np.percentile(values, [15.87, 50, 84.13])
        entry[key] = f'{middle:.2f}'
        entry[f'{key}68'] = f'{(high - low) / 2:.2f}'
    return entry | {f'<{limit}': f'{np.mean(np.abs(ratio) < limit):.3f}'
                    for limit in (1, 1.96, 3)}


def main():
    """
    Run it for one mode and band.
    """
    args = make_parser(__doc__).parse_args()
    warnings.simplefilter('ignore')
    band = get_band(args.mode, args.band)
    psfs = load_psfs(args.data, args.band)
    tables = []
    for truth, avoid, seed, _, kind, _ in iterate_backgrounds(
            args.data, band, args.n_fields, args.n_repeats):
        scene, flux, _ = make_scene(truth, avoid, band, psfs[seed % 3], seed,
                                    n_sources=12, flux_range=(300, 3000))
        x, y = find_empty(truth, avoid, scene, seed)
        ccd = as_ccd(scene.image, band)
        places = ccd.wcs.pixel_to_world(np.append(scene.x, x),
                                        np.append(scene.y, y))
        _, _, sigma = source_snr(truth, x, y, source_radius=8,
                                 annulus_radii=(0, 22))
        rows = Table({'kind': np.full(x.size, kind), 'sigma': sigma})
        for name in METHODS[:2]:
            remover = CompactSourceRemover(args.mode, args.band, network=name)
            _, sources = remover.remove(ccd, places)
            for end in ('flux', 'flux_err'):
                for key, start in ((name, ''), ('annulus', 'annulus_')):
                    rows[key + end[4:]] = sources[start + end][flux.size:]
        tables.append(rows)
    rows = vstack(tables)
    Table([describe(kind, name, rows[rows['kind'] == kind])
           for kind in dict.fromkeys(rows['kind'])
           for name in METHODS]).pprint(max_lines=-1, max_width=-1)


if __name__ == '__main__':
    main()
