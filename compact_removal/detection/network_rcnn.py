# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Region-based detectors: parts of torchvision, put together for small sources.

What torchvision does around them is left out: images are not resized, and
masks are not drawn on whole images.
"""

from types import MappingProxyType

import numpy as np
import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import (FastRCNNPredictor,
                                                      TwoMLPHead)
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import (MaskRCNNHeads,
                                                    MaskRCNNPredictor)
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.resnet import resnet18
from torchvision.ops import MultiScaleRoIAlign

from compact_removal.detection.kinds import REGION_KINDS
from compact_removal.detection.loss_rcnn import RegionLoss
from compact_removal.nn import Field, resolve_device
from compact_removal.nn.models import Model
from compact_removal.utils.parameters import check_positive_integer

__all__ = ['FasterRCNNModel', 'MaskRCNNModel']

# Levels of the backbone: names, channels; and sides of anchors (pixels) on
# each, and on one more, which is half as large.
_LEVELS = MappingProxyType({'layer1': '0', 'layer2': '1'})
_CHANNELS = (64, 128)
_SIZES, _RATIOS = ((5.0, 8.0), (13.0, 21.0), (34.0, 55.0)), (0.6, 1.0, 1.7)

# Sides of what the heads see of a box; a mask is twice as large.
_BOX_SIZE, _MASK_SIZE = 5, 7

# Proposals that the heads learn, per image; and most detections, of which the
# least score is this.
_N_LEARNED, _N_DETECTIONS, _LEAST = 128, 600, 0.02

# Anchors and proposals that overlap more with a source are that source, and
# less are none; proposals, and boxes of a kind, that overlap more are one.
_ANCHORS, _PROPOSALS, _SAME = (0.6, 0.3), (0.5, 0.5), (0.7, 0.5)


class FasterRCNNModel(Model):
    """
    Faster R-CNN: boxes and kinds of sources.

    The first stages of a ResNet-18 without pooling, a pyramid of features,
    and small anchors. Two inputs are the image, compressed twice.

    Parameters
    ----------
    width : int, optional
        Channels of the pyramid and its heads.
    kinds : sequence of str, optional
        The kinds of sources.

    Raises
    ------
    ParameterError
        If the width is not a positive integer.
    """

    task = 'regions'
    name = 'faster_rcnn'
    inputs = MappingProxyType({'image': Field('plane', fill=0.0)})
    targets = MappingProxyType({
        'boxes': Field('value'), 'labels': Field('value', dtype='int64')})
    loss_class = RegionLoss
    size_step = 8
    min_size = 64
    usual_size = 128
    has_masks = False

    def __init__(self, width=48, kinds=REGION_KINDS):
        width = check_positive_integer('width', width)
        super().__init__(width=width, kinds=list(kinds))
        body = resnet18(weights=None)
        body.conv1 = nn.Conv2d(2, _CHANNELS[0], 5, stride=2, padding=2,
                               bias=False)
        body.maxpool = nn.Identity()
        self.backbone = BackboneWithFPN(body, dict(_LEVELS), list(_CHANNELS),
                                        width)
        self.rpn = RegionProposalNetwork(
            AnchorGenerator(_SIZES, (_RATIOS,) * len(_SIZES)),
            RPNHead(width, len(_SIZES[0]) * len(_RATIOS)),
            *_ANCHORS, 128, 0.5, {'training': 1000, 'testing': 2000},
            {'training': 400, 'testing': 1200}, _SAME[0])
        names, n_kinds = list(_LEVELS.values()), len(kinds) + 1
        parts = {}
        if self.has_masks:
            parts = {'mask_roi_pool': MultiScaleRoIAlign(
                names, _MASK_SIZE, 2),
                'mask_head': MaskRCNNHeads(width, (width,) * 3, 1),
                'mask_predictor': MaskRCNNPredictor(width, width, n_kinds)}
        self.roi_heads = RoIHeads(
            MultiScaleRoIAlign(names, _BOX_SIZE, 2),
            TwoMLPHead(width * _BOX_SIZE ** 2, 2 * width),
            FastRCNNPredictor(2 * width, n_kinds), *_PROPOSALS, _N_LEARNED,
            0.25, None, _LEAST, _SAME[1], _N_DETECTIONS, **parts)

    def forward(self, image):
        """
        Find sources.

        Parameters
        ----------
        image : `torch.Tensor`, (n, ny, nx)
            Less its background, over its noise.

        Returns
        -------
        outputs : list of dict of `torch.Tensor`
            For each image ``boxes``, (m, 4), from its corner (pixels);
            ``labels``, (m,), numbers of kinds from 1; ``scores``, (m,);
            and ``masks``, (m, 1, 14, 14), chances in each box.
        """
        features, images = self._see(image)
        proposals, _ = self.rpn(images, features)
        found, _ = self.roi_heads(features, proposals, images.image_sizes)
        return found

    def predict_regions(self, image, *, device='auto'):
        """
        Find sources on an array.

        Parameters
        ----------
        image : `~numpy.ndarray`
            Less its background, over its noise, shape ``(ny, nx)``.
        device : str, optional
            Where to compute.

        Returns
        -------
        found : dict of `~numpy.ndarray`
            ``boxes``, shape ``(m, 4)``, from the corner of the image
            (pixels); ``labels``, ``scores``, and ``masks``, shape ``(m,
            14, 14)``.
        """
        device = resolve_device(device)
        self.to(device).eval()
        sides = [max(-(-n // self.size_step) * self.size_step, self.min_size)
                 for n in image.shape]
        padded = torch.zeros(1, *sides, device=device)
        padded[0, :image.shape[0], :image.shape[1]] = torch.as_tensor(
            image, dtype=torch.float32)
        with torch.no_grad():
            found = {name: values.cpu().numpy()
                     for name, values in self(padded)[0].items()}
        found['boxes'] = np.minimum(found['boxes'], np.tile(
            image.shape[::-1], 2))
        some = np.all(found['boxes'][:, 2:] > found['boxes'][:, :2], axis=1)
        if 'masks' in found:
            found['masks'] = found['masks'][:, 0]
        return {name: values[some] for name, values in found.items()}

    def compute_loss(self, batch, loss):
        """
        Compare the prediction for a batch with the truth.

        Parameters
        ----------
        batch : dict of `torch.Tensor`
            ``image``; ``boxes``, (n, 4 m), ``labels``, (n, m), 0 where
            there is none, and ``masks``, (n, m, ny, nx).
        loss : callable
            From ``make_loss``.

        Returns
        -------
        total : `torch.Tensor`
            The value of the loss.
        terms : dict of `torch.Tensor`
            Its terms.
        """
        features, images = self._see(batch['image'])
        targets = []
        for number, labels in enumerate(batch['labels']):
            some = labels > 0
            targets.append({
                'labels': labels[some],
                'boxes': batch['boxes'][number].reshape(-1, 4)[some]})
            if self.has_masks:
                targets[-1]['masks'] = batch['masks'][number][some]
        # losses exist in the mode of the training alone, also in validation
        modes = self.rpn.training, self.roi_heads.training
        self.rpn.training = self.roi_heads.training = True
        with torch.autocast(batch['image'].device.type, enabled=False):
            proposals, first = self.rpn(images, features, targets)
            _, second = self.roi_heads(features, proposals,
                                       images.image_sizes, targets)
        self.rpn.training, self.roi_heads.training = modes
        return loss({**first, **second})

    def _see(self, image):
        """
        Features of the levels, and images as torchvision takes them.
        """
        planes = torch.stack([torch.asinh(image), torch.asinh(image / 30)],
                             dim=1).contiguous(
                                 memory_format=torch.channels_last)
        features = {name: level.float()
                    for name, level in self.backbone(planes).items()}
        return features, ImageList(planes, [tuple(image.shape[-2:])]
                                   * len(image))


class MaskRCNNModel(FasterRCNNModel):
    """
    Mask R-CNN: boxes, kinds and masks of sources.

    Parameters
    ----------
    *args, **kwargs : object
        See `FasterRCNNModel`.
    """

    name = 'mask_rcnn'
    targets = MappingProxyType({
        **FasterRCNNModel.targets, 'masks': Field('target', dtype='uint8')})
    has_masks = True
