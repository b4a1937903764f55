# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Fourth step of a removal: fluxes, and standard photometry beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import astropy.units as u
import numpy as np

from compact_removal.fitting.aperture_fraction import ApertureFraction
from compact_removal.maps.cutouts import chunk_slices, extract_cutouts
from compact_removal.photometry import (annulus_background, annulus_mean,
                                        aperture_correction,
                                        aperture_scatter, aperture_sums,
                                        aperture_weights)
from compact_removal.psf import fwhm_in_pixels
from compact_removal.removal.aperture_errors import (background_scatter,
                                                     interpolate_errors)
from compact_removal.removal.flags import FLAG
from compact_removal.removal.records import Record, read_only

__all__ = ['Measurement', 'measure', 'sum_light']

# What was removed is shared between sources in proportion to their
# models, where these are more than this part of the standard deviation.
_SHARED_LIGHT = 0.01

# Relative error of what is filled by a model, beside that of its flux.
_FILL_ERROR = 0.03

# Error of the light of sources that are not listed, as a share of it.
_UNLISTED_ERROR = 0.2

# How much better larger sources may fit by chance, and from where on they
# are believed to be there (differences of chi-square).
_LARGE_GAINS = (4.0, 18.0)

# Errors of the linear flux below which no source is seen.
_DETECTED = 3.0

# Standard deviations of a one-sided limit of 95 percent.
_ONE_SIDED = 1.645


@dataclass(frozen=True)
class Measurement(Record):
    """
    The numbers of the sources.

    Parameters
    ----------
    columns : mapping
        Arrays of shape ``(n,)`` by the names that they have in the
        table of sources; NaN in rows that are not processed. Fluxes are
        in the unit of `~compact_removal.maps.images.InputMap`, radii in
        arcsec.
    flags : `~numpy.ndarray` of int
        Bits of ``SOURCE_FLAGS``, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.measure import Measurement
    >>> measurement = Measurement({'flux': np.array([2.5])}, np.array([0]))
    >>> measurement.flags.flags.writeable
    False
    """

    columns: Mapping
    flags: np.ndarray


def sum_light(removed, light, models, index, std, footprint, apertures):
    """
    Sum the light of sources in apertures.

    Where models of sources overlap, what was removed is shared between
    them in proportion. This is called for each tile of a map.

    Parameters
    ----------
    removed : `~numpy.ndarray`
        What was removed from the map, NaN where it is unknown, shape
        ``(ny, nx)``.
    light : `~numpy.ndarray`
        Light of all models, shape ``(ny, nx)``.
    models : `~compact_removal.fitting.SourceModels`
        The models of the sources.
    index : `~numpy.ndarray` of int
        Which of them are measured, shape ``(k,)``.
    std : `~numpy.ndarray`
        Standard deviation of the background around all of them, shape
        ``(m,)``.
    footprint : `~numpy.ndarray`
        Largest radii of the apertures (pixels), shape ``(k,)``.
    apertures : `~numpy.ndarray`
        Radii of the apertures (pixels), shape ``(n_apertures,)``, or
        ``(n_apertures, k)`` for radii of each source.

    Returns
    -------
    sums : `~numpy.ndarray`
        In the unit of the map times pixel, shape ``(n_apertures, k)``;
        NaN where nothing was measured. Where pixels are not known, the
        light is that of the models.
    missing : `~numpy.ndarray`
        The part of the light that was filled so, between 0 and 1, of
        the same shape.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourceModels, SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.removal.measure import sum_light
    >>> band = get_band('scanmap', 'blue')
    >>> models = SourceModels(
    ...     x=np.array([20.0]), y=np.array([20.0]), flux=np.array([5.0]),
    ...     shapes=np.zeros((1, 5)), psf=SourcePSF(band, band.pixel_scale),
    ...     noise=np.array([0.01]))
    >>> light = models.render((41, 41))
    >>> sums, missing = sum_light(light, light, models, np.array([0]),
    ...                           np.array([0.01]), np.array([9.0]),
    ...                           np.array([3.0, 6.0]))
    >>> print(sums.T.round(1), missing.T)
    [[2.9 3.8]] [[0. 0.]]
    """
    apertures = np.broadcast_to(apertures.reshape(len(apertures), -1),
                                (len(apertures), index.size))
    sums, missing = np.full((2, *apertures.shape), np.nan)
    size = 2 * int(np.ceil(apertures.max(initial=0))) + 3
    for part in chunk_slices(index.size, size):
        chosen = index[part]
        x, y = models.x[chosen], models.y[chosen]
        stack, corners = extract_cutouts(removed, x, y, size, fill=np.nan)
        total, _ = extract_cutouts(light, x, y, size, fill=0.0)
        own = models.draw(chosen, corners, size)
        floor = _SHARED_LIGHT * np.nan_to_num(std[chosen])[:, None, None]
        share = np.divide(np.maximum(own, 0) + floor,
                          np.maximum(total, 0) + floor,
                          out=np.ones_like(own), where=total + floor > 0)
        values = own + np.minimum(share, 1) * (stack - total)
        known = np.isfinite(stack)
        values[~known] = own[~known]
        for k, aperture in enumerate(apertures):
            radius = np.minimum(aperture[part], footprint[part])
            weights = aperture_weights(x, y, radius, corners, size)
            measured = (weights * known).sum(axis=(1, 2)) > 0
            # nothing was measured, which is not a flux of 0
            sums[k, part] = np.where(
                measured, (weights * values).sum(axis=(1, 2)), np.nan)
            expected = weights * (np.maximum(own, 0) + floor)
            missing[k, part] = np.divide(
                (expected * ~known).sum(axis=(1, 2)),
                expected.sum(axis=(1, 2)),
                out=np.zeros(chosen.size), where=expected.any(axis=(1, 2)))
    return sums, missing


