# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Feature maps for the style loss.
"""

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from compact_removal.utils.files import resolve_path
from compact_removal.utils.parameters import ParameterError

__all__ = ['FilterBankFeatures', 'VGG16Features']

# (torchvision's index, in channels, out channels), one tuple per pool.
_VGG16_STAGES = (((0, 3, 64), (2, 64, 64)),
                 ((5, 64, 128), (7, 128, 128)),
                 ((10, 128, 256), (12, 256, 256), (14, 256, 256)))


def _gaussian_derivatives(sigma=1.0, radius=4):
    """
    Make a Gaussian and its first two derivatives.

    Parameters
    ----------
    sigma : float, optional
        Width of the Gaussian (pixels).
    radius : int, optional
        Half size of the filters (pixels).

    Returns
    -------
    filters : ndarray, (3, 2 * radius + 1)
        Of unit norm; the derivatives have zero mean.
    """
    x = np.arange(-radius, radius + 1) / sigma
    gauss = np.exp(-0.5 * x**2)
    filters = np.array([gauss, x * gauss, (x**2 - 1) * gauss])
    filters[1:] -= filters[1:].mean(axis=1, keepdims=True)
    return filters / np.sqrt((filters**2).sum(axis=1, keepdims=True))


class FilterBankFeatures(nn.Module):
    """
    Fixed oriented filters on several scales.

    The two first and three second derivatives of a Gaussian, of which
    the filters of all directions are linear combinations; each further
    scale works on the image halved by averaging. It takes the place of
    a trained VGG-16: nothing to download, and its Gram matrices hold the
    power and the anisotropy of the background on each scale.

    Parameters
    ----------
    n_scales : int, optional
        Number of scales, one feature map each.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.nn.features import FilterBankFeatures
    >>> maps = FilterBankFeatures()(torch.zeros(1, 1, 96, 96))
    >>> [tuple(one.shape) for one in maps]
    [(1, 5, 96, 96), (1, 5, 48, 48), (1, 5, 24, 24)]
    """

    # Orders of the derivative in x and y.
    _orders = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))

    def __init__(self, n_scales=3):
        super().__init__()
        self.n_scales = n_scales
        filters = torch.as_tensor(_gaussian_derivatives(),
                                  dtype=torch.get_default_dtype())
        self.register_buffer('_filters', filters, persistent=False)

    def _filter(self, image):
        # Images as channels of a depthwise convolution: several times
        # faster on a CPU than a batch of one-channel images.
        n_images = image.shape[1]
        size = self._filters.shape[-1]
        rows = self._filters.reshape(3, 1, 1, 1, size)
        rows = rows.expand(-1, n_images, -1, -1, -1)
        columns = rows.transpose(-1, -2)
        padded = functional.pad(image, (size // 2,) * 4, mode='replicate')
        in_x = [functional.conv2d(padded, row, groups=n_images)
                for row in rows]
        maps = [functional.conv2d(in_x[i], columns[j], groups=n_images)
                for i, j in self._orders]
        return torch.cat(maps).transpose(0, 1)

    def forward(self, image):
        """
        Return one feature map per scale.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 1, ny, nx)
            The images.

        Returns
        -------
        features : list of `torch.Tensor`, (n, 5, ny', nx')
            Finest scale first.
        """
        image = image.transpose(0, 1)
        features = []
        for i in range(self.n_scales):
            if i > 0:
                image = functional.avg_pool2d(image, 2)
            features.append(self._filter(image))
        return features


class VGG16Features(nn.Module):
    """
    The first three pooling layers of VGG-16 (the paper's choice).

    Gray images are repeated to three channels. The weights are not part
    of this package and stay fixed.

    Parameters
    ----------
    path : str or path-like
        A safetensors file with torchvision's VGG-16 weights (keys
        ``features.0.weight``...).

    Raises
    ------
    ParameterError
        If the file does not hold the weights.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from compact_removal.nn.features import VGG16Features
    >>> from compact_removal.removal.loss_paper import PaperLoss
    >>> features = VGG16Features('vgg16.safetensors')  # doctest: +SKIP
    >>> loss = PaperLoss(features=features)  # doctest: +SKIP
    """

    def __init__(self, path):
        super().__init__()
        try:
            state = load_file(resolve_path(path))
        except SafetensorError as error:
            msg = f'path is no safetensors file: {path}'
            raise ParameterError(msg, 'path') from error
        stages = []
        for stage in _VGG16_STAGES:
            layers = []
            for index, n_in, n_out in stage:
                conv = nn.Conv2d(n_in, n_out, 3, padding=1)
                with torch.no_grad():
                    for name, values in conv.named_parameters():
                        key = f'features.{index}.{name}'
                        values.copy_(_get_tensor(state, key, values.shape))
                layers += [conv, nn.ReLU(inplace=True)]
            stages.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
        self.stages = nn.ModuleList(stages).requires_grad_(False)

    def forward(self, image):
        """
        Return the maps behind the first three pooling layers.

        Parameters
        ----------
        image : `torch.Tensor`, (n, 1, ny, nx)
            The images.

        Returns
        -------
        features : list of `torch.Tensor`, (n, c, ny', nx')
            With c = 64, 128 and 256 channels, and sides that are an
            eighth of those of the image at last.
        """
        features = image.expand(-1, 3, -1, -1)
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        return maps


def _get_tensor(state, key, shape):
    """
    Return one tensor of a state, of known shape.
    """
    found = state.get(key)
    if found is None or tuple(found.shape) != tuple(shape):
        got = 'nothing' if found is None else f'shape {tuple(found.shape)}'
        msg = (f'path must hold {key} of shape {tuple(shape)} as in '
               f"torchvision's VGG-16, got {got}")
        raise ParameterError(msg, 'path')
    return found
