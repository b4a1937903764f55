# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The network as a removal needs it: cutouts in, background and errors out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compact_removal import nn
from compact_removal.utils.parameters import ParameterError

__all__ = ['CutoutNetwork', 'make_predict']

# Pixels around holes and their soft edges that the network sees at least.
_AROUND_HOLES = 4


def make_predict(model, *, batch_size=64, device='auto'):
    """
    Make the function that predicts with a model.

    Parameters
    ----------
    model : `~compact_removal.nn.Model`
        The model. Of the inputs that it gets, it takes those that it
        declares.
    batch_size : int, optional
        Cutouts in one pass through the network.
    device : str, optional
        Where to compute.

    Returns
    -------
    predict : callable
        See `CutoutNetwork`.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal import build_model
    >>> from compact_removal.removal.cutout_network import make_predict
    >>> predict = make_predict(build_model('inpainting', width=1, seed=1))
    >>> image = np.ones((1, 96, 96))
    >>> sorted(predict({'image': image, 'validity': image > 0, 'fwhm': 3.0}))
    ['background', 'error', 'flux_error']
    """
    def predict(inputs):
        return nn.predict(model, {name: inputs[name] for name in model.inputs},
                          batch_size=batch_size, device=device)

    return predict


@dataclass(frozen=True)
class CutoutNetwork:
    """
    A network, and the facts that a removal needs to use it.

    Parameters
    ----------
    predict : callable
        Takes a dict: ``image``, the cutouts, minus the models of the
        sources if it removes wings, with NaN where nothing was
        measured; ``validity``, true outside of all holes; ``sources``,
        the models of the sources as networks see them, each of shape
        ``(k, size, size)``;
        ``fwhm`` and ``psf_error``, the width of the PSF (pixels) and the
        uncertainty of its shape, as numbers or one per cutout. Returns
        a dict: ``background``, shape ``(k, size, size)``, and from a
        network that predicts errors ``error`` of the same shape and
        ``flux_error``, that of sums in apertures of the radii
        ``compact_removal.removal.ERROR_RADII``, shape ``(k, n_radii)``.
    size : int
        Least side of the cutouts (pixels).
    error_scale : callable
        Maps signal-to-noise ratios to factors on the errors of pixels.
    predicts_errors : bool
        Whether it predicts errors.
    removes_wings : bool
        Whether the fitted models are taken out first, wings beyond the
        holes included.
    corrects_wings : bool, optional
        Whether it is believed in the wings, too, and not in the holes
        alone.
    size_step : int, optional
        Cutouts of large holes are larger by multiples of it. Default:
        all have the same size.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.cutout_network import CutoutNetwork
    >>> network = CutoutNetwork(
    ...     lambda inputs: {'background': 0 * inputs['image']}, 5,
    ...     np.ones_like, predicts_errors=False, removes_wings=False)
    >>> outputs = network.run(np.ones((1, 5, 5)), np.ones((1, 5, 5)) > 0,
    ...                       np.zeros((1, 5, 5)), 3.1, 0.1)
    >>> outputs['background'].shape
    (1, 5, 5)
    """

    predict: Callable
    size: int
    error_scale: Callable
    predicts_errors: bool
    removes_wings: bool
    corrects_wings: bool = False
    size_step: int | None = None

    def sizes(self, radius):
        """
        Compute the sides of cutouts.

        Each source has its own, so that the hole of another, wherever
        on the map, has no influence.

        Parameters
        ----------
        radius : `~numpy.ndarray`
            Radii of the holes with their soft edges (pixels), shape
            ``(n,)``.

        Returns
        -------
        sizes : `~numpy.ndarray` of int
            In pixels, shape ``(n,)``.
        """
        if self.size_step is None:
            return np.full(np.shape(radius), self.size)
        steps = np.ceil(2 * (np.nan_to_num(radius) + _AROUND_HOLES)
                        / self.size_step).astype(int)
        return np.maximum(steps * self.size_step, self.size)

    def run(self, image, validity, sources, fwhm, psf_error):
        """
        Predict the background of cutouts.

        Parameters
        ----------
        image, validity, sources, fwhm, psf_error
            See `CutoutNetwork`.

        Returns
        -------
        outputs : dict
            See `CutoutNetwork`.

        Raises
        ------
        ParameterError
            If the background is not finite.
        """
        outputs = self.predict({
            'image': image, 'validity': validity, 'sources': sources,
            'fwhm': fwhm, 'psf_error': psf_error})
        if not np.all(np.isfinite(outputs['background'])):
            msg = ('weights: the network gave values that are not finite; '
                   'the weights are damaged, or not those of a trained '
                   'network')
            raise ParameterError(msg, 'weights')
        return outputs
