# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What every estimator has: parameters, and the error before fitting.
"""

import inspect

import numpy as np

from compact_removal.maps.pacs import read_pacs_map
from compact_removal.utils.parameters import ParameterError, ParameterTypeError

__all__ = ['BaseEstimator', 'BaseEvaluation', 'NotFittedError']


class NotFittedError(ValueError, AttributeError):
    """
    An estimator was used that has learned nothing yet.

    The message names the method to call. The base classes are those of
    scikit-learn's exception of this name.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.removal import NotFittedError
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> remover = CompactSourceRemover('scanmap', 'blue', weights=None)
    >>> try:
    ...     remover.remove(image, catalog)
    ... except NotFittedError as error:
    ...     print(error)
    weights is None, so the network is not trained: call fit() first, or
    choose weights
    """


class BaseEvaluation:
    """
    What the experiment of an estimator returns: tables and figures.

    `~compact_removal.evaluation` and the command line use nothing else
    of it. Subclasses give ``summary`` and ``parameters``, and what else
    they have.

    Attributes
    ----------
    summary : `~astropy.table.QTable`
        One row per field.
    tables : dict of str to `~astropy.table.QTable`
        Further tables by name.
    parameters : dict
        How the experiment was made; ``warnings`` is a list of messages.
    headline : tuple of str
        The columns of ``summary`` that a terminal shows; empty: all.
    legend : str
        What these columns are, in one or two sentences.
    notes : tuple of str
        Paragraphs that explain ``summary``, for a report.
    labels : dict of str
        Titles of columns of ``summary`` and of ``parameters``; others
        have their names.

    Examples
    --------
    >>> from compact_removal.base import BaseEvaluation
    >>> dict(BaseEvaluation().figures())
    {}
    """

    tables = {}
    headline = ()
    legend = ''
    notes = ()
    labels = {}

    def figures(self):
        """
        Draw the figures, one after the other.

        Returns
        -------
        figures : iterable of tuple
            Title and `~matplotlib.figure.Figure`, each drawn when it is
            asked for.
        """
        return ()


class BaseEstimator:
    """
    Base class with scikit-learn's handling of parameters.

    Subclasses store the arguments of ``__init__`` unchanged under the
    same names. ``sklearn.base.clone`` works on them; scikit-learn
    itself is not needed. Batches, evaluations and the command line use
    the attributes and methods below, whatever the task.

    Attributes
    ----------
    output_files : dict of str
        Endings of the files of a result, by the names that `process`
        gives. ``'sources'`` is a table with one row per source; where
        positions were given, with one per position.
    positions_use : {'none', 'optional', 'required'}
        Whether `process` takes positions.
    no_effect : tuple of str
        Names of parameters that do not change results.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> remover = CompactSourceRemover('scanmap', 'blue', seed=1)
    >>> remover.get_params()['seed']
    1
    >>> remover.set_params(band='red', seed=None)
    CompactSourceRemover('scanmap', 'red')
    """

    output_files = {}
    positions_use = 'none'
    no_effect = ('batch_size', 'device', 'progress_bar', 'seed')

    def experiment(self, data=None, **options):
        """
        Judge the estimator on data whose truth is known.

        Parameters
        ----------
        data : list or dict of images, optional
            Images to make test data of; default: simulated ones.
        **options
            Options of the experiment. Subclasses name them, as the
            command line makes its options of their signature.

        Returns
        -------
        evaluation : `~compact_removal.base.BaseEvaluation`
            Tables and figures.

        Raises
        ------
        TypeError
            If the estimator has no experiment.
        """
        msg = f'estimator must have an experiment, got {self!r}'
        raise ParameterTypeError(msg, 'estimator')

    def process(self, image, positions=None):
        """
        Do the task of the estimator on one image.

        Parameters
        ----------
        image : `~astropy.nddata.CCDData`
            The image, see `read_image`.
        positions : SkyCoord, Table or regions, optional
            Positions of sources, where the estimator takes them.

        Returns
        -------
        products : dict
            `~astropy.nddata.CCDData` and `~astropy.table.QTable` by the
            names of ``output_files``.

        Raises
        ------
        TypeError
            If the estimator has no such task.
        """
        msg = f'estimator must process single images, got {self!r}'
        raise ParameterTypeError(msg, 'estimator')

    @staticmethod
    def read_image(path, *, unit=None):
        """
        Read an image as the estimator takes it.

        Parameters
        ----------
        path : path-like
            A FITS file.
        unit : str or `~astropy.units.Unit`, optional
            The unit of the image, in place of that of the header.

        Returns
        -------
        image : `~astropy.nddata.CCDData`
            The image.

        Raises
        ------
        OSError, ValueError
            If it cannot be read.
        """
        return read_pacs_map(path, unit=unit)

    def check_params(self):
        """
        Check the parameters, without any data.

        Mode and band that are None, which stands for those of the
        header of an image, are allowed.

        Raises
        ------
        TypeError, ValueError
            If a parameter is not allowed.
        """

    def check_images(self, images):
        """
        Check that images fit the parameters.

        Parameters
        ----------
        images : list of `~astropy.nddata.CCDData`
            What a training or an experiment is to use.

        Raises
        ------
        TypeError, ValueError
            If one of them is not allowed.
        """

    def describe_task(self, image, positions=None):
        """
        One sentence on what was done, for the header of a result.

        Parameters
        ----------
        image : str
            Name of the file of the image.
        positions : str, optional
            Name of the file of the positions, if it was a file.

        Returns
        -------
        history : str
            The sentence.
        """
        what = '' if positions is None else f' with positions of {positions}'
        return f'{type(self).__name__} applied to {image}{what}'

    @classmethod
    def list_weights(cls):
        """
        List the weights that ship for the estimator.

        Returns
        -------
        rows : list of dict
            Their ``name``, ``network``, ``sha256`` and more.
        """
        return []

    @classmethod
    def _parameters(cls):
        """
        Parameters of ``__init__`` with their defaults.
        """
        found = dict(inspect.signature(cls.__init__).parameters)
        found.pop('self')
        return found

    def get_params(self, deep=True):
        """
        Get the parameters given to ``__init__``.

        Parameters
        ----------
        deep : bool, optional
            Without effect; scikit-learn hands it over.

        Returns
        -------
        params : dict
            Values by name.
        """
        del deep
        return {name: getattr(self, name) for name in self._parameters()}

    def set_params(self, **params):
        """
        Change parameters.

        Parameters
        ----------
        **params
            New values by name.

        Returns
        -------
        self : estimator
            The same object.

        Raises
        ------
        ParameterError
            If there is no such parameter.
        """
        allowed = self._parameters()
        for name in params:
            if name not in allowed:
                msg = (f'{name} is no parameter of {type(self).__name__}; '
                       f'allowed are {", ".join(allowed)}')
                raise ParameterError(msg, name)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self):
        shown = []
        for name, parameter in self._parameters().items():
            value = getattr(self, name)
            text = repr(value)
            required = parameter.default is parameter.empty
            if required or text != repr(parameter.default):
                shown.append(text if required else f'{name}={text}')
        return f'{type(self).__name__}({", ".join(shown)})'

    @staticmethod
    def _to_plain(params):
        """
        Check that JSON can hold parameters, those of NumPy as Python's.
        """
        plain = {}
        for name, value in params.items():
            if isinstance(value, np.generic):
                value = value.item()
            if isinstance(value, tuple):
                value = list(value)
            if not isinstance(value, (str, int, float, list, dict,
                                      type(None))):
                msg = (f'{name} must be a string, a number or None for '
                       f'saving, got {value!r}')
                raise ParameterError(msg, name)
            plain[name] = value
        return plain
