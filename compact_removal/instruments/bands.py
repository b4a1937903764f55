# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Look-up of modes and bands in the tables of facts.

The tables are ECSV files with units and references, in the ``data``
folder. Adding rows to them adds a mode or a band.
"""

import contextlib
from functools import lru_cache
from importlib.resources import as_file, files

import astropy.units as u
from astropy.table import QTable

from compact_removal.instruments.parameters import (Band, ObservingMode,
                                                    PSFParameters)
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['get_band', 'get_mode', 'list_bands']

_PSF_FIELDS = ('fwhm', 'elongation', 'core_fraction', 'halo_fraction',
               'halo_scale', 'ring_fraction', 'ring_radius', 'ring_width',
               'lobes', 'wing_scale', 'wing_slope')


def _read_table(name):
    """
    Read one table of facts.
    """
    resource = files('compact_removal.instruments') / 'data' / f'{name}.ecsv'
    with as_file(resource) as path:
        return QTable.read(path, format='ascii.ecsv')


@lru_cache(maxsize=1)
def _modes():
    """
    All modes, by name.
    """
    return {str(row['mode']): ObservingMode(str(row['mode']),
                                            str(row['description']),
                                            str(row['reference']))
            for row in _read_table('modes')}


def _rows(table, mode, band):
    """
    The rows of a table that belong to a band.
    """
    return table[(table['mode'] == mode) & (table['band'] == band)]


@lru_cache(maxsize=1)
def _bands():
    """
    All bands, by mode and name.
    """
    masks = _read_table('mask_radii')
    corrections = _read_table('encircled_energy')
    psfs = _read_table('psf')
    bands = {}
    for row in _read_table('bands'):
        mode, name = str(row['mode']), str(row['band'])
        mask = _rows(masks, mode, name)
        correction = _rows(corrections, mode, name)
        psf = _rows(psfs, mode, name)[0]
        values = {field: float(u.Quantity(psf[field]).value)
                  for field in _PSF_FIELDS}
        bands[mode, name] = Band(
            name=name,
            mode=mode,
            wavelength=row['wavelength'],
            pixel_scale=row['pixel_scale'],
            psf=PSFParameters(**values, reference=str(psf['reference'])),
            source_radius=float(row['source_radius'].value),
            annulus_radii=(float(row['annulus_inner'].value),
                           float(row['annulus_outer'].value)),
            snr_thresholds=tuple(mask['snr_min'].tolist()[:-1]),
            mask_radii=tuple(mask['radius'].value.tolist()),
            photometry_annulus=u.Quantity([row['photometry_inner'],
                                           row['photometry_outer']]),
            default_aperture=row['default_aperture'],
            eef_radii=tuple(correction['radius'].value.tolist()),
            eef_values=tuple(correction['fraction'].tolist()),
        )
    return bands


def list_bands():
    """
    List the bands of all modes that the tables hold.

    Returns
    -------
    table : `~astropy.table.QTable`
        One row per mode and band: ``mode``, ``band``, ``wavelength``
        (um), ``pixel_scale``, ``fwhm`` of the PSF core and
        ``default_aperture``, its radius (arcsec).

    Examples
    --------
    >>> from compact_removal.instruments import list_bands
    >>> list_bands()['mode', 'band', 'wavelength'].pprint()
      mode    band wavelength
                       um
    -------- ----- ----------
     scanmap  blue       70.0
     scanmap green      100.0
     scanmap   red      160.0
    parallel  blue       70.0
    parallel green      100.0
    parallel   red      160.0
    """
    bands = list(_bands().values())
    table = QTable()
    table['mode'] = [band.mode for band in bands]
    table['band'] = [band.name for band in bands]
    table['wavelength'] = u.Quantity([band.wavelength for band in bands])
    table['pixel_scale'] = u.Quantity([band.pixel_scale for band in bands])
    table['fwhm'] = [band.psf.fwhm for band in bands] * u.arcsec
    table['default_aperture'] = u.Quantity([band.default_aperture
                                            for band in bands])
    return table


def get_mode(mode):
    """
    Get an observing mode.

    Parameters
    ----------
    mode : str or `ObservingMode`
        A name in the tables, in upper or lower case, or a mode object,
        which is returned as it is.

    Returns
    -------
    mode : `ObservingMode`
        The mode.

    Raises
    ------
    ValueError
        If the name is unknown.
    TypeError
        If ``mode`` is neither.

    Examples
    --------
    >>> from compact_removal.instruments import get_mode
    >>> get_mode('parallel').name
    'parallel'
    """
    if isinstance(mode, ObservingMode):
        return mode
    allowed = ', '.join(repr(name) for name in _modes())
    if not isinstance(mode, str):
        msg = (f'mode must be an ObservingMode or one of {allowed}, got '
               f'{mode!r}')
        raise ParameterTypeError(msg, 'mode')
    if mode.lower() not in _modes():
        msg = f'mode must be one of {allowed}, got {mode!r}'
        raise ParameterError(msg, 'mode')
    return _modes()[mode.lower()]


def get_band(mode, band):
    """
    Get a band of an observing mode.

    Parameters
    ----------
    mode : str or `ObservingMode`
        The observing mode. It is not looked at if ``band`` is a `Band`.
    band : str, `~astropy.units.Quantity` or `Band`
        The name of the band in upper or lower case, its wavelength
        (``'70 um'``, too), or a band object, which is returned as it
        is.

    Returns
    -------
    band : `Band`
        The band.

    Raises
    ------
    ValueError
        If there is no such mode or band.
    TypeError
        If ``band`` is of another type.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.instruments import get_band
    >>> get_band('scanmap', 160 * u.um).name
    'red'
    """
    if isinstance(band, Band):
        return band
    mode_name = get_mode(mode).name
    bands = {name: entry for (owner, name), entry in _bands().items()
             if owner == mode_name}
    given = band
    if isinstance(band, str) and band.lower() not in bands:
        with contextlib.suppress(TypeError, ValueError):
            # a wavelength such as '70 um'
            band = u.Quantity(band)
    allowed = ', '.join(f'{name!r} ({entry.wavelength:g})'
                        for name, entry in bands.items())
    allowed = allowed or 'Band objects only'
    if isinstance(band, u.Quantity):
        if not band.isscalar or not band.unit.is_equivalent(u.m):
            bare = band.unit == u.dimensionless_unscaled
            missing = ', which has no unit' if bare else ''
            msg = (f'band must be a scalar wavelength with its unit, such as '
                   f"'70um', or one of {allowed}; got {given!r}{missing}")
            raise ParameterError(msg, 'band')
        for entry in bands.values():
            if u.isclose(entry.wavelength, band, rtol=1e-3):
                return entry
    elif not isinstance(band, str):
        msg = (f'band must be a Band, a wavelength with its unit, or one of '
               f'{allowed}; got {given!r}')
        raise ParameterTypeError(msg, 'band')
    elif band.lower() in bands:
        return bands[band.lower()]
    msg = (f'band must be one of {allowed} for mode {mode_name!r}, '
           f'got {given!r}')
    raise ParameterError(msg, 'band')
