# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests for the weights module.
"""

import json
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from compact_removal.nn import weights
from compact_removal.nn.models import make_model

METADATA = {'mode': 'scanmap', 'bands': ['blue', 'green'], 'n_steps': 7,
            'validation': {'loss': 0.5}}


@pytest.fixture(scope='module')
def model():
    model = make_model('inpainting', width=1, seed=3)
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
    loaded, metadata = weights.load_weights(path)
    assert metadata == METADATA | {
        'network': 'inpainting', 'width': 1,
        'sha256': weights.compute_sha256(path)}
    assert not loaded.training
    assert (loaded.network_name, loaded.width) == ('inpainting', 1)
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
            weights.load_weights(path)
    assert not trap.exists()


@pytest.mark.parametrize('n_bytes', [0, 5, 100, -1])
def test_truncated(path, n_bytes):
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match='^weights in .*not a safetensors'):
        weights.load_weights(path)


def test_wrong_header(path):
    content = path.read_bytes()
    for changes, message in (
            ({'format': 'something'}, 'no header of the format'),
            ({'network': 'unknown'}, "'unknown'"),
            ({'network': ['inpainting']}, 'no header of the format'),
            ({'width': 'wide'}, 'no header of the format'),
            ({'width': -1}, 'width must be a positive'),
            ({'metadata': 3}, 'no header of the format'),
            ({'width': 2}, 'must have shape')):
        path.write_bytes(content)
        rewrite(path, **changes)
        with pytest.raises(ValueError, match='^weights') as error:
            weights.load_weights(path)
        assert message in str(error.value)


def test_no_header(path):
    for header in ({}, {'compact_removal': '{'}, {'compact_removal': '3'}):
        save_file({'a': torch.zeros(1)}, path, metadata=header)
        with pytest.raises(ValueError, match='^weights .*no header'):
            weights.load_weights(path)


@pytest.mark.parametrize('width', [100_000, 10**30])
def test_huge_width_is_refused_before_it_is_built(path, width):
    rewrite(path, width=width)
    with pytest.raises(ValueError, match='^weights'):
        weights.load_weights(path)


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
            weights.load_weights(path)
        assert message in str(error.value)


def test_too_large_for_half_precision(tmp_path):
    model = make_model('inpainting', width=1, seed=3)
    torch.nn.init.constant_(model.network.down[0].conv.weight, 1e6)
    path = tmp_path / 'weights.safetensors'
    with pytest.raises(ValueError, match='^weights.*not finite'):
        weights.save_weights(model, path)
    assert not path.exists()


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match='^weights must be a file'):
        weights.load_weights(tmp_path / 'none.safetensors')


def test_no_metadata(model, tmp_path):
    path = tmp_path / 'weights.safetensors'
    weights.save_weights(model, path)
    assert set(weights.load_weights(path)[1]) == {'network', 'width',
                                                  'sha256'}


def test_shipped_weights():
    for row in weights.list_weights():
        path = weights.weights_path(row['name'])
        assert weights.compute_sha256(path) == row['sha256']
        model, metadata = weights.load_weights(row['name'])
        n_parameters = sum(one.numel() for one in model.parameters())
        assert n_parameters == row['n_parameters']
        assert metadata['network'] == row['network']
        assert metadata['width'] == row['width']
        assert weights.find_weights(row['network'], row['mode'])


@pytest.fixture
def registry(monkeypatch, path, tmp_path):
    rows = tuple({'name': name, 'file': str(path), 'network': 'inpainting',
                  'mode': mode, 'sha256': weights.compute_sha256(path)}
                 for name, mode in (('first', 'any'), ('second', 'scanmap')))
    monkeypatch.setattr(weights, '_read_registry', lambda: rows)
    return rows


def test_registry(registry, path):
    assert [row['name'] for row in weights.list_weights()] == ['first',
                                                               'second']
    assert weights.find_weights('inpainting', 'scanmap') == 'second'
    assert weights.find_weights('inpainting', 'parallel') == 'first'
    with pytest.raises(ValueError, match='^weights for network'):
        weights.find_weights('unknown', 'scanmap')
    assert weights.weights_path('first') == path
    with pytest.raises(ValueError, match=r"^name must be one of \['first'"):
        weights.weights_path('third')
    assert weights.load_weights('first')[1]['n_steps'] == 7


def test_damaged_shipped_weights(registry, path):
    rewrite(path, metadata={'n_steps': 8})
    with pytest.raises(ValueError, match='^weights .*damaged'):
        weights.load_weights('first')
    # The same file, given by its path, is nobody's promise.
    assert weights.load_weights(path)[1]['n_steps'] == 8


def test_list_is_a_copy(registry):
    weights.list_weights()[0]['name'] = 'changed'
    assert weights.list_weights()[0]['name'] == 'first'
