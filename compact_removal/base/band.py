# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Estimators for maps of a band: parameters that are a mode and a band.
"""

import warnings

from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.base.trainable import TrainableEstimator
from compact_removal.instruments import (Band, ObservingMode, get_band,
                                         get_mode, list_bands)
from compact_removal.maps.headers import warn_of_band
from compact_removal.maps.holes import scale_factor
from compact_removal.maps.images import read_image
from compact_removal.psf import fwhm_in_pixels
from compact_removal.utils.parameters import ParameterError, rename_parameter

__all__ = ['BandEstimator']


class BandEstimator(TrainableEstimator):
    """
    Base class of estimators with the parameters ``mode`` and ``band``.

    Attributes
    ----------
    mode_params : dict
        Parameters that depend on the band, with values that suit each.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.base import BandEstimator
    >>> issubclass(CompactSourceRemover, BandEstimator)
    True
    """

    mode_params = {}

    def check_params(self):
        if self.mode is not None and self.band is not None:
            self._check()
            return
        # any will do for the other parameters
        row = list_bands()[0]
        type(self)(**{**self.get_params(), **self.mode_params,
                      'mode': self.mode or str(row['mode']),
                      'band': self.band or str(row['band'])})._check()

    def check_images(self, images):
        for image in images:
            read_image(image)

    def _check_map(self, image, input_map, band, weights):
        """
        Check that a map is one of the band.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`
            What the user gave.
        input_map : `~compact_removal.maps.images.InputMap`
            The same, as it was read.
        band : `~compact_removal.instruments.Band`
            The band.
        weights : str or None
            Name of the weights; of others nothing is known.

        Raises
        ------
        ParameterError
            If the size of the pixels is too different.

        Warns
        -----
        AstropyUserWarning
            If the header is of another band, the weights have not seen
            the width of the PSF in pixels, or are not to be relied on.
        """
        try:
            scale_factor(band, input_map.pixel_scale)
        except ParameterError as error:
            raise ParameterError(rename_parameter(
                error, pixel_scale='image: pixel_scale'), 'image') from error
        warn_of_band(image, band)
        row = self.shipped_weights.get(weights)
        if row is None:
            return
        fwhm = fwhm_in_pixels(band, input_map.pixel_scale)
        low, high = row['fwhm_min'], row['fwhm_max']
        if not 0.95 * low <= fwhm <= 1.05 * high:
            warnings.warn(f'the PSF of band {band.name!r} is {fwhm:.2g} '
                          'pixels wide; the weights were trained with '
                          f'{low} to {high}', AstropyUserWarning,
                          stacklevel=3)
        if row.get('caution'):
            warnings.warn(f'the weights {weights!r} are not to be relied on: '
                          f'{row["caution"]}', AstropyUserWarning,
                          stacklevel=3)

    def _plain_values(self):
        for name, kind in (('band', Band), ('mode', ObservingMode)):
            if isinstance(getattr(self, name), kind):
                msg = (f'{name} must be a name in the tables for saving; keep '
                       f'an own {kind.__name__} in a script, and save the '
                       f'network with compact_removal.nn.save_weights('
                       f'estimator.model_, path, estimator.info_)')
                raise ParameterError(msg, name)
        return {'band': get_band(self.mode, self.band).name}

    def _fit_depends_on(self):
        band = get_band(self.mode, self.band)
        return {'mode': band.mode, 'band': band, **super()._fit_depends_on()}

    def _weights_mode(self):
        return get_mode(self.mode).name

    def _provenance(self, band, info):
        """
        How a result was made, as FITS keywords.
        """
        from compact_removal import __version__

        return {
            'CRVERS': __version__,
            'CRMODE': band.mode,
            'CRBAND': band.name,
            **self._name_weights(info),
        }
