# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the estimators for exposures share.
"""

from compact_removal.base import TrainableEstimator
from compact_removal.contaminants.batches import UserExposure
from compact_removal.contaminants.networks import WEIGHTS
from compact_removal.maps.arrays import read_array, read_arrays
from compact_removal.maps.exposures import read_exposure

__all__ = ['ExposureEstimator', 'read_exposures']


class ExposureEstimator(TrainableEstimator):
    """
    Base class of estimators that take exposures, which need no WCS.

    Examples
    --------
    >>> from compact_removal import ContaminantMasker
    >>> from compact_removal.contaminants.base import ExposureEstimator
    >>> issubclass(ContaminantMasker, ExposureEstimator)
    True
    """

    shipped_weights = WEIGHTS

    @staticmethod
    def read_image(path, *, unit=None):
        return read_exposure(path, unit=unit)

    def check_images(self, images):
        for image in images:
            read_array(image)


def read_exposures(images, name):
    """
    Read exposures of a user, from which windows are cut.

    Parameters
    ----------
    images, name : object
        See ``read_arrays`` of ``maps.arrays``; `None` for simulated ones.

    Returns
    -------
    exposures : list of UserExposure or None
        The exposures.
    """
    if images is None:
        return None
    return [UserExposure(image) for image in read_arrays(images, name)]
