# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests that files that are no good weights are refused, and not executed.
"""

import json
import pickle
import shutil
import struct

import numpy as np
import pytest
import torch
from astropy.nddata import CCDData
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from compact_removal import CompactSourceRemover, nn
from compact_removal.nn import weights as module
from compact_removal.removal import WEIGHTS, build_model, find_model_class
from compact_removal.tests.any_input import make_data, make_wcs, sky
from compact_removal.utils.parameters import ParameterError


def test_weights_that_overflow(tmp_path):
    # each of them is finite, but what the network computes is not
    model = build_model('inpainting', width=1, seed=1)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.fill_(6e4)
    nn.save_weights(model, tmp_path / 'large.safetensors')
    remover = CompactSourceRemover('scanmap', 'blue', network='inpainting',
                                   weights=tmp_path / 'large.safetensors')
    shape = 60, 60
    image = CCDData(make_data(shape, [30], [30], [1.0]), unit='Jy/pix',
                    wcs=make_wcs(shape))
    with pytest.raises(ValueError, match='^weights: .* are not finite'):
        remover.remove(image, sky(image.wcs, [30], [30]))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    model = build_model('separation', width=1, seed=1)
    nn.save_weights(model, folder / 'good.safetensors')
    CompactSourceRemover(
        'scanmap', 'blue', weights=folder / 'good.safetensors',
        cutout_size=32).save(folder / 'estimator.safetensors')
    return folder


@pytest.fixture(scope='module')
def good(folder):
    return (folder / 'good.safetensors').read_bytes()


def header_size(content):
    return 8 + struct.unpack('<Q', content[:8])[0]


def pack(header, body):
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + body


def with_description(content, change):
    """
    A file of which the description is changed, and not signed anew.
    """
    end = header_size(content)
    header = json.loads(content[8:end])
    own = json.loads(header['__metadata__']['compact_removal'])
    del own['content_sha256']
    own = change(own)
    header['__metadata__']['compact_removal'] = (
        own if isinstance(own, str) else json.dumps(own))
    return pack(header, content[end:])


def load_weights(path):
    return nn.load_weights(path, find_model_class)


def refused(path, content, names=('weights ', 'path')):
    """
    Check that a file is refused both ways, and return the messages.
    """
    path.write_bytes(content)
    messages = []
    for load_it in (lambda: load_weights(path),
                    lambda: CompactSourceRemover.load(path)):
        with pytest.raises(ValueError, match='^(weights|path)') as error:
            load_it()
        # not that of a class of ours or of another library
        assert type(error.value) is ParameterError
        assert str(error.value).startswith(names)
        assert '\n' not in str(error.value)
        messages.append(str(error.value))
    return messages


def test_the_files_are_good(folder, good):
    load_weights(folder / 'good.safetensors')
    CompactSourceRemover.load(folder / 'estimator.safetensors')
    path = folder / 'changed.safetensors'
    path.write_bytes(with_description(good, lambda own: own))
    load_weights(path)


@given(part=st.floats(0, 1, exclude_max=True))
def test_truncated(folder, good, part):
    refused(folder / 'bad.safetensors', good[:int(part * len(good))])


@given(content=st.binary(max_size=200))
def test_any_bytes(folder, content):
    refused(folder / 'bad.safetensors', content)
    refused(folder / 'bad.safetensors',
            struct.pack('<Q', len(content)) + content)


@pytest.mark.slow
@settings(max_examples=80)
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255),
       part=st.sampled_from(['header', 'body']))
def test_flipped_bits(folder, good, place, bits, part):
    end = header_size(good)
    low, high = (0, end) if part == 'header' else (end, len(good))
    content = bytearray(good)
    content[low + int(place * (high - low))] ^= bits
    path = folder / 'bad.safetensors'
    path.write_bytes(content)
    message = None
    try:
        model, info = load_weights(path)
    except ValueError as error:
        message = str(error)
    else:
        # of a space between two words of the header, say
        assert part == 'header'
        expected, known = load_weights(folder / 'good.safetensors')
        for key, tensor in expected.state_dict().items():
            assert torch.equal(tensor, model.state_dict()[key])
        assert {**known, 'sha256': ''} == {**info, 'sha256': ''}
    assert message is None or message.startswith('weights in ')
    assert message is None or '\n' not in message


@pytest.mark.parametrize('length', [0, 1, 2 ** 40, 2 ** 63, 2 ** 64 - 1,
                                    100_000_001])
def test_length_of_the_header(folder, good, length):
    refused(folder / 'bad.safetensors',
            struct.pack('<Q', length) + good[8:])


def test_huge_tensors_that_are_not_there(folder):
    header = {'a': {'dtype': 'F32', 'shape': [2 ** 40],
                    'data_offsets': [0, 2 ** 42]}}
    refused(folder / 'bad.safetensors', pack(header, b'1234'))


@pytest.mark.parametrize('change', [
    lambda own: '', lambda own: '{', lambda own: 'null', lambda own: '[]',
    lambda own: '3', lambda own: 'NaN', lambda own: '[' * 100_000,
    lambda own: '{"a":' * 50_000, lambda own: '9' * 5000,
    lambda own: {}, lambda own: {**own, 'format': 'another'},
    lambda own: {**own, 'metadata': None},
    lambda own: {**own, 'metadata': [1]},
    lambda own: {key: own[key] for key in own if key != 'config'},
    *(lambda own, value=value: {**own, 'config': value}
      for value in ([], None, 1, {'depth': 1}, {'width': None},
                    {'width': True}, {'width': 1.0}, {'width': 0},
                    {'width': -1}, {'width': 2}, {'width': 10 ** 9},
                    {'width': 10 ** 30})),
    lambda own: {**own, 'network': 'another'},
    lambda own: {**own, 'network': None},
    lambda own: {**own, 'network': 'inpainting'},
    lambda own: {**own, 'content_sha256': 'f' * 64},
    lambda own: {**own, 'content_sha256': 5},
])
def test_bad_description(folder, good, change):
    refused(folder / 'bad.safetensors', with_description(good, change),
            'weights in ')


def test_changed_description(folder, good):
    # a number that loads as well as the right one
    other = good.replace(rb'\"metadata\": {}', rb'\"metadata\":{ }')
    assert len(other) == len(good)
    assert other != good
    path = folder / 'bad.safetensors'
    path.write_bytes(other)
    load_weights(path)
    model = build_model('separation', width=1, seed=1)
    nn.save_weights(model, path, {
        'error': 0.5, 'numbers': {3: (1, 2), 20: None}})
    content = path.read_bytes()
    assert load_weights(path)[1]['error'] == 0.5
    for message in refused(path, content.replace(b'0.5', b'0.7')):
        assert 'are damaged' in message


@pytest.mark.parametrize(('change', 'match'), [
    (lambda one: one * torch.nan, 'not finite'),
    (lambda one: one * torch.inf, 'not finite'),
    (lambda one: one.double() * 0 + 1e300, 'not finite'),
    (lambda one: one.int(), 'numbers like'),
    (lambda one: one.bool(), 'numbers like'),
    (lambda one: one.to(torch.complex64), 'numbers like'),
    (lambda one: one.unsqueeze(0).contiguous(), 'shape'),
    (lambda one: one.float() + 1, 'damaged'),
])
def test_bad_tensors(folder, good, change, match):
    tensors = load(good)
    metadata = json.loads(good[8:header_size(good)])['__metadata__']
    key = sorted(tensors)[3]
    tensors[key] = change(tensors[key])
    for message in refused(folder / 'bad.safetensors',
                           save(tensors, metadata=metadata), 'weights in '):
        assert match in message


class _Trap:
    """
    Makes a file when it is unpickled.
    """

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, 'w'))


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_are_not_executed(folder, good, tmp_path, protocol):
    trap = tmp_path / 'sprung'
    content = pickle.dumps({'a': _Trap(trap)}, protocol=protocol)
    torch.save({'a': _Trap(trap)}, tmp_path / 'torch')
    for disguise in (content, (tmp_path / 'torch').read_bytes(),
                     struct.pack('<Q', len(content)) + content,
                     good + content, content + good):
        refused(folder / 'bad.safetensors', disguise)
    assert not trap.exists()
    # the trap works
    pickle.loads(content)['a'].close()
    assert trap.exists()


def test_no_files(folder, tmp_path):
    for weights in (tmp_path, tmp_path / 'none', '', '.', 'x' * 5000,
                    'a\0b', '\ud800'):
        for load_it in (
                lambda weights=weights: CompactSourceRemover.load(weights),
                lambda weights=weights: load_weights(weights)):
            with pytest.raises(FileNotFoundError,
                               match='^weights must be a file or the name'):
                load_it()
    for weights in (5, None, b'separation', ['separation'], np.float64(3)):
        with pytest.raises(TypeError, match='^weights must be a file or'):
            load_weights(weights)
        with pytest.raises(TypeError, match='^weights must be a file or'):
            CompactSourceRemover.load(weights)


def test_file_that_cannot_be_read(folder, monkeypatch):
    def fail(path):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(module, 'compute_sha256', fail)
    with pytest.raises(OSError, match='^weights in .* cannot be read: Perm'):
        load_weights(folder / 'good.safetensors')


def test_shipped_weights_with_a_changed_byte(tmp_path, monkeypatch):
    name = 'separation'
    content = bytearray(WEIGHTS.path(name).read_bytes())
    content[-1000] ^= 1
    path = tmp_path / 'copy.safetensors'
    path.write_bytes(content)
    monkeypatch.setattr(WEIGHTS, 'path', lambda name: path)
    wcs = make_wcs((40, 40))
    remover = CompactSourceRemover('scanmap', 'blue')
    with pytest.raises(ValueError, match='^weights .* the file is damaged'):
        remover.remove(CCDData(make_data((40, 40)), unit='Jy/pix', wcs=wcs),
                       sky(wcs, [20], [20]))


def test_wrong_network(folder):
    wcs = make_wcs((40, 40))
    remover = CompactSourceRemover('scanmap', 'blue', network='inpainting',
                                   weights=folder / 'good.safetensors')
    with pytest.raises(ValueError, match="^weights .* are of network 'separ"):
        remover.remove(CCDData(make_data((40, 40)), unit='Jy/pix', wcs=wcs),
                       sky(wcs, [20], [20]))


def test_truncated_while_others_read(folder, tmp_path):
    # what fails leaves nothing open that would keep the file
    path = tmp_path / 'bad.safetensors'
    shutil.copy(folder / 'good.safetensors', path)
    content = path.read_bytes()
    refused(path, content[:-1])
    path.write_bytes(content)
    load_weights(path)


def _stored(change):
    """
    A change of the stored parameters of an estimator.
    """
    return lambda own: {**own, 'metadata': {
        **own['metadata'],
        'estimator': change(own['metadata']['estimator'])}}


@pytest.mark.parametrize('change', [
    lambda stored: 5, lambda stored: [], lambda stored: 'abc',
    lambda stored: {}, lambda stored: {**stored, 'params': 5},
    lambda stored: {**stored, 'class': 'Another'},
    lambda stored: {**stored, 'format': 99},
    *(lambda stored, change=change: {
        **stored, 'params': {**stored['params'], **change}}
      for change in ({'extra': 1}, {'apertures': 'wide'}, {'apertures': {}},
                     {'apertures': [[1], [2, 3]]},
                     {'network': 'inpainting'}, {'mode': 'slow'},
                     {'cutout_size': 'x'})),
    lambda stored: {**stored, 'params': {
        key: value for key, value in stored['params'].items()
        if key != 'mode'}}])
def test_bad_stored_parameters(folder, change):
    good = (folder / 'estimator.safetensors').read_bytes()
    path = folder / 'bad.safetensors'
    path.write_bytes(with_description(good, _stored(change)))
    with pytest.raises(ValueError, match='^path'):
        CompactSourceRemover.load(path)


@pytest.mark.parametrize('validation', [
    5, [], {'flux_error': 'x'}, {'flux_error': -1}, {'hole_error': [1, 2]},
    {'flux_error': {}}, {'flux_error': {'snr': [1.0], 'factor': []}},
    {'flux_error': {'snr': [2.0, 1.0], 'factor': [1.0, 1.0]}},
    {'flux_error': {'snr': ['a'], 'factor': [1]}}])
def test_bad_calibration(folder, good, validation):
    path = folder / 'bad.safetensors'
    path.write_bytes(with_description(good, lambda own: {
        **own, 'metadata': {'validation': validation}}))
    wcs = make_wcs((40, 40))
    remover = CompactSourceRemover('scanmap', 'blue', weights=path,
                                   cutout_size=32)
    with pytest.raises(ValueError, match='^weights'):
        remover.remove(CCDData(make_data((40, 40)), unit='Jy/pix', wcs=wcs),
                       sky(wcs, [20], [20]))


def test_parameters_of_other_versions(folder):
    good = (folder / 'estimator.safetensors').read_bytes()
    path = folder / 'other.safetensors'

    def write(change):
        path.write_bytes(with_description(good, _stored(
            lambda stored: {**stored, 'params': change(
                dict(stored['params']))})))

    # one that the file lacks has its default
    write(lambda params: {key: value for key, value in params.items()
                          if key != 'recenter'})
    assert CompactSourceRemover.load(path).recenter is False
    # one that this version lacks is named
    write(lambda params: {**params, 'n_rounds': 3})
    with pytest.raises(ValueError, match='^path: .* the parameter n_rounds, '
                       'which CompactSourceRemover of this version does not'):
        CompactSourceRemover.load(path)


def test_first_format_of_stored_parameters(folder):
    # they were not in a dict of their own
    good = (folder / 'estimator.safetensors').read_bytes()
    path = folder / 'first.safetensors'
    path.write_bytes(with_description(good, _stored(
        lambda stored: stored['params'])))
    found = CompactSourceRemover.load(path)
    assert found.get_params()['cutout_size'] == 32
