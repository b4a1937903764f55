# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator around region-based detectors.
"""

import numpy as np
from astropy.nddata import CCDData
from astropy.table import QTable

from compact_removal.base.trainable import TrainableEstimator
from compact_removal.detection.flags import DETECTION_FLAG
from compact_removal.detection.networks import (REGION_NETWORKS, WEIGHTS,
                                                find_region_class)
from compact_removal.detection.region_search import (find_regions,
                                                     make_segmentation,
                                                     measure_centers)
from compact_removal.detection.region_training import (RegionTraining,
                                                       fit_regions)
from compact_removal.maps.arrays import find_wcs, read_array
from compact_removal.maps.background import scale_image
from compact_removal.maps.exposures import read_exposure
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_positive_integer)

__all__ = ['RegionDetector']


class RegionDetector(TrainableEstimator):
    """
    Find sources of several kinds, with their boxes and masks.

    A thin layer around the detectors of torchvision, with a small network
    and small anchors: Mask R-CNN (He et al. 2017), or Faster R-CNN (Ren
    et al. 2015), which has no masks. They need the extra ``[rcnn]``.

    Parameters
    ----------
    network : {'mask_rcnn', 'faster_rcnn'}, optional
        The network.
    threshold : float or 'default', optional
        Least score of what is returned; 0 for all. Default: where
        completeness and reliability are best together on simulations.
    weights : str or path-like, optional
        ``'default'``: the weights that ship; or the name of shipped
        weights, or a safetensors file. `None`: random weights, to be
        trained with `fit`. After `fit` and `load` it is only where the
        next `fit` starts.
    batch_size : int, optional
        Fields per step of `fit`.
    device : str, optional
        ``'auto'`` (a GPU if there is one), ``'cpu'``, ``'cuda'``, ...
    seed : int, optional
        Seed of everything random in `fit`.
    progress_bar : bool, optional
        Whether to show progress.

    Attributes
    ----------
    history_ : dict of list
        After `fit`: ``epoch``, ``learning_rate``, ``loss``,
        ``validation_loss`` and the terms of both, one value per epoch.
    n_epochs_ : int
        After `fit`: number of epochs.

    Examples
    --------
    >>> from compact_removal import RegionDetector
    >>> RegionDetector(network='faster_rcnn').network
    'faster_rcnn'
    """

    task = 'regions'
    training_class = RegionTraining
    find_model_class = staticmethod(find_region_class)
    shipped_weights = WEIGHTS
    networks = REGION_NETWORKS
    output_files = {'sources': '_regions.ecsv',
                    'segmentation': '_segmentation.fits'}

    def __init__(self, *, network='mask_rcnn', threshold='default',
                 weights='default', batch_size=8, device='auto', seed=None,
                 progress_bar=False):
        self.network = network
        self.threshold = threshold
        self.weights = weights
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.progress_bar = progress_bar

    def detect(self, image):
        """
        Find sources.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`, Quantity or array
            The image, shape ``(ny, nx)``; background and noise are
            measured here. Pixels that are masked or not finite are not
            used.

        Returns
        -------
        sources : `~astropy.table.QTable`
            The highest score first: ``id``, ``sky_center`` (for images
            with a WCS), ``x_center``, ``y_center`` (centre of the light,
            pixels), ``kind``, ``score``, ``bbox_xmin``, ``bbox_xmax``,
            ``bbox_ymin``, ``bbox_ymax`` (first and last pixels), and
            ``flags``, see ``DETECTION_FLAGS``. ``meta`` has the
            provenance, ``'segmentation'``
            (`~photutils.segmentation.SegmentationImage`, labels are
            ``id``), and ``'masks'``, one array of bool per source, which
            fills its box. Without masks boxes are in their place.

        Raises
        ------
        ImportError
            If torchvision is not installed.
        TypeError, ValueError
            If an argument or a parameter of the estimator is not
            allowed; the message starts with its name.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.
        """
        self._check()
        model, info = self._model()
        data = read_array(image)
        scaled = scale_image(data)
        found = find_regions(model, scaled, self._threshold(info),
                             device=self.device,
                             progress_bar=self.progress_bar)
        left, low, right, high = found.limits.T
        x, y = measure_centers(scaled, found)
        known = np.isfinite(data)
        flags = [DETECTION_FLAG['edge'] * (
            0 in (a, b) or c == data.shape[1] - 1 or d == data.shape[0] - 1)
            | DETECTION_FLAG['invalid_pixels'] * int(
                not known[b:d + 1, a:c + 1].all())
            for a, b, c, d in found.limits]
        table = QTable({
            'id': np.arange(1, len(x) + 1), 'x_center': x, 'y_center': y,
            'kind': np.array(found.kind, dtype='U16'), 'score': found.score,
            'bbox_xmin': left, 'bbox_xmax': right, 'bbox_ymin': low,
            'bbox_ymax': high, 'flags': np.array(flags, dtype=np.int64)},
            meta={**self._provenance(info), 'masks': found.masks,
                  'segmentation': make_segmentation(found, data.shape)})
        wcs = find_wcs(image)
        if wcs is not None and wcs.has_celestial:
            table.add_column(wcs.pixel_to_world(x, y), name='sky_center',
                             index=1)
        return table

    def fit(self, images=None, labels=None, *, training=None):
        """
        Train the network on simulated fields, or on labelled images.

        Training starts from ``weights``, or from random ones if
        ``weights`` is `None`; what an earlier call has learned is
        replaced.

        Parameters
        ----------
        images : list of `~astropy.nddata.CCDData` or array, optional
            Images to learn from. Default: simulated ones, of optical,
            infrared, radio and gamma-ray skies.
        labels : list of Table, optional
            What is on each image: ``kind``, and ``bbox_xmin``,
            ``bbox_xmax``, ``bbox_ymin`` and ``bbox_ymax`` as `detect`
            returns them; or ``id`` and ``meta['segmentation']``, an array
            or a `~photutils.segmentation.SegmentationImage` in which each
            has its ``id``.
        training : dict, optional
            Settings that differ from the defaults, see
            `~compact_removal.detection.RegionTraining`.

        Returns
        -------
        self : `RegionDetector`
            The fitted estimator.

        Raises
        ------
        ImportError, TypeError, ValueError
            If torchvision is not installed, or an argument is not
            allowed.
        TrainingDivergedError
            If the loss is not finite.
        """
        self._check()
        model, info, history = fit_regions(self, images, labels,
                                           training=training)
        self._set_fitted(model, info)
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def experiment(self, data=None, *, n_maps=8, size=256, seed=None,
                   progress_bar=False):
        """
        Find simulated sources, and judge what was found.

        Parameters
        ----------
        data : list of array_like, optional
            Stamps of single galaxies for optical fields. Default:
            simulated ones.
        n_maps : int, optional
            Number of fields of each kind of sky.
        size : int, optional
            Their side (pixels).
        seed : int or `~numpy.random.Generator`, optional
            Seed of everything random.
        progress_bar : bool, optional
            Whether to show progress.

        Returns
        -------
        evaluation : `~compact_removal.detection.RegionEvaluation`
            Tables and figures.
        """
        from compact_removal.detection.region_evaluation import (
            evaluate_regions)

        return evaluate_regions(self, data, n_maps=n_maps, size=size,
                                seed=seed, progress_bar=progress_bar)

    @staticmethod
    def read_image(path, *, unit=None):
        return read_exposure(path, unit=unit)

    def process(self, image, positions=None):
        table = self.detect(image)
        segments = CCDData(table.meta.pop('segmentation').data, unit='',
                           wcs=find_wcs(image))
        del table.meta['masks']
        return {'sources': table, 'segmentation': segments}

    def describe_task(self, image, positions=None):
        return f'regions found in {image}'

    def _threshold(self, info):
        """
        The least score of what is returned.
        """
        return (info['threshold'] if isinstance(self.threshold, str)
                else float(self.threshold))

    def _check(self):
        """
        Validate the parameters; torchvision comes first.
        """
        find_region_class(self.network)
        check_positive_integer('batch_size', self.batch_size)
        check_boolean('progress_bar', self.progress_bar)
        good = (self.threshold == 'default' if isinstance(self.threshold, str)
                else isinstance(self.threshold, (int, float, np.number))
                and not isinstance(self.threshold, bool)
                and 0 <= self.threshold <= 1)
        if not good:
            msg = ("threshold must be 'default' or a number in [0, 1], got "
                   f'{self.threshold!r}')
            raise ParameterError(msg, 'threshold')
