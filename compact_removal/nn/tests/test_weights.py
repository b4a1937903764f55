# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the weights module.
"""

import json
import pickle

import pytest
import torch
from astropy.table import Table
from safetensors import safe_open
from safetensors.torch import save_file

from compact_removal.nn import WeightsRegistry, weights
from compact_removal.removal import build_model, find_model_class

METADATA = {'mode': 'scanmap', 'bands': ['blue', 'green'], 'n_steps': 7,
            'validation': {'loss': 0.5}}


@pytest.fixture(scope='module')
def model():
    model = build_model('paper', width=1, seed=3)
    # Statistics of normalisation that half precision cannot hold.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(1e-9)
    return model


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / 'weights.safetensors'
    weights.save_weights(model, path, METADATA)
    return path


def load(path, **kwargs):
    return weights.load_weights(path, find_model_class, **kwargs)


def rewrite(path, *, tensors=None, **changes):
    """
    Change the header or the tensors of a file.
    """
    with safe_open(path, framework='pt') as file:
        header = json.loads(file.metadata()['compact_removal']) | changes
        del header['content_sha256']
        old = {key: file.get_tensor(key) for key in file.keys()}
    save_file(old if tensors is None else tensors(old), path,
              metadata={'compact_removal': json.dumps(header)})


def test_round_trip(model, path):
    loaded, metadata = load(path)
    assert metadata == METADATA | {
        'network': 'paper', 'config': {'width': 1},
        'sha256': weights.compute_sha256(path)}
    assert not loaded.training
    assert (loaded.name, loaded.config) == ('paper', {'width': 1})
    for key, tensor in model.state_dict().items():
        found = loaded.state_dict()[key]
        assert found.dtype == tensor.dtype
        torch.testing.assert_close(found, tensor, rtol=1e-3, atol=1e-6)
        if 'running' in key:
            assert torch.equal(found, tensor)


def test_precision_on_disk(path):
    with safe_open(path, framework='pt') as file:
        for key in file.keys():
            tensor = file.get_tensor(key)
            if tensor.ndim > 1:
                assert tensor.dtype == torch.float16
            elif tensor.is_floating_point():
                assert tensor.dtype == torch.float32


def test_save_twice_is_identical(model, path, tmp_path):
    other = tmp_path / 'other.safetensors'
    weights.save_weights(model, other, METADATA)
    hashes = {weights.compute_sha256(one) for one in (path, other)}
    assert len(hashes) == 1
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        'other.safetensors', 'weights.safetensors']


class _Trap:
    """
    Creates a file when it is unpickled.
    """

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, 'w'))


def test_pickle_in_disguise(tmp_path):
    trap = tmp_path / 'sprung'
    first = tmp_path / 'first.safetensors'
    first.write_bytes(pickle.dumps(_Trap(trap)))
    second = tmp_path / 'second.safetensors'
    torch.save({'a': _Trap(trap)}, second)
    for path in (first, second):
        with pytest.raises(ValueError, match='^weights .* not a safetens'):
            load(path)
    assert not trap.exists()


@pytest.mark.parametrize('n_bytes', [0, 5, 100, -1])
def test_truncated(path, n_bytes):
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match='^weights in .*not a safetensors'):
        load(path)


def test_wrong_header(path):
    content = path.read_bytes()
    for changes, message in (
            ({'format': 'something'}, 'no header of compact_removal'),
            ({'format': 3}, 'format 3, of a later version'),
            ({'network': 'unknown'}, "'unknown'"),
            ({'network': ['inpainting']}, 'no header of compact_removal'),
            ({'config': 'wide'}, 'no header of compact_removal'),
            ({'config': {'width': -1}}, 'width must be a positive'),
            ({'config': {'depth': 1}}, 'depth'),
            ({'metadata': 3}, 'no header of compact_removal'),
            ({'config': {'width': 2}}, 'must have shape')):
        path.write_bytes(content)
        rewrite(path, **changes)
        with pytest.raises(ValueError, match='^weights') as error:
            load(path)
        assert message in str(error.value)


def test_no_header(path):
    for header in ({}, {'compact_removal': '{'}, {'compact_removal': '3'}):
        save_file({'a': torch.zeros(1)}, path, metadata=header)
        with pytest.raises(ValueError, match='^weights .*no header'):
            load(path)


@pytest.mark.parametrize('width', [100_000, 10**30])
def test_huge_width_is_refused_before_it_is_built(path, width):
    rewrite(path, config={'width': width})
    with pytest.raises(ValueError, match='^weights'):
        load(path)


def test_wrong_tensors(path):
    content = path.read_bytes()
    key = 'network.down.0.conv.weight'

    def remove(old):
        return {name: one for name, one in old.items() if name != key}

    for tensors, message in (
            (remove, 'missing or not expected'),
            (lambda old: old | {'extra': torch.zeros(1)}, 'not expected'),
            (lambda old: old | {key: torch.zeros(2)}, 'must have shape'),
            (lambda old: old | {key: old[key] * torch.nan}, 'not finite')):
        path.write_bytes(content)
        rewrite(path, tensors=tensors)
        with pytest.raises(ValueError, match='^weights') as error:
            load(path)
        assert message in str(error.value)


def test_too_large_for_half_precision(tmp_path):
    model = build_model('paper', width=1, seed=3)
    torch.nn.init.constant_(model.network.down[0].conv.weight, 1e6)
    path = tmp_path / 'weights.safetensors'
    with pytest.raises(ValueError, match='^weights.*not finite'):
        weights.save_weights(model, path)
    assert not path.exists()


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='^weights must be a file'):
        load(tmp_path / 'none.safetensors')


def test_no_metadata(model, tmp_path):
    path = tmp_path / 'weights.safetensors'
    weights.save_weights(model, path)
    assert set(load(path)[1]) == {'network', 'config', 'sha256'}


def test_first_format(path):
    # the width was the only number of a network
    with safe_open(path, framework='pt') as file:
        header = json.loads(file.metadata()['compact_removal'])
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    del header['content_sha256'], header['config']
    header |= {'format': 'compact_removal weights 1', 'width': 1}
    save_file(tensors, path,
              metadata={'compact_removal': json.dumps(header)})
    model, metadata = load(path)
    assert model.config == metadata['config'] == {'width': 1}
    header['width'] = '1'
    save_file(tensors, path,
              metadata={'compact_removal': json.dumps(header)})
    with pytest.raises(ValueError, match='^weights .*no header'):
        load(path)


def test_wrong_hash(path):
    sha256 = weights.compute_sha256(path)
    assert load(path, sha256=sha256)
    with pytest.raises(ValueError, match='^weights .*damaged'):
        load(path, sha256=sha256[::-1])


def test_rounding_and_hash(model, path):
    rounded = build_model('paper', width=1, seed=3)
    rounded.load_state_dict(model.state_dict())
    weights.round_weights(rounded)
    loaded, _ = load(path)
    for key, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, rounded.state_dict()[key])
    assert weights.hash_weights(loaded) == weights.hash_weights(rounded)
    with torch.no_grad():
        next(rounded.parameters()).mul_(1.5)
    assert weights.hash_weights(loaded) != weights.hash_weights(rounded)


@pytest.mark.parametrize('folder', ['~', '~/sub'])
def test_home_of_the_user(model, folder, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'sub').mkdir()
    weights.save_weights(model, f'{folder}/a.safetensors')
    assert load(f'{folder}/a.safetensors')[1]['network'] == 'paper'


@pytest.fixture
def registry(path, tmp_path, monkeypatch):
    table = Table({'name': ['first', 'second'],
                   'file': ['weights.safetensors'] * 2,
                   'network': ['inpainting'] * 2,
                   'mode': ['any', 'scanmap']})
    folder = tmp_path / 'a_task' / 'weights'
    folder.mkdir(parents=True)
    (tmp_path / 'a_task' / '__init__.py').touch()
    path.rename(folder / path.name)
    table.write(folder / 'weights.ecsv')
    monkeypatch.syspath_prepend(tmp_path)
    return WeightsRegistry('a_task')


def test_registry(registry):
    assert [row['name'] for row in registry.list()] == ['first', 'second']
    assert registry.find('inpainting', 'scanmap') == 'second'
    assert registry.find('inpainting', 'parallel') == 'first'
    assert registry.get('second')['mode'] == 'scanmap'
    assert registry.get('third') is None
    with pytest.raises(ValueError, match='^weights for network'):
        registry.find('unknown', 'scanmap')
    with pytest.raises(ValueError, match='^weights must be one of first, sec'):
        registry.path('third')
    assert load(registry.path('first'))[1]['n_steps'] == 7
    registry.list()[0]['name'] = 'changed'
    assert registry.list()[0]['name'] == 'first'


def test_task_without_weights():
    assert WeightsRegistry('compact_removal.tests').list() == []
