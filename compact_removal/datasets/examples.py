# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
A small simulated field for documentation and tests.
"""

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData, StdDevUncertainty
from astropy.wcs import WCS

from compact_removal.datasets.backgrounds import make_background
from compact_removal.datasets.source_catalogs import make_source_catalog
from compact_removal.datasets.sources import inject_sources
from compact_removal.instruments import get_band
from compact_removal.maps.holes import source_snr
from compact_removal.psf import as_psf, make_psf_stamp
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['make_example_field', 'make_test_fields', 'make_wcs']

# The Aquila star-forming region, and typical numbers for such a cloud.
_CENTER = (277.45, -2.07)
_LEVEL = 400 * u.MJy / u.sr
_STD = 80 * u.MJy / u.sr
_NOISE = 0.03

# Standard deviations of structure and noise of the test fields in
# Jy/pixel: the structure in the range of Table 6 of the paper.
_TEST_STDS = (0.6e-3, 60e-3)
_TEST_NOISE = 0.3e-3
_TEST_KINDS = ('cirrus', 'cloud', 'anisotropic', 'filaments')

# Peak of the faintest and the brightest source, in local standard
# deviations of the background.
_PEAKS = (2.0, 200.0)


def make_example_field(*, shape=(256, 256), n_sources=20, mode='scanmap',
                       band='blue', kind='cloud', seed=0,
                       return_background=False):
    """
    Make a simulated map of a Galactic cloud with compact sources.

    Parameters
    ----------
    shape : tuple of int, optional
        ``(ny, nx)``.
    n_sources : int, optional
        Number of sources. Their peaks are spread evenly in logarithm
        from 2 to 200 local standard deviations of the background.
    mode, band : str or object, optional
        See `~compact_removal.instruments.get_band`.
    kind : str, optional
        See `make_background`.
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.
    return_background : bool, optional
        Whether to return the map without sources as well.

    Returns
    -------
    ccd : `~astropy.nddata.CCDData`
        The map in Jy/pixel, with WCS and uncertainty.
    catalog : `~astropy.table.QTable`
        The true sources, see `make_source_catalog`.
    background : `~astropy.nddata.CCDData`
        The map without sources, noise included; only if
        ``return_background`` is True.

    Raises
    ------
    ValueError
        If there is no such mode, band or kind of background, or the map
        is too small for so many sources.

    Examples
    --------
    >>> from compact_removal.datasets import make_example_field
    >>> ccd, catalog = make_example_field(shape=(128, 128), n_sources=5)
    >>> print(ccd.shape, ccd.unit, len(catalog))
    (128, 128) Jy / pix 5
    """
    band = get_band(mode, band)
    rng = np.random.default_rng(seed)
    area = band.pixel_scale ** 2
    data = make_background(shape, kind=kind, noise=_NOISE, seed=rng,
                           fwhm=_beam(band))
    std = (_STD * area).to_value(u.Jy)
    level = max((_LEVEL * area).to_value(u.Jy),
                std * (1 - float(data.min())))
    data = level + std * data
    background = _as_map(data, band, _NOISE * std, 'simulated field')

    # Sources should not crowd, but always find room.
    separation = min(2 * band.mask_radii[0],
                     0.5 * np.sqrt(data.size / max(n_sources, 1)))
    catalog = make_source_catalog(
        background, n_sources, 1 * u.mJy, min_separation=separation,
        border=min(10, min(shape) // 4), seed=rng)
    if n_sources:
        _, _, local = source_snr(
            data, catalog['x_center'], catalog['y_center'],
            source_radius=band.source_radius,
            annulus_radii=band.annulus_radii)
        local = np.where(local > 0, local, std)
        peak = make_psf_stamp(as_psf(band), pixel_scale=band.pixel_scale,
                              shape=(5, 5)).max()
        ratio = rng.permutation(np.geomspace(*_PEAKS, n_sources))
        catalog['flux'] = (ratio * local / peak * u.Jy).to(u.mJy)
    ccd = inject_sources(background, catalog, band, seed=rng)
    if return_background:
        return ccd, catalog, background
    return ccd, catalog


def make_test_fields(mode, band, *, n_fields=6, shape=(320, 320), seed=0):
    """
    Make simulated maps of growing complexity, without sources.

    They stand in for the fields that the paper keeps for testing (Sect.
    2.3.2, Fig. 3), which cannot be had: kinds of structure alternate
    (cirrus, cloud, anisotropic, filaments), the slope of the power
    spectrum is random between 2.6 and 3.6, and the standard deviation
    of the structure grows from 0.6 to 60 mJy/pixel, the range of Table
    6, over noise of 0.3 mJy/pixel.

    Parameters
    ----------
    mode, band : str or object
        See `~compact_removal.instruments.get_band`.
    n_fields : int, optional
        Number of fields.
    shape : tuple of int, optional
        ``(ny, nx)``.
    seed : int or `~numpy.random.Generator`, optional
        Seed of everything random.

    Returns
    -------
    fields : dict of str to `~astropy.nddata.CCDData`
        The maps in Jy/pixel with WCS and uncertainty, by name.

    Raises
    ------
    ValueError
        If there is no such mode or band, or ``n_fields`` is not positive.

    Examples
    --------
    >>> from compact_removal.datasets import make_test_fields
    >>> fields = make_test_fields('scanmap', 'blue', n_fields=2,
    ...                           shape=(64, 64))
    >>> list(fields)
    ['field 1 (cirrus)', 'field 2 (cloud)']
    """
    check_positive_integer('n_fields', n_fields)
    band = get_band(mode, band)
    rng = np.random.default_rng(seed)
    fields = {}
    for i, std in enumerate(np.geomspace(*_TEST_STDS, n_fields)):
        kind = _TEST_KINDS[i % len(_TEST_KINDS)]
        data = std * make_background(
            shape, kind=kind, slope=rng.uniform(2.6, 3.6), fwhm=_beam(band),
            noise=_TEST_NOISE / std, seed=rng)
        name = f'field {i + 1} ({kind})'
        fields[name] = _as_map(data - data.min(), band, _TEST_NOISE,
                               f'simulated {name}')
    return fields


def _beam(band):
    """
    Full width at half maximum (pixels) of the beam of a band.
    """
    pixel = band.pixel_scale.to_value(u.arcsec)
    return getattr(as_psf(band), 'fwhm', 3.0 * pixel) / pixel


def _as_map(data, band, noise, title):
    """
    A map in Jy/pixel with WCS, uncertainty and header of a band.
    """
    return CCDData(
        data, unit=u.Jy / u.pix,
        wcs=make_wcs(data.shape, band.pixel_scale),
        uncertainty=StdDevUncertainty(np.full(data.shape, noise)),
        meta={'OBJECT': title, 'INSTRUME': 'PACS',
              'PACSMODE': band.mode, 'PACSBAND': band.name,
              'WAVELNTH': band.wavelength.to_value(u.um)})


def make_wcs(shape, pixel_scale):
    """
    Make a tangential projection, north up, east left.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    pixel_scale : `~astropy.units.Quantity`
        Size of the pixels (angle).

    Returns
    -------
    wcs : `~astropy.wcs.WCS`
        With the middle of the map at its reference position.

    Examples
    --------
    >>> import astropy.units as u
    >>> from compact_removal.datasets.examples import make_wcs
    >>> make_wcs((5, 7), 2 * u.arcsec).wcs.crpix.tolist()
    [4.0, 3.0]
    """
    step = pixel_scale.to_value(u.deg)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ['RA---TAN', 'DEC--TAN']
    wcs.wcs.cunit = ['deg', 'deg']
    wcs.wcs.crval = _CENTER
    wcs.wcs.crpix = [(shape[1] + 1) / 2, (shape[0] + 1) / 2]
    wcs.wcs.cdelt = [-step, step]
    wcs.wcs.radesys = 'ICRS'
    wcs.wcs.set()
    return wcs
