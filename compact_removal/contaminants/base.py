# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the estimators for exposures share.
"""

from collections.abc import Mapping

from astropy.nddata import NDData

from compact_removal.base import TrainableEstimator
from compact_removal.contaminants.batches import UserExposure
from compact_removal.contaminants.files import read_exposure
from compact_removal.contaminants.networks import WEIGHTS
from compact_removal.maps.arrays import read_array
from compact_removal.utils.parameters import ParameterError

__all__ = ['ExposureEstimator', 'read_exposures', 'read_images']


class ExposureEstimator(TrainableEstimator):
    """
    Base class of estimators that take exposures, which need no WCS.

    Attributes
    ----------
    networks : dict
        The networks by name.

    Examples
    --------
    >>> from compact_removal import ContaminantMasker
    >>> from compact_removal.contaminants.base import ExposureEstimator
    >>> issubclass(ContaminantMasker, ExposureEstimator)
    True
    """

    networks = {}
    shipped_weights = WEIGHTS

    @classmethod
    def list_weights(cls):
        """
        List the weights that ship for the estimator.

        Returns
        -------
        rows : list of dict
            Their ``name``, ``network``, ``sha256`` and more; other rows
            of the table are of the other estimators.
        """
        return [row for row in super().list_weights()
                if row['network'] in cls.networks]

    @staticmethod
    def read_image(path, *, unit=None):
        return read_exposure(path, unit=unit)

    def check_params(self):
        self._check()

    def check_images(self, images):
        for image in images:
            read_array(image)

    def _provenance(self, info):
        """
        How a result was made, as FITS keywords.
        """
        from compact_removal import __version__

        return {'CRVERS': __version__, **self._name_weights(info)}


def read_images(images, name, empty='be None or hold at least one image'):
    """
    Read the images that a user hands over to learn from.

    Parameters
    ----------
    images : list, dict, `~astropy.nddata.NDData` or array_like
        Images, or one.
    name : str
        What the user calls them, for messages.
    empty : str, optional
        What the message says where there is none.

    Returns
    -------
    arrays : list of `~numpy.ndarray`
        NaN where a pixel is not known.

    Raises
    ------
    TypeError, ValueError
        If one of them is no image, or there is none.
    """
    if isinstance(images, Mapping):
        images = images.values()
    elif isinstance(images, NDData) or getattr(images, 'ndim', 3) == 2:
        images = [images]
    found = [read_array(image, name) for image in images]
    if not found:
        msg = f'{name} must {empty}'
        raise ParameterError(msg, name)
    return found


def read_exposures(images, name):
    """
    Read exposures of a user, from which windows are cut.

    Parameters
    ----------
    images, name : object
        See `read_images`; `None` for simulated ones.

    Returns
    -------
    exposures : list of UserExposure or None
        The exposures.
    """
    if images is None:
        return None
    return [UserExposure(image) for image in read_images(images, name)]
