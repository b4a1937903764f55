# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The network of MaxiMask, as published (Paillassa et al. 2020, Table 5).
"""

from types import MappingProxyType

import torch
from torch import nn
from torch.nn import functional

from compact_removal.contaminants.classes import CLASS_NAMES
from compact_removal.contaminants.loss_maximask import MaxiMaskLoss
from compact_removal.nn import Field
from compact_removal.nn.models import Model
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['MaxiMaskModel']

_N_CLASSES = len(CLASS_NAMES)

# Channels in units of the width: into and out of each convolution, by the
# names of the released network. 0 are the classes, 1/32 is the image.
_ENCODER = {
    'conv1': (None, 1), 'conv2': (1, 2), 'conv3_1': (2, 4),
    'conv3_2': (4, 4), 'conv4_1': (4, 8), 'conv4_2': (8, 8),
    'conv5_1': (8, 8), 'conv5_2': (8, 8), 'convmid': (8, 8)}
_DECODER = {
    'upconv5_2': (8, 8), 'upconv5_1': (8, 8), 'upconv4_2': (8, 8),
    'upconv4_1': (8, 4), 'upconv3_2': (4, 4), 'upconv3_1': (4, 2),
    'upconv2': (2, 1), 'upconv1': (1, 0)}

# Unpool-convolution paths from each resolution to the full one.
_PATHS = {
    'ucp4': {'ucp4_conv4': (8, 4), 'ucp4_conv3': (4, 2),
             'ucp4_conv2': (2, 1), 'ucp4_conv1': (1, 0)},
    'ucp3': {'ucp3_conv3': (4, 2), 'ucp3_conv2': (2, 1),
             'ucp3_conv1': (1, 0)},
    'ucp2': {'ucp2_conv2': (2, 1), 'ucp2_conv1': (1, 0)},
    'ucp1': {'ucp1_conv1': (1, 0)}}

# Convolutions of each level of the encoder and the decoder; paths start at
# the output of the last one of each level of the decoder.
_DOWN = (('conv1',), ('conv2',), ('conv3_1', 'conv3_2'),
         ('conv4_1', 'conv4_2'), ('conv5_1', 'conv5_2'))
_UP = (('upconv1',), ('upconv2',), ('upconv3_2', 'upconv3_1'),
       ('upconv4_2', 'upconv4_1'), ('upconv5_2', 'upconv5_1'))


class MaxiMaskModel(Model):
    """
    Predict which pixels belong to which class, as MaxiMask does.

    An encoder with pooling whose places are kept, a decoder that adds the
    maps of the encoder after unpooling, and a path from each resolution to
    a prediction of its own; one more convolution makes the final one of
    these five. All convolutions have 3 x 3 pixels and rectifiers, but the
    last one, which has a sigmoid.

    Parameters
    ----------
    width : int, optional
        Channels of the first level; 32 is that of the paper.

    Raises
    ------
    ParameterError
        If it is not a positive integer.

    Examples
    --------
    >>> import torch
    >>> from compact_removal.contaminants.networks import find_model_class
    >>> model = find_model_class('maximask')(width=2).eval()
    >>> with torch.no_grad():
    ...     model(torch.zeros(1, 50, 70))['probability'].shape
    torch.Size([1, 14, 50, 70])
    """

    task = 'contaminants'
    name = 'maximask'
    inputs = MappingProxyType({'image': Field('plane')})
    targets = MappingProxyType({'truth': Field('target', dtype='int32')})
    outputs = MappingProxyType({'probability': Field('plane')})
    loss_class = MaxiMaskLoss
    size_step = 32
    min_size = 32
    usual_size = 400
    receptive_radius = 192
    surrounded = False
    structure = True

    def __init__(self, width=32):
        width = check_positive_integer('width', width)
        super().__init__(width=width)

        def channels(factor):
            return factor * width if factor else _N_CLASSES

        layers = {**_ENCODER, **_DECODER}
        for path in _PATHS.values():
            layers |= path
        for name, (n_in, n_out) in layers.items():
            layer = nn.Conv2d(1 if n_in is None else channels(n_in),
                              channels(n_out), 3, padding=1)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
            self.add_module(name, layer)
        self.final_conv = nn.Conv2d(5 * _N_CLASSES, _N_CLASSES, 3, padding=1)
        nn.init.xavier_uniform_(self.final_conv.weight)
        nn.init.zeros_(self.final_conv.bias)

    def predict_logits(self, image):
        """
        Predict logits, and those of the five resolutions.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Less its background, over its noise; of any size.

        Returns
        -------
        logit : `torch.Tensor`, (n, n_classes, ny, nx)
            The final ones.
        early : list of `torch.Tensor`
            The predictions of the resolutions, the finest first; they
            are positive.
        """
        features = torch.asinh(image)[:, None]
        skips = []
        for names in _DOWN:
            features = self._convolve(features, names)
            skips.append(features)
            features, index = functional.max_pool2d(
                features, 2, ceil_mode=True, return_indices=True)
            skips[-1] = skips[-1], index
        features = self._convolve(features, ['convmid'])
        early = []
        for level in reversed(range(len(_UP))):
            skip, index = skips[level]
            features = skip + _unpool(features, index, skip)
            features = self._convolve(features, _UP[level])
            early.append(features if level == 0 else self._follow(
                features, skips[:level], _PATHS[f'ucp{level}']))
        early = early[::-1]
        # finest, then the coarsest of the paths first
        order = [early[0], *early[:0:-1]]
        return self.final_conv(torch.cat(order, dim=1)), early

    def _convolve(self, features, names):
        """
        Run convolutions with rectifiers.
        """
        for name in names:
            features = torch.relu(getattr(self, name)(features))
        return features

    def _follow(self, features, skips, names):
        """
        Unpool and convolve up to the full resolution.
        """
        for name, (skip, index) in zip(names, reversed(skips), strict=True):
            features = self._convolve(_unpool(features, index, skip), [name])
        return features

    def forward(self, image):
        """
        Predict probabilities.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            See `predict_logits`.

        Returns
        -------
        outputs : dict of `torch.Tensor`
            ``probability``, (n, n_classes, ny, nx).
        """
        return {'probability': torch.sigmoid(self.predict_logits(image)[0])}

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            ``image`` and ``truth``.
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        logit, early = self.predict_logits(batch['image'])
        kernels = [one.weight for one in self.modules()
                   if isinstance(one, nn.Conv2d)]
        return loss(logit, early, batch['truth'], kernels)


def _unpool(features, index, like):
    """
    Put values where the largest ones were.

    A path may have another number of channels than the map that was
    pooled only where the two agree, as they do in this network.
    """
    return functional.max_unpool2d(features, index, 2,
                                   output_size=like.shape[-2:])
