# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The contract of estimators, tested on each of them.

An estimator is found when ``compact_removal`` exports it; it needs an
entry in ``RECIPES`` of ``recipes.py``: a module that makes a tiny one
and its data.
"""

import copy
import inspect
import json
import pickle
import struct

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

import compact_removal
from compact_removal.base import BaseEstimator, NotFittedError
from compact_removal.tests.recipes import RECIPES, can_run, get_recipe

# Methods that do not need a fit.
FREE = {'check_images', 'check_params', 'describe_task', 'find_model_class',
        'fit', 'get_params', 'list_weights', 'load', 'read_image',
        'set_params', 'train_network'}


def find_estimators():
    """
    All estimators that are exported, by name.
    """
    found = {name: getattr(compact_removal, name)
             for name in compact_removal.__all__}
    return {name: value for name, value in sorted(found.items())
            if isinstance(value, type) and issubclass(value, BaseEstimator)}


def find_testable():
    """
    Those that can run here, by name.
    """
    return {name: value for name, value in find_estimators().items()
            if can_run(name)}


@pytest.fixture(scope='module', params=find_testable().values(),
                ids=find_testable().keys())
def kind(request):
    return request.param


@pytest.fixture(scope='module')
def recipe(kind):
    if kind.__name__ not in RECIPES:
        pytest.fail(f'{kind.__name__} has no recipe in RECIPES')
    return get_recipe(kind.__name__)


@pytest.fixture
def new(kind, recipe):
    return kind(**recipe.params)


@pytest.fixture
def data(recipe):
    return recipe.data()


@pytest.fixture(scope='module')
def only_fitted(kind, recipe):
    return kind(**recipe.params).fit(**recipe.data())


@pytest.fixture
def fitted(only_fitted):
    """
    A copy that a test may change.
    """
    return copy.deepcopy(only_fitted)


@pytest.fixture
def use(recipe, data, tmp_path):
    """
    Return the function that gives the main results.
    """
    return lambda one: recipe.uses[recipe.main](one, data, tmp_path)


def parameters(kind):
    """
    Parameters of ``__init__`` by name.
    """
    found = dict(inspect.signature(kind).parameters)
    assert found
    return found


def learned(one):
    """
    Learned attributes by name.
    """
    return {name: value for name, value in vars(one).items()
            if name.endswith('_')}


def weights(one, folder):
    """
    What was learned, as bytes.
    """
    path = folder / 'learned.safetensors'
    one.save(path, overwrite=True)
    content = path.read_bytes()
    length, = struct.unpack('<Q', content[:8])
    return content[8 + length:]


def assert_same(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert_array_equal(value, second[name], err_msg=name)


def assert_same_params(first, second):
    assert type(first) is type(second)
    assert_same(first.get_params(), second.get_params())
    assert repr(first) == repr(second)


def own_clone(one):
    return type(one)(**one.get_params())


def sklearn_clone(one):
    return pytest.importorskip('sklearn.base').clone(one)


def test_every_estimator_has_a_recipe():
    found = find_estimators()
    assert 'CompactSourceRemover' in found
    missing = set(found) - set(RECIPES)
    assert not missing, f'no recipe in RECIPES for {", ".join(missing)}'
    assert not set(RECIPES) - set(found)


def test_a_new_estimator_is_found(monkeypatch):
    class Sibling(BaseEstimator):
        pass

    monkeypatch.setattr(compact_removal, 'Sibling', Sibling, raising=False)
    monkeypatch.setattr(compact_removal, '__all__',
                        [*compact_removal.__all__, 'Sibling'])
    assert find_estimators()['Sibling'] is Sibling
    with pytest.raises(AssertionError, match='no recipe .* for Sibling'):
        test_every_estimator_has_a_recipe()


def test_init_only_stores(kind):
    values = {name: object() for name in parameters(kind)}
    one = kind(**values)
    # and learns nothing
    assert vars(one).keys() == values.keys()
    assert all(getattr(one, name) is value for name, value in values.items())


def test_signatures(kind):
    for name, method in inspect.getmembers(kind, inspect.isroutine):
        if name == '__init__' or not name.startswith('_'):
            found = [one for one in
                     inspect.signature(method).parameters.values()
                     if one.name != 'self']
            assert all(one.kind is one.KEYWORD_ONLY for one in found[2:]), (
                name)
    assert all(one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL)
               for one in parameters(kind).values())


def test_every_method_is_used(kind, recipe):
    methods = {name for name, _ in inspect.getmembers(kind, inspect.isroutine)
               if not name.startswith('_')}
    assert methods - FREE == set(recipe.uses)


def test_get_params(kind):
    values = {name: object() for name in parameters(kind)}
    one = kind(**values)
    for found in (one.get_params(), one.get_params(deep=False)):
        assert list(found) == list(values)
        assert all(found[name] is value for name, value in values.items())
    # a new dict
    one.get_params().clear()
    assert one.get_params() == values


def test_set_params(kind, new):
    values = {name: object() for name in parameters(kind)}
    assert new.set_params(**values) is new
    assert new.get_params() == values
    assert new.set_params() is new
    assert vars(new).keys() == values.keys()


def test_unknown_parameters(kind, new):
    before = new.get_params()
    name = next(iter(before))
    for bad in ({name: 1, 'speed': 2}, {'speed': 2, name: 1}):
        with pytest.raises(ValueError, match='^speed is no parameter') as e:
            new.set_params(**bad)
        assert kind.__name__ in str(e.value)
        assert all(one in str(e.value) for one in before)
        assert_same(new.get_params(), before)


@pytest.mark.parametrize('clone', [own_clone, sklearn_clone])
def test_clone(clone, fitted, recipe, data, tmp_path):
    fitted.set_params(**recipe.later)
    before = learned(fitted)
    other = clone(fitted)
    assert_same_params(other, fitted)
    assert not learned(other)
    with pytest.raises(NotFittedError):
        recipe.uses[recipe.main](other, data, tmp_path)
    other.set_params(seed=4).fit(**data)
    assert weights(other, tmp_path) != weights(fitted, tmp_path)
    assert fitted.seed == recipe.params['seed']
    assert all(value is before[name]
               for name, value in learned(fitted).items())


@pytest.mark.parametrize('value', ['some text', 7, -1.5, None, True])
def test_repr(kind, value):
    every = parameters(kind)
    required = {name: f'a {name}' for name, one in every.items()
                if one.default is one.empty}
    namespace = {kind.__name__: kind}
    plain = kind(**required)
    shown = [repr(one) for one in required.values()]
    assert repr(plain) == f'{kind.__name__}({", ".join(shown)})'
    for name in every:
        one = kind(**{**required, name: value})
        again = eval(repr(one), namespace)
        assert again.get_params() == one.get_params()
        if name not in required:
            is_default = repr(value) == repr(every[name].default)
            end = [] if is_default else [f'{name}={value!r}']
            assert repr(one) == f'{kind.__name__}({", ".join(shown + end)})'


def test_repr_of_equal_values(kind, new):
    # not the same objects, as after reading a file
    defaults = {name: one.default for name, one in parameters(kind).items()
                if one.default is not one.empty}
    again = json.loads(json.dumps(defaults))
    shown = repr(new.set_params(**again))
    assert not any(f'{name}=' in shown for name in defaults)


def test_fit(new, data, recipe):
    params, arrays = new.get_params(), recipe.snapshot(data)
    assert new.fit(**data) is new
    assert new.n_epochs_ == 1
    assert isinstance(new.history_, dict)
    assert all(len(values) == new.n_epochs_
               and np.all(np.isfinite(values))
               for values in new.history_.values())
    after = new.get_params()
    assert all(after[name] is value for name, value in params.items())
    assert_same(recipe.snapshot(data), arrays)
    public = {name for name in vars(new) if not name.startswith('_')}
    assert public == params.keys() | learned(new).keys()


@pytest.mark.slow
def test_the_seed_decides(fitted, new, data, tmp_path):
    expected = weights(fitted, tmp_path)
    assert weights(new.fit(**data), tmp_path) == expected
    # and an earlier fit does not matter
    fitted.set_params(seed=4).fit(**data)
    assert weights(fitted, tmp_path) != expected
    fitted.set_params(seed=3).fit(**data)
    assert weights(fitted, tmp_path) == expected
    assert fitted.history_ == new.history_


def test_a_bad_fit_changes_nothing(fitted, recipe, data):
    before = learned(fitted)
    for name, value in recipe.bad.items():
        good = getattr(fitted, name)
        with pytest.raises((TypeError, ValueError)):
            fitted.set_params(**{name: value}).fit(**data)
        fitted.set_params(**{name: good})
    after = learned(fitted)
    assert after.keys() == before.keys()
    assert all(after[name] is value for name, value in before.items())


def test_unfitted(new, recipe, data, tmp_path):
    assert issubclass(NotFittedError, ValueError)
    assert issubclass(NotFittedError, AttributeError)
    for function in recipe.uses.values():
        with pytest.raises(NotFittedError, match=r'call fit\(\)'):
            function(new, data, tmp_path)
    assert not learned(new)
    assert not list(tmp_path.iterdir())


def test_validation_on_use(kind, fitted, recipe, data, tmp_path):
    for name, value in recipe.bad.items():
        bad = kind(**{**recipe.params, name: value})
        with pytest.raises((TypeError, ValueError), match=f'^{name} '):
            bad.fit(**data)
        assert not learned(bad)
        bad = copy.deepcopy(fitted).set_params(**{name: value})
        for function in recipe.uses.values():
            with pytest.raises((TypeError, ValueError), match=f'^{name} '):
                function(bad, data, tmp_path)
    assert not list(tmp_path.iterdir())


def test_use_changes_nothing(fitted, use, recipe, data, tmp_path):
    params, state = fitted.get_params(), weights(fitted, tmp_path)
    before, arrays = learned(fitted), recipe.snapshot(data)
    first = use(fitted)
    assert_same(use(fitted), first)
    assert_same(recipe.snapshot(data), arrays)
    after = fitted.get_params()
    assert all(after[name] is value for name, value in params.items())
    assert all(value is before[name]
               for name, value in learned(fitted).items())
    assert weights(fitted, tmp_path) == state


@pytest.mark.slow
def test_parameters_after_fit(fitted, new, use, recipe, data):
    # as if they had been given before
    before = use(fitted)
    found = use(fitted.set_params(**recipe.later))
    assert_same(found, use(new.set_params(**recipe.later).fit(**data)))
    if recipe.later:
        with pytest.raises(AssertionError):
            assert_same(found, before)


@pytest.mark.slow
def test_deepcopy(only_fitted, fitted, new, use, data, tmp_path):
    assert_same_params(fitted, only_fitted)
    expected = use(only_fitted)
    assert_same(use(fitted), expected)
    fitted.set_params(seed=4).fit(**data)
    assert_same(use(only_fitted), expected)
    assert not learned(copy.deepcopy(new))


def test_save_and_load(kind, fitted, use, recipe, tmp_path):
    path = tmp_path / 'one.safetensors'
    for changes in ({}, recipe.later):
        fitted.set_params(**changes).save(path, overwrite=True)
        expected = use(fitted)
        for name in (path, str(path)):
            again = kind.load(name)
            assert_same_params(again, fitted)
            assert_same(use(again), expected)
        # and once more
        again.save(tmp_path / 'two.safetensors', overwrite=True)
        again = kind.load(tmp_path / 'two.safetensors')
        assert_same_params(again, fitted)
        assert_same(use(again), expected)


def test_save_refuses_to_overwrite(fitted, tmp_path):
    path = tmp_path / 'one.safetensors'
    path.write_bytes(b'precious')
    with pytest.raises(OSError, match='^path: .* exists'):
        fitted.save(path)
    assert path.read_bytes() == b'precious'
    fitted.save(path, overwrite=True)
    assert path.read_bytes() != b'precious'
    assert list(tmp_path.iterdir()) == [path]


def test_saved_numbers_of_numpy(kind, fitted, use, recipe, tmp_path):
    numbers = {name: np.array(value)[()]
               for name, value in fitted.get_params().items()
               if isinstance(value, (bool, int))}
    assert numbers
    path = tmp_path / 'one.safetensors'
    fitted.set_params(**numbers).save(path)
    again = kind.load(path)
    assert_same(again.get_params(), fitted.get_params())
    assert_same(use(again), use(fitted))


def test_parameters_that_cannot_be_saved(fitted, use, recipe, tmp_path):
    expected = use(fitted)
    for name, value in recipe.unsaved.items():
        bad = copy.deepcopy(fitted).set_params(**{name: value})
        with pytest.raises(ValueError, match=f'^{name} must be'):
            bad.save(tmp_path / 'one.safetensors')
        # but it works
        assert_same(use(bad), expected)
    assert not list(tmp_path.iterdir())


def test_the_file_is_plain(kind, fitted, tmp_path):
    path = tmp_path / 'one.safetensors'
    fitted.save(path)
    content = path.read_bytes()
    length, = struct.unpack('<Q', content[:8])
    header = json.loads(content[8:8 + length])
    metadata = header.pop('__metadata__')
    assert all(isinstance(one, str) for one in metadata.values())
    # tensors fill the rest of the file, without gaps
    end = 0
    for one in sorted(header.values(), key=lambda x: x['data_offsets']):
        assert one['dtype'] in ('F16', 'F32', 'I64')
        assert one['data_offsets'][0] == end
        size = int(np.prod(one['shape'])) * int(one['dtype'][1:]) // 8
        end += size
        assert one['data_offsets'][1] == end
    assert end == len(content) - 8 - length
    with pytest.raises((pickle.UnpicklingError, EOFError, ValueError)):
        pickle.loads(content)


def test_nothing_is_pickled(kind, fitted, use, monkeypatch, tmp_path):
    expected = use(fitted)
    path = tmp_path / 'one.safetensors'

    def refuse(*args, **kwargs):
        msg = 'pickle was used'
        raise RuntimeError(msg)

    def no_import(name, *args, **kwargs):
        if name.split('.')[0] in ('pickle', '_pickle', 'cloudpickle', 'dill'):
            refuse()
        return plain_import(name, *args, **kwargs)

    # what is imported lazily is imported before
    fitted.save(path)
    kind.load(path)
    plain_import = __import__
    for name in ('load', 'loads', 'Unpickler', 'dump', 'dumps', 'Pickler'):
        monkeypatch.setattr(pickle, name, refuse)
    for name in ('load', 'save'):
        monkeypatch.setattr(torch, name, refuse)
    monkeypatch.setattr('builtins.__import__', no_import)
    with pytest.raises(RuntimeError, match='pickle was used'):
        import pickle as _  # noqa: F401
    fitted.save(path, overwrite=True)
    again = kind.load(path)
    monkeypatch.undo()
    assert_same(use(again), expected)


def test_load_refuses_other_files(kind, tmp_path):
    path = tmp_path / 'pickle.safetensors'
    path.write_bytes(pickle.dumps({'a': 1}))
    with pytest.raises(ValueError, match='weights'):
        kind.load(path)
    with pytest.raises(FileNotFoundError, match='none.safetensors'):
        kind.load(tmp_path / 'none.safetensors')
