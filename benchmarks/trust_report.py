# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tables of ``trust.py``.
"""

from itertools import pairwise

import numpy as np
from accuracy_report import LEVELS, robust
from astropy.table import Table

# What marks a number as not to be trusted.
ALARMS = ('poor_fit', 'sharp', 'extended', 'saturated')

# Fluxes that are judged, with their errors.
FLUXES = ('flux', 'annulus_flux', 'flux_fit')

# Columns of which the distribution is shown for good sources, where.
QUALITY = ('qfit', 'reduced_chi2', 'fwhm_ratio')
QUALITY_LEVELS = (5, 10, 30, 100, 300, 1000, 3000)
PERCENTILES = (50, 90, 99, 99.7)

# Fluxes of the faintest sources in local standard deviations.
FAINT = (1, 5)

# Sources of a field that make it comparable with others.
_MIN_FIELD = 10


def pulls(rows, name='flux'):
    """
    Errors over predicted errors.
    """
    return np.asarray((rows[name] - rows['true_flux']) / rows[f'{name}_err'])


def share(condition):
    """
    A share as text.
    """
    return f'{np.mean(condition):.3f}' if len(condition) else '-'


def in_levels(rows, levels=LEVELS):
    """
    The rows of each range of the flux, with its name.
    """
    for low, high in levels:
        part = rows[(rows['level'] >= low) & (rows['level'] < high)]
        if len(part):
            yield (f'{low}-{high}' if np.isfinite(high) else f'{low}-'), part


def split(rows, key):
    """
    The rows of each case or field, and all of them.
    """
    for value in sorted(set(rows[key])):
        yield value, rows[rows[key] == value]
    yield 'all', rows


def show(title, entries):
    """
    Print a table.
    """
    print(f'\n{title}')
    if entries:
        Table(entries).pprint(max_lines=-1, max_width=-1)


def name_worst(rows, good, what):
    """
    Print the field in which fewest numbers are good.
    """
    shares = {field: np.mean(good[rows['field'] == field])
              for field in set(rows['field'])
              if np.sum(rows['field'] == field) >= _MIN_FIELD}
    if shares:
        worst = min(sorted(shares), key=shares.get)
        print(f'Worst field, {what}: {worst} ({shares[worst]:.3f}; all '
              f'{np.mean(good):.3f})')


def pull_entry(rows, name):
    """
    How well a flux agrees with the truth.
    """
    ratio = np.asarray(rows[name] / rows['true_flux'])
    pull = pulls(rows, name)
    return {'flux': name, 'n': len(rows), 'nan': int(np.isnan(pull).sum()),
            'ratio': f'{np.nanmedian(ratio):.3f}',
            'scatter': f'{robust(ratio):.3f}',
            '<1': share(np.abs(pull[np.isfinite(pull)]) < 1),
            '<1.96': share(np.abs(pull[np.isfinite(pull)]) < 1.96),
            'either': share(is_safe(rows, name=name)),
            'pull': f'{np.nanmedian(pull):+.2f}',
            'pull_rms': f'{robust(pull):.2f}'}


def report_coverage(rows):
    """
    Fluxes over truth and pulls.
    """
    names = [name for name in FLUXES if name in rows.colnames]
    for case, part in split(rows, 'case'):
        if case != 'all':
            show(f'{case}: {len(set(part["seed"]))} maps', [
                {'level': level} | pull_entry(some, name)
                for name in names for level, some in in_levels(part)])
    pooled = rows[rows['case'] == 'mixed']
    show('mixed, by field', [
        {'field': field, 'level': level} | pull_entry(some, 'flux')
        for field, part in split(pooled, 'field')
        for level, some in in_levels(part)])
    for name in names:
        for limit in (1, 1.96):
            known = pooled[np.isfinite(pooled[name])]
            name_worst(known, is_right(known, limit, name),
                       f'|pull| of {name} < {limit}')


def flag_entry(rows):
    """
    Shares of the flags.
    """
    return {'n': len(rows)} | {
        name: share(rows[name]) for name in (*ALARMS, 'alarm')}


def report_alarms(rows):
    """
    Flags of good sources, and percentiles of what they are set by.
    """
    for key in ('case', 'field'):
        show(f'flagged, by {key}', [
            {key: value, 'level': level} | flag_entry(some)
            for value, part in split(rows, key)
            for level, some in in_levels(part)])
    name_worst(rows, ~rows['alarm'], 'not flagged')
    levels = list(pairwise(QUALITY_LEVELS))
    for name in (name for name in QUALITY if name in rows.colnames):
        show(f'{name}, percentiles', [
            {'case': case, 'level': level, 'n': len(some)} | {
                f'{percent}%': f'{value:.4g}'
                for percent, value in zip(PERCENTILES, np.nanpercentile(
                    some[name], PERCENTILES), strict=True)}
            for case, part in split(rows, 'case')
            for level, some in in_levels(part, levels)])


def is_right(rows, limit=3, name='flux'):
    """
    Whether each flux is right within its error.
    """
    return np.abs(pulls(rows, name)) < limit


def is_safe(rows, limit=3, name='flux'):
    """
    Whether each flux is right within its error, flagged, or NaN.
    """
    return (is_right(rows, limit, name) | np.isnan(rows[name])
            | rows['alarm'])


def defect_entry(rows):
    """
    How many damaged sources are right or flagged.
    """
    pull = pulls(rows)
    ratio = np.asarray(rows['flux'] / np.where(rows['true_flux'] > 0,
                                               rows['true_flux'], np.nan))
    return {'n': len(rows), 'nan': int(np.isnan(pull).sum()),
            'ratio': f'{np.nanmedian(ratio):.3f}',
            'pull': f'{np.nanmedian(pull):+.2f}',
            'flagged': share(rows['alarm']), '<3': share(is_right(rows)),
            '<4': share(is_right(rows, 4)), 'either': share(is_safe(rows)),
            'either4': share(is_safe(rows, 4))}


def report_defects(rows):
    """
    Damaged sources, and the others of the same maps.
    """
    levels = ((-1, 5), *LEVELS)
    for title, part in (('damaged', rows[rows['affected']]),
                        ('others of the same maps',
                         rows[~rows['affected'] & (rows['level'] > 0)])):
        show(title, [
            {'defect': case, 'level': level} | defect_entry(some)
            for case, some_case in split(part, 'case')
            for level, some in (*in_levels(some_case, levels),
                                ('all', some_case))])
    damaged = rows[rows['affected']]
    show('damaged, by field', [
        {'field': field} | defect_entry(part)
        for field, part in split(damaged, 'field')])
    name_worst(damaged, is_safe(damaged), 'right or flagged')
    for case, part in split(damaged, 'case'):
        if case != 'all':
            name_worst(part, is_safe(part), f'{case} right or flagged')


def empty_entry(rows, names):
    """
    Significance where nothing is, and how often limits hold.
    """
    entry = {'n': len(rows)}
    for name in names:
        entry[name] = (
            f'{np.nanmedian(rows[name] / rows[f"{name}_err"]):+.2f}')
        entry[f'{name} <1.96'] = share(np.abs(pulls(rows, name)) < 1.96)
    holds = np.asarray(rows['flux'] + 1.645 * rows['flux_err']
                       >= rows['true_flux'])
    entry['flux+1.645err'] = share(holds)
    if 'upper_limit' in rows.colnames:
        entry['upper_limit'] = share(rows['upper_limit'] >= rows['true_flux'])
    entry['alarm'] = share(rows['alarm'])
    return entry


def report_empty(rows):
    """
    Positions without a source, and with faint ones.
    """
    names = [name for name in FLUXES if name in rows.colnames]
    limit = (rows['upper_limit'] if 'upper_limit' in rows.colnames
             else rows['flux'] + 1.645 * rows['flux_err'])
    for title, wanted in (
            ('no source: median of flux over error, share of limits >= 0',
             rows['level'] == 0),
            ('1 to 5 sigma: the same, share of limits >= truth',
             (rows['level'] > 0) & (rows['level'] < FAINT[1]))):
        part = rows[wanted]
        show(title, [{'field': field} | empty_entry(some, names)
                     for field, some in split(part, 'field')])
        name_worst(part, np.asarray(limit[wanted] >= part['true_flux']),
                   'limits hold')