def measure(input_map, located, fitted, inspection, estimate, *, band,
            apertures, error_scale):
    """
    Fluxes of the removed sources, and standard photometry beside them.

    Parameters
    ----------
    input_map : InputMap
        The map.
    located : LocatedSources
        The sources.
    fitted : FittedSources
        Their models.
    inspection : Inspection
        How well they are fitted.
    estimate : BackgroundEstimate
        The map without the sources, and their light.
    band : Band
        The band.
    apertures : `~astropy.units.Quantity`
        Radii (angle), shape ``(n_apertures,)``.
    error_scale : callable
        Maps signal-to-noise ratios to factors on the errors of aperture
        sums: on those that the network predicts, or else on the scatter
        of aperture sums around the source.

    Returns
    -------
    measurement : `Measurement`
        Fluxes, errors, and what belongs to them.

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.images import read_image
    >>> from compact_removal.removal.background import estimate_background
    >>> from compact_removal.removal.cutout_network import CutoutNetwork
    >>> from compact_removal.removal.fit import fit
    >>> from compact_removal.removal.inspection import inspect_sources
    >>> from compact_removal.removal.locate import locate
    >>> from compact_removal.removal.measure import measure
    >>> band = get_band('scanmap', 'blue')
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> input_map = read_image(image)
    >>> located = locate(input_map, catalog['sky_center'], band,
    ...                  recenter=False)
    >>> fitted = fit(input_map, located, band)
    >>> located, inspection = inspect_sources(input_map, located, fitted,
    ...                                       band)
    >>> network = CutoutNetwork(
    ...     lambda inputs: {'background': np.ones(inputs['image'].shape)},
    ...     64, np.ones_like, predicts_errors=False,
    ...     removes_wings=False)
    >>> estimate = estimate_background(input_map, located, fitted, network,
    ...                                band=band, apertures=np.array([3.75]))
    >>> measurement = measure(input_map, located, fitted, inspection,
    ...                       estimate, band=band, apertures=[6] * u.arcsec,
    ...                       error_scale=np.ones_like)
    >>> measurement.columns['flux'].shape
    (1,)
    """
    scale = input_map.pixel_scale
    rows = np.flatnonzero(located.active)
    x, y = located.x[rows], located.y[rows]
    scales = input_map.scales_at(x, y)
    to_flux = input_map.to_flux_at(x, y)
    largest = estimate.footprint[rows] * scales
    mask = input_map.mask
    annulus = (band.photometry_annulus / scale).to_value(
        u.dimensionless_unscaled)
    level, level_err, _ = annulus_background(
        input_map.data, x, y, *annulus, mask=mask,
        holes=located.radius[rows])
    fwhm = fwhm_in_pixels(band, scale)
    variance = _noise_variance(input_map, x, y, annulus)
    factor = error_scale(located.snr[rows])
    columns = {}
    flags = np.zeros(located.x.size, dtype=np.int64)
    light = _Light(fitted, inspection, rows)
    for i, aperture in enumerate(apertures):
        used = np.minimum(aperture, largest).to(u.arcsec)
        # rounding apart
        flags[rows[used < (1 - 1e-9) * aperture]] |= FLAG['aperture_limited']
        radius = (used / scales).to_value(u.dimensionless_unscaled)
        tabulated = aperture_correction(band, used)
        ratio, ratio_err = light.fraction(radius)
        fraction = tabulated * ratio
        unit = to_flux / fraction
        total, total_noise, area = aperture_sums(
            input_map.data, x, y, radius, mask=mask, error=input_map.error)
        background_err = interpolate_errors(estimate.flux_error[rows],
                                            radius / fwhm)
        unknown = ~np.isfinite(background_err)
        background_err[unknown] = background_scatter(
            estimate.data, x[unknown], y[unknown], radius[unknown], fwhm,
            mask=mask)
        background_err *= factor
        # the noise of the background is part of the error of its estimate;
        # nothing is known of an excess without an uncertainty
        excess_noise = np.sqrt(np.maximum(
            np.nan_to_num(total_noise) ** 2 - area * variance, 0))
        suffix = f'_{i}' if i else ''
        sums = estimate.sums[i, rows]
        columns[f'flux{suffix}'] = sums * unit
        columns[f'flux_err{suffix}'] = np.where(
            np.isnan(sums), np.nan,
            np.sqrt(excess_noise ** 2 + background_err ** 2
                    + (sums * ratio_err) ** 2
                    + (light.error(estimate.missing[i, rows])
                       * fraction) ** 2)) * unit
        columns[f'aperture_radius{suffix}'] = np.round(used.value, 6)
        columns[f'aperture_correction{suffix}'] = fraction
        if i == 0:
            columns['missing_fraction'] = estimate.missing[0, rows]
            columns['annulus_flux'] = np.where(
                area > 0, (total - level * area) * unit, np.nan)
            around = aperture_scatter(estimate.data, x, y, radius,
                                      np.mean(annulus), mask=mask)
            columns['annulus_flux_err'] = np.sqrt(
                excess_noise ** 2 + around ** 2
                + (area * level_err) ** 2
                + ((total - level * area) * ratio_err) ** 2) * unit
    columns.update(light.quality())
    columns['flux_fit'], columns['flux_fit_err'] = (
        values * to_flux for values in light.fit())
    columns['upper_limit'] = (columns['flux_fit']
                              + _ONE_SIDED * columns['flux_fit_err'])
    with np.errstate(invalid='ignore'):
        seen = columns['flux_fit'] >= _DETECTED * columns['flux_fit_err']
    known = np.isfinite(columns['flux_fit_err'])
    flags[rows[known & ~seen]] |= FLAG['not_detected']
    full = {}
    for name, values in columns.items():
        column = np.full(located.x.size, np.nan)
        column[rows] = values
        full[name] = read_only(column)
    return Measurement(MappingProxyType(full), flags)


