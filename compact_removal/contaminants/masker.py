# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The estimator that finds contaminated pixels.
"""

import warnings

import astropy.units as u
import numpy as np
from astropy.nddata import CCDData
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning
from scipy.ndimage import distance_transform_edt

from compact_removal import nn
from compact_removal.contaminants.base import ExposureEstimator
from compact_removal.contaminants.classes import (CLASS_NAMES, CLASSES,
                                                  find_classes, find_unusable)
from compact_removal.contaminants.networks import NETWORKS, find_model_class
from compact_removal.contaminants.priors import (find_thresholds, logit_shift,
                                                 read_per_class, read_priors)
from compact_removal.contaminants.training import MaskerTraining, fit_masker
from compact_removal.maps.arrays import read_array, to_ccd
from compact_removal.maps.background import scale_image
from compact_removal.utils.parameters import (ParameterError, check_boolean,
                                              check_choice,
                                              check_positive_integer)

__all__ = ['ContaminantMasker']

# Side of the tiles (pixels), which have no influence on the result: for flags,
# and for probabilities, which need the memory themselves.
_TILE, _SMALL_TILE = 1344, 672


class ContaminantMasker(ExposureEstimator):
    """
    Find contaminated pixels in exposures of optical and infrared cameras.

    Cosmic rays, defects of the detector, persistence, trails, fringes,
    nebulosity, saturation, diffraction spikes and overscan, and where the
    background is bright or not: 14 classes that may overlap (MaxiMask,
    Paillassa et al. 2020).

    Parameters
    ----------
    classes : str or sequence of str, optional
        What is looked for: ``'all'``, or names of `list_classes`.
    priors : str, float, sequence or dict, optional
        Shares of the pixels that the classes have in the images:
        ``'default'``, those of usual exposures; ``'training'``: no
        update; or shares, one for each class, or some by name. The
        probabilities are updated for them (Sect. 5).
    thresholds : 'default', float, sequence or dict, optional
        Probabilities from which a pixel is flagged. Default: those with
        the largest Matthews' coefficient for the priors.
    network : {'segmentation', 'maximask'}, optional
        The network; ``'maximask'`` is that of the paper, whose weights
        do not ship, see `~compact_removal.contaminants.import_maximask`.
    weights : str or path-like, optional
        ``'default'``: the weights that ship; or the name of shipped
        weights, or a safetensors file. `None`: random weights, to be
        trained with `fit`. After `fit` and `load` it is only where the
        next `fit` starts.
    batch_size : int, optional
        Exposures in one step of a training.
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
    >>> from compact_removal import ContaminantMasker
    >>> from compact_removal.contaminants import contaminate
    >>> from compact_removal.datasets import make_exposure
    >>> exposure = contaminate(make_exposure((200, 200), seed=1), ['CR'],
    ...                        seed=1)
    >>> masked = ContaminantMasker().mask(exposure.image)
    >>> bool(masked.mask[exposure.core == 1].mean() > 0.8)
    True
    """

    task = 'contaminants'
    training_class = MaskerTraining
    find_model_class = staticmethod(find_model_class)
    networks = NETWORKS
    output_files = {'mask': '_mask.fits'}

    def __init__(self, *, classes='all', priors='default',
                 thresholds='default', network='segmentation',
                 weights='default', batch_size=8, device='auto', seed=None,
                 progress_bar=False):
        self.classes = classes
        self.priors = priors
        self.thresholds = thresholds
        self.network = network
        self.weights = weights
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self.progress_bar = progress_bar

    @property
    def classes_(self):
        """
        Names of the classes that are looked for, in the order of results.
        """
        known = self._is_fitted() or self.weights is not None
        return tuple(CLASS_NAMES[k] for k in self._find_classes(
            self._model()[1] if known else {}))

    def predict_proba(self, image):
        """
        Predict to which classes pixels belong.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`, Quantity or array_like
            A single exposure, not a coadded one; shape ``(ny, nx)``, of
            any unit and type. Pixels that are masked or not finite are
            not used. It is never modified.

        Returns
        -------
        probability : `~numpy.ndarray`
            Single precision, shape ``(n_classes, ny, nx)``, in the order
            of ``classes_``. The largest values of ``CR`` are where hits
            have more than three standard deviations.

        Raises
        ------
        TypeError, ValueError
            If an argument or a parameter of the estimator is not
            allowed; the message starts with its name.
        NotFittedError
            If ``weights`` is `None` and `fit` was not called.
        """
        index, shift, _, (model, _) = self._prepare()
        return self._predict(read_array(image), model, index, shift)[
            'probability']

    def mask(self, image, *, unusable='default', grow=0):
        """
        Mask the pixels that must not be used.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`, Quantity or array_like
            See `predict_proba`.
        unusable : str or sequence of str, optional
            Classes whose pixels must not be used. Default: all that are
            looked for but nebulosity and both kinds of background.
        grow : float, optional
            Pixels as near as this to such a pixel are masked, too.

        Returns
        -------
        masked : `~astropy.nddata.CCDData`
            The image; ``mask`` is that of the image, what is not finite
            and what must not be used, ``flags`` the bits of the classes,
            and ``meta`` has provenance, priors and thresholds.

        Raises
        ------
        TypeError, ValueError, NotFittedError
            See `predict_proba`.
        """
        index, shift, thresholds, (model, info) = self._prepare()
        bad = find_unusable(unusable, index)
        if not (isinstance(grow, (int, float, np.number)) and grow >= 0
                and np.isfinite(grow)):
            msg = f'grow must be a number of pixels >= 0, got {grow!r}'
            raise ParameterError(msg, 'grow')
        bits = [CLASSES[k].bit for k in index]
        data = read_array(image)
        flags = self._predict(data, model, index, shift, thresholds,
                              bits)['flags'].astype(np.int16)
        mask = flags & sum(CLASSES[k].bit for k in bad) != 0
        if grow and mask.any():
            mask = distance_transform_edt(~mask) <= grow
        result = to_ccd(image)
        result.mask = mask | np.isnan(data)
        result.flags = flags
        result.meta.update(self._provenance(info))
        for k, threshold, prior in zip(index, thresholds,
                                       self._priors(info, index), strict=True):
            result.meta[f'PRI_{CLASS_NAMES[k]}'] = float(prior)
            result.meta[f'THR_{CLASS_NAMES[k]}'] = float(threshold)
        return result

    def list_classes(self):
        """
        List the classes that are looked for, and what they mean.

        Returns
        -------
        classes : `~astropy.table.Table`
            ``name``, ``description``, ``bit``, ``unusable`` (whether its
            pixels are masked, by default), ``prior`` and ``threshold``.

        Raises
        ------
        TypeError, ValueError, NotFittedError
            See `predict_proba`.
        """
        index, _, thresholds, (_, info) = self._prepare()
        rows = [CLASSES[k] for k in index]
        table = Table({name: [getattr(one, name) for one in rows] for name in (
            'name', 'description', 'bit', 'unusable')})
        table['prior'] = self._priors(info, index)
        table['threshold'] = thresholds
        return table

    def fit(self, clean_images=None, *, contaminants=None, training=None):
        """
        Train the network on exposures to which contaminants are added.

        Training starts from ``weights``, or from random ones if
        ``weights`` is `None`; what an earlier call has learned is
        replaced.

        Parameters
        ----------
        clean_images : list of `~astropy.nddata.CCDData`, optional
            Exposures of the user. They need no labels: what is in them
            already is taken as clean, so they should have few
            contaminants. Default: simulated ones.
        contaminants : dict, optional
            What is added, by the names of classes: lists of dark frames
            for ``'CR'`` (exposed as long as the images), of maps for
            ``'NEB'`` and of patterns for ``'FR'``, or `None` for
            simulated ones. Default: all classes, simulated.
        training : dict, optional
            Settings that differ from the defaults, see
            `~compact_removal.contaminants.MaskerTraining`.

        Returns
        -------
        self : `ContaminantMasker`
            The fitted estimator.

        Raises
        ------
        TypeError, ValueError
            If an argument is not allowed.
        TrainingDivergedError
            If the loss is not finite.
        """
        self._check()
        model, info, history = fit_masker(
            self, clean_images, contaminants=contaminants, training=training)
        self._set_fitted(model, info)
        self.history_, self.n_epochs_ = history, len(history['epoch'])
        return self

    def experiment(self, data=None, *, n_maps=8, size=400, seed=None,
                   progress_bar=False):
        """
        Find simulated contaminants, and judge what was found.

        Parameters
        ----------
        data : list or dict of `~astropy.nddata.CCDData`, optional
            Exposures that contaminants are added to. Default: simulated
            ones.
        n_maps : int, optional
            Exposures: in all, or from each one.
        size : int, optional
            Side of the exposures (pixels).
        seed : int or `~numpy.random.Generator`, optional
            Seed of everything random.
        progress_bar : bool, optional
            Whether to show progress.

        Returns
        -------
        evaluation : `~compact_removal.contaminants.MaskerEvaluation`
            Tables and figures.
        """
        from compact_removal.contaminants.evaluation import evaluate_masker

        return evaluate_masker(self, data, n_maps=n_maps, size=size,
                               seed=seed, progress_bar=progress_bar)

    def process(self, image, positions=None):
        masked = self.mask(image)
        return {'mask': CCDData(masked.flags, wcs=masked.wcs,
                                unit=u.dimensionless_unscaled,
                                meta=masked.meta)}

    def describe_task(self, image, positions=None):
        return f'contaminants found in {image}'

    def _predict(self, data, model, index, shift, *flags):
        """
        Probabilities, or flags, of an array.
        """
        from compact_removal.contaminants.network_update import UpdatedModel

        data = scale_image(data, structure=model.structure)
        model = UpdatedModel(model, index, shift, *flags)
        if not data.any():
            warnings.warn('image is constant, or all masked: nothing is found',
                          AstropyUserWarning, stacklevel=3)
            return model.see_nothing(data.shape)
        return nn.predict_map(
            model, {'image': data}, device=self.device,
            tile_size=_TILE if flags else _SMALL_TILE,
            progress_bar=self.progress_bar)

    def _prepare(self):
        """
        Classes, shifts of logits, thresholds, and the model with its
        description.
        """
        self._check()
        model, info = self._model()
        learned = info.get('classes', CLASS_NAMES)
        index = self._find_classes(info)
        missing = [CLASS_NAMES[k] for k in index
                   if CLASS_NAMES[k] not in learned]
        if missing:
            msg = (f'classes must be those that the network has learned '
                   f'({", ".join(learned)}), got {missing[0]!r}')
            raise ParameterError(msg, 'classes')
        shares = [info['shares'][k] for k in index]
        priors = self._priors(info, index)
        thresholds = self._find_thresholds(index, info, shares, priors)
        return (index, logit_shift(shares, priors), thresholds,
                (model, info))

    def _find_classes(self, info):
        """
        Places of the classes that are looked for.
        """
        if isinstance(self.classes, str) and self.classes == 'all':
            return find_classes(info.get('classes', 'all'))
        return find_classes(self.classes)

    def _priors(self, info, index):
        """
        Priors of the classes that are looked for.
        """
        return read_priors(self.priors, index, info['shares'])

    def _find_thresholds(self, index, info, shares, priors):
        """
        Thresholds of the classes that are looked for.
        """
        if 'scores' in info:
            scores = {'logit': info['scores']['logit'], **{
                name: [info['scores'][name][k] for k in index]
                for name in ('tpr', 'fpr', 'least_fpr')}}
            best = find_thresholds(scores, shares, priors)
        else:
            best = np.array([info['thresholds'][k] for k in index])
        if isinstance(self.thresholds, str):
            return best
        default = np.zeros(len(CLASSES))
        default[list(index)] = best
        return read_per_class('thresholds', self.thresholds, index, default)

    def _check(self):
        """
        Validate the parameters.
        """
        index = find_classes(self.classes)
        read_priors(self.priors, index, [0.5] * len(CLASSES))
        if isinstance(self.thresholds, str):
            if self.thresholds != 'default':
                msg = ("thresholds must be 'default', numbers or a dict, got "
                       f'{self.thresholds!r}')
                raise ParameterError(msg, 'thresholds')
        else:
            read_per_class('thresholds', self.thresholds, index,
                           [0.5] * len(CLASSES))
        check_choice('network', self.network, NETWORKS)
        check_positive_integer('batch_size', self.batch_size)
        check_boolean('progress_bar', self.progress_bar)
        nn.resolve_device(self.device)
        if self.weights is not None and not self._is_fitted():
            if self.network == 'maximask' and self.weights == 'default':
                msg = ("weights must be a file for network 'maximask', whose "
                       'own are part of MaxiMask (see import_maximask)')
                raise ParameterError(msg, 'weights')
            self._find_weights()
