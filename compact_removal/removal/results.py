# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What a removal returns, as Astropy objects.
"""

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.table import QTable

from compact_removal.removal.locate import FLAG

__all__ = ['make_ccd', 'make_table']


def make_ccd(image, background, provenance):
    """
    The background as CCDData of the input's kind.
    """
    mask = image.mask
    result = CCDData(
        background.data, unit=image.unit, wcs=image.wcs,
        mask=None if mask is None else np.array(mask),
        uncertainty=StdDevUncertainty(background.error, copy=False),
        meta=image.meta.copy())
    result.flags = background.pixel_flags
    result.meta.update(provenance)
    return result


def make_table(input_map, coordinates, sources, columns):
    """
    The table of sources, one row per input position.
    """
    flux_unit = input_map.flux_unit
    table = QTable()
    table['id'] = np.arange(1, len(coordinates) + 1)
    table['sky_center'] = coordinates
    table['x_center'] = sources.x
    table['y_center'] = sources.y
    first = sources.first
    table['snr'] = sources.snr[first]
    table['mask_radius'] = np.round(sources.radius[first], 6)
    names = ['flux', 'flux_err', 'aperture_radius', 'aperture_correction']
    names += [name for name in columns if name not in names
              and not name.startswith('annulus')]
    names += ['annulus_flux', 'annulus_flux_err']
    for name in names:
        values = columns[name][first]
        if name.startswith('aperture_radius'):
            values = values * u.arcsec
        elif not name.startswith('aperture_correction'):
            values = values * flux_unit
        table[name] = values
    own = sources.flags & (FLAG['duplicate'] | FLAG['not_recentered'])
    shared = sources.flags[first]
    shared[first != np.arange(first.size)] &= ~FLAG['merged']
    table['flags'] = own | shared
    return table