class _Light:
    """
    What the fit says of the light of sources, and its errors.
    """

    def __init__(self, fitted, inspection, rows):
        # the fit is in another order, that of the sky
        order = np.argsort(fitted.rows)
        models = fitted.models
        self._psf = models.psf
        self._usual = models.psf.mean_at(models.x, models.y)[order]
        self._shapes, self._flux = models.shapes[order], models.flux[order]
        self._quality = {name: values[rows] for name, values
                         in inspection.quality.items()}
        self._blend_error = fitted.blend_error[rows]
        self._unlisted = _UNLISTED_ERROR * fitted.unlisted_light[rows]
        self._fraction = ApertureFraction(self._psf)

    def fraction(self, radius):
        """
        Fractions in apertures over the nominal ones, and relative errors.
        """
        width_err = np.nan_to_num(self._quality['width_err'])
        return self._fraction(radius, self._shapes, width_err)

    def error(self, missing):
        """
        Errors of fluxes by neighbours, unknown pixels and a poor fit.
        """
        unsure = np.hypot(np.nan_to_num(self._quality['model_err']),
                          _FILL_ERROR * self._flux)
        # a fit that is poor may be wrong by what it leaves
        poor = np.sqrt(np.clip(self._quality['misfit'] - 1, 0, 1))
        left = np.fmin(self._quality['qfit'], 1) * self._flux
        usual, sure = _LARGE_GAINS
        share = np.clip((self._quality['large_gain'] - usual)
                        / (sure - usual), 0, 1)
        large = share * (self._quality['large_flux'] - self._flux)
        return np.sqrt(self._blend_error ** 2 + self._unlisted ** 2
                       + (unsure * missing) ** 2
                       + np.nan_to_num(poor * np.hypot(unsure, left)) ** 2
                       + np.nan_to_num(large) ** 2)

    def quality(self):
        """
        Columns that say how good the fit is.
        """
        return {name: self._quality[name]
                for name in ('qfit', 'reduced_chi2', 'fwhm_ratio')}

    def fit(self):
        """
        Fluxes by linear fits, and errors.
        """
        flux, error = self._quality['flux'], self._quality['flux_err']
        factor = self._fraction.normalization(self._usual[:, 2])
        return factor * flux, factor * np.sqrt(
            error ** 2 + (flux * self._psf.prior[2]) ** 2
            + self._unlisted ** 2)


def _noise_variance(input_map, x, y, annulus):
    """
    Variance of a pixel around sources, by the uncertainty of the map.
    """
    if input_map.error is None:
        return np.zeros(np.size(x))
    level, std, _ = annulus_mean(input_map.error, x, y, *annulus,
                                 mask=input_map.mask)
    return np.nan_to_num(level ** 2 + std ** 2)
