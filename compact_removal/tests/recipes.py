# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Recipes of the estimators: what the test of the contract does with each.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

__all__ = ['RECIPES', 'Recipe', 'can_run', 'get_recipe']

# By estimator the module that holds its ``RECIPE``: one entry for each
# estimator that the package exports.
RECIPES = {
    'BlendPhotometer': 'compact_removal.deblending.tests.recipe',
    'CompactSourceFinder': 'compact_removal.detection.tests.recipe',
    'CompactSourceRemover': 'compact_removal.removal.tests.recipe',
    'ContaminantMasker': 'compact_removal.contaminants.tests.recipe',
    'RegionDetector': 'compact_removal.detection.tests.recipe_regions',
    'SourceDeblender': 'compact_removal.deblending.tests.recipe_deblender',
    'TrackingErrorClassifier':
        'compact_removal.contaminants.tests.recipe_tracking',
}


# What some need that is not always installed: they are tested where it is.
NEEDED = {'RegionDetector': 'torchvision'}


@dataclass(frozen=True)
class Recipe:
    """
    A tiny example of an estimator.

    Attributes
    ----------
    params : dict
        Parameters with which it trains within a second, ``seed`` among
        them.
    data : callable
        ``data()`` makes the arguments of ``fit``, as a dict, the same in
        every call.
    snapshot : callable
        ``snapshot(data)`` copies what must not change in them: a dict of
        arrays.
    uses : dict of callable
        By the name of each public method that needs a fit:
        ``use(estimator, data, folder)`` calls it, and returns its results
        as a dict of arrays.
    main : str
        The method whose results decide whether two estimators are the
        same.
    later : dict
        Parameters that change these results without another fit.
    bad : dict
        Values of parameters that no method accepts.
    unsaved : dict
        Values of parameters that work, but that no file can hold.
    """

    params: dict
    data: object
    snapshot: object
    uses: dict
    main: str
    later: dict
    bad: dict
    unsaved: dict


def get_recipe(name):
    """
    The recipe of an estimator.

    Parameters
    ----------
    name : str
        Name of the class.

    Returns
    -------
    recipe : Recipe
        The recipe.

    Raises
    ------
    KeyError
        If there is none.
    """
    return import_module(RECIPES[name]).RECIPE


def can_run(name):
    """
    Whether all that an estimator needs is installed.

    Parameters
    ----------
    name : str
        Name of the class.

    Returns
    -------
    can_run : bool
        Whether it can be tested.
    """
    return name not in NEEDED or find_spec(NEEDED[name]) is not None
