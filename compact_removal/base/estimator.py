# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What every estimator has: parameters, and the error before fitting.
"""

import inspect

import numpy as np

from compact_removal.utils.parameters import ParameterError

__all__ = ['BaseEstimator', 'NotFittedError']


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


class BaseEstimator:
    """
    Base class with scikit-learn's handling of parameters.

    Subclasses store the arguments of ``__init__`` unchanged under the
    same names. ``sklearn.base.clone`` works on them; scikit-learn
    itself is not needed.

    Examples
    --------
    >>> from compact_removal import CompactSourceRemover
    >>> remover = CompactSourceRemover('scanmap', 'blue', seed=1)
    >>> remover.get_params()['seed']
    1
    >>> remover.set_params(band='red', seed=None)
    CompactSourceRemover('scanmap', 'red')
    """

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
            if not isinstance(value, (str, int, float, list, type(None))):
                msg = (f'{name} must be a string, a number or None for '
                       f'saving, got {value!r}')
                raise ParameterError(msg, name)
            plain[name] = value
        return plain
