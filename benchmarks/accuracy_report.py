# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tables and figure of ``accuracy.py``.
"""

import numpy as np

# Flux of the sources in local standard deviations of the background.
FLUX_RANGE = (5, 3000)
KINDS = ('simulated', 'real', 'noisy')
LEVELS = ((5, 30), (30, 150), (150, np.inf))

# The networks of the package.
OWN = ('separation', 'inpainting', 'paper')


def robust(values):
    """
    Interquartile range over 1.349.
    """
    low, high = np.nanpercentile(values, [25, 75])
    return (high - low) / 1.349


def by_level(rows, function):
    """
    A number for each range of the flux.
    """
    return [function(rows[(rows['level'] >= low) & (rows['level'] < high)])
            for low, high in LEVELS]


def error_scatter(rows):
    """
    Robust scatter of the flux errors in local standard deviations.
    """
    return robust(rows['error'] / rows['sigma'])


def flux_figures(rows):
    """
    Scatter and bias over it by range, and relative scatter of the brightest.
    """
    scatter = by_level(rows, error_scatter)
    bias = by_level(rows, lambda part: np.nanmedian(
        part['error'] / part['sigma']))
    bright = rows[rows['level'] >= LEVELS[-1][0]]
    return (scatter, np.divide(bias, scatter),
            100 * robust(bright['error'] / bright['true_flux']))


def hole_errors(rows):
    """
    Median error in the hole over the local standard deviation, by range.
    """
    return by_level(rows, lambda part: np.nanmedian(
        part['hole'] / part['sigma']))


def report(title, rows):
    """
    Print the fluxes and the backgrounds of one set of maps.
    """
    methods = list(dict.fromkeys(rows['method']))
    names = [f'{low}-{high:g}' if np.isfinite(high) else f'>{low}'
             for low, high in LEVELS]
    unit = by_level(rows[rows['method'] == 'annulus'], error_scatter)
    print(f'\n{title}: flux, and its bias\n{"method":17s}' + ''.join(
        f'{name:>7s}' for name in names) + '  rel. %  ' + ''.join(
        f'{name:>7s}' for name in names))
    for method in methods:
        scatter, bias, relative = flux_figures(rows[rows['method'] == method])
        print(f'{method:17s}' + ''.join(
            f'{value:7.3f}' for value in np.divide(scatter, unit))
            + f'{relative:8.2f}  ' + ''.join(
                f'{value:7.2f}' for value in bias))
    print(f'\n{title}: background\n{"method":17s}' + ''.join(
        f'{name:>7s}' for name in names) + '    ln P      ms')
    for method in methods:
        mine = rows[rows['method'] == method]
        if not np.isfinite(mine['hole']).any():
            continue
        print(f'{method:17s}'
              + ''.join(f'{value:7.3f}' for value in hole_errors(mine))
              + f'{np.nanmedian(mine["power"]):8.2f}'
              f'{1e3 * np.median(mine["seconds"]):8.1f}', flush=True)


def report_pulls(rows):
    """
    Print the share of pulls within 1 and 1.96, by level and kind.
    """
    print('\nShare of errors within 1 and 1.96 of the predicted ones\n'
          f'{"network":11s} {"background":10s} {"flux":>9s}     n'
          '    fluxes       pixels')
    for method in OWN:
        for kind in KINDS:
            for low, high in ((0, np.inf), *LEVELS):
                part = rows[(rows['method'] == method)
                            & (rows['kind'] == kind)
                            & (rows['level'] >= low)
                            & (rows['level'] < high)]
                if not len(part):
                    continue
                pulls = np.abs(part['error'] / part['flux_err'])
                print(f'{method:11s} {kind:10s} {low:4d}-{high:<4g}'
                      f' {len(part):5d}  {np.mean(pulls < 1):.3f}'
                      f' {np.mean(pulls < 1.96):.3f}'
                      f'  {np.nanmean(part["pulls"]):.3f}'
                      f' {np.nanmean(part["pulls2"]):.3f}')


def save_figure(rows, path):
    """
    Plot the scatter of the flux errors against the flux.
    """
    import matplotlib as mpl

    mpl.use('agg')
    from matplotlib import pyplot as plt

    kinds = [kind for kind in KINDS if kind in rows['kind']]
    figure, axes = plt.subplots(1, len(kinds), sharey=True, squeeze=False,
                                figsize=(3.7 * len(kinds), 4.0),
                                layout='constrained')
    edges = np.geomspace(*FLUX_RANGE, 8)
    for kind, ax in zip(kinds, axes[0], strict=True):
        mine = rows[rows['kind'] == kind]
        place = np.digitize(mine['level'], edges)
        for method in dict.fromkeys(mine['method']):
            if method == 'none':
                continue
            own = mine['method'] == method
            scatter = [robust((mine['error'] / mine['sigma'])[
                own & (place == i)]) for i in range(1, len(edges))]
            ours = method in OWN
            ax.loglog(np.sqrt(edges[1:] * edges[:-1]), scatter, label=method,
                      lw=2.5 if ours else 1, marker='o' if ours else '.')
        ax.loglog(edges, 0.02 * edges, ':', color='0.5', label='2 %')
        ax.set(title=f'{kind} backgrounds', xlabel='flux / local sigma',
               ylim=(1, None))
    axes[0, 0].set_ylabel('scatter of the error / local sigma')
    axes[0, -1].legend(fontsize=7, ncols=2)
    figure.savefig(path, dpi=110)


def print_tables(rows, title):
    """
    Print everything but the single maps.
    """
    for kind in KINDS:
        if kind in rows['kind']:
            report(f'{title}, {kind} backgrounds', rows[rows['kind'] == kind])
    report(f'{title}, simulated and real', rows[rows['kind'] != 'noisy'])
    known = rows[np.isfinite(rows['bound'])]
    if len(known):
        print('\nGaussian fields: robust scatter / Cramer-Rao bound')
        for method in dict.fromkeys(known['method']):
            mine = known[known['method'] == method]
            print(f'{method:18s} {robust(mine["error"] / mine["bound"]):6.2f}')
    report_pulls(rows)
