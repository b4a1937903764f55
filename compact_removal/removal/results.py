# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Last step of a removal: what it returns, as Astropy objects.
"""

from collections import namedtuple

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable

from compact_removal.removal.flags import FLAG
from compact_removal.removal.records import combine_flags

__all__ = ['RemovalResult', 'make_result']

# Columns that come after those of all apertures.
_LAST = ('annulus_flux', 'annulus_flux_err', 'flux_fit', 'flux_fit_err',
         'upper_limit', 'qfit', 'reduced_chi2', 'fwhm_ratio',
         'missing_fraction')


class RemovalResult(namedtuple('RemovalResult', ['background', 'sources'])):
    """
    What `CompactSourceRemover.remove` returns; it unpacks.

    Attributes
    ----------
    background : `~astropy.nddata.CCDData`
        The map without the sources.
    sources : `~astropy.table.QTable`
        One row per position, in the input's order.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_example_field
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> result = CompactSourceRemover('scanmap', 'blue').remove(image, catalog)
    >>> result.background.shape, len(result.sources)
    ((64, 64), 1)
    """

    __slots__ = ()


def make_result(image, coordinates, flux_unit, located, fitted, inspection,
                estimate, measurement, provenance):
    """
    Put the records of all steps together.

    Parameters
    ----------
    image : `~astropy.nddata.NDData`
        The map that was given.
    coordinates : `~astropy.coordinates.SkyCoord`
        The positions that were given, shape ``(n,)``.
    flux_unit : `~astropy.units.Unit`
        Unit of the fluxes.
    located, fitted, inspection, estimate, measurement
        The records of the steps.
    provenance : dict
        What is noted in the ``meta`` of both results.

    Returns
    -------
    result : `RemovalResult`
        Background and sources; their arrays may be written to.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import numpy as np
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.removal.results import make_result
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> one, bit = np.ones(1), np.array([1])
    >>> located = SimpleNamespace(x=one, y=one, first=0 * bit, snr=one,
    ...                           radius=one, flags=bit)
    >>> estimate = SimpleNamespace(data=image.data, error=0 * image.data,
    ...                            pixel_flags=0 * image.data, flags=2 * bit)
    >>> names = ['flux', 'flux_err', 'aperture_radius',
    ...          'aperture_correction', 'annulus_flux', 'annulus_flux_err',
    ...          'flux_fit', 'flux_fit_err', 'upper_limit', 'qfit',
    ...          'reduced_chi2', 'fwhm_ratio', 'missing_fraction']
    >>> measurement = SimpleNamespace(columns=dict.fromkeys(names, one),
    ...                               flags=8 * bit)
    >>> result = make_result(image, catalog['sky_center'], image.unit,
    ...                      located, estimate, estimate, estimate,
    ...                      measurement, {})
    >>> print(result.sources['flags'])
    flags
    -----
       11
    """
    flags = combine_flags(located, fitted, inspection, estimate, measurement)
    sources = _make_table(coordinates, flux_unit, located,
                          measurement.columns, flags)
    sources.meta.update(provenance)
    background = _make_ccd(image, estimate)
    background.meta.update(provenance)
    return RemovalResult(background, sources)


def _make_ccd(image, estimate):
    """
    The background as CCDData of the input's kind; nothing is copied.
    """
    mask = image.mask
    data, error, pixel_flags = (_writeable(values) for values in (
        estimate.data, estimate.error, estimate.pixel_flags))
    result = CCDData(
        data, unit=image.unit, wcs=image.wcs,
        mask=None if mask is None else np.array(mask),
        uncertainty=StdDevUncertainty(error, copy=False),
        meta=image.meta.copy())
    result.flags = pixel_flags
    return result


def _make_table(coordinates, flux_unit, located, columns, flags):
    """
    The table of sources, one row per input position.

    Rows that were not processed hold the numbers of those that were
    processed in their place.
    """
    table = QTable()
    table['id'] = np.arange(1, len(coordinates) + 1)
    table['sky_center'] = coordinates
    table['x_center'] = located.x
    table['y_center'] = located.y
    first = located.first
    table['snr'] = located.snr[first]
    table['mask_radius'] = np.round(located.radius[first], 6)
    names = ['flux', 'flux_err', 'aperture_radius', 'aperture_correction']
    names += [name for name in columns if name not in names
              and name not in _LAST]
    for name in [*names, *_LAST]:
        values = columns[name][first]
        if name.startswith('aperture_radius'):
            values = values * u.arcsec
        elif 'flux' in name or name == 'upper_limit':
            values = values * flux_unit
        table[name] = values
    own = flags & (FLAG['duplicate'] | FLAG['not_recentered'])
    shared = flags[first]
    shared[first != np.arange(first.size)] &= ~FLAG['merged']
    table['flags'] = own | shared
    return table


def _writeable(values):
    """
    A view of the array of a record that its user may write to.
    """
    values = values.view()
    values.flags.writeable = True
    return values
