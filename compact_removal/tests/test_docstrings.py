# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the docstrings of all public names.
"""

import ast
import dataclasses
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

import compact_removal

ROOT = Path(compact_removal.__file__).parent

SECTIONS = ('Parameters', 'Attributes', 'Returns', 'Yields', 'Raises',
            'Warns', 'See Also', 'Notes', 'References', 'Examples')

# Options of doctest that keep an example from running.
SKIP = r'# doctest: \+(SKIP|REMOTE_DATA|REQUIRES)'

# Examples that need the network, a large file, or more than a second.
SKIPPED = {'datasets.fetch_pacs_map', 'evaluation.write_report',
           'nn.features.VGG16Features'}


def _list_modules():
    """
    Names of all public modules.
    """
    found = pkgutil.walk_packages(compact_removal.__path__,
                                  'compact_removal.')
    names = [module.name for module in found]
    return ['compact_removal'] + [
        name for name in names
        if not any(part.startswith('_')
                   or part in ('tests', 'conftest', 'version')
                   for part in name.split('.'))]


def _list_objects():
    """
    Public classes and functions, each once, by the shortest name.
    """
    found = {}
    for module in MODULES:
        for name in getattr(importlib.import_module(module), '__all__', ()):
            item = getattr(importlib.import_module(module), name)
            path = f'{module}.{name}'.removeprefix('compact_removal.')
            if inspect.isclass(item) or inspect.isroutine(item):
                old = found.get(id(item), (path, item))
                found[id(item)] = min(old, (path, item),
                                      key=lambda pair: pair[0].count('.'))
    return dict(found.values())


def _list_methods(objects):
    """
    Public methods and properties of public classes, where defined.
    """
    methods = {}
    for path, item in objects.items():
        for name, member in (vars(item) if inspect.isclass(item)
                             else {}).items():
            if name.startswith('_'):
                continue
            if isinstance(member, (classmethod, staticmethod)):
                member = member.__func__
            if isinstance(member, property) or inspect.isfunction(member):
                methods[f'{path}.{name}'] = member
    return methods


def _sections(item):
    """
    Sections of a docstring, by title.
    """
    parts = re.split(r'^([A-Z][A-Za-z ]+)\n-{3,}\n',
                     (inspect.getdoc(item) or '') + '\n', flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _documented(section):
    """
    Names of the parameters in a section.
    """
    heads = re.findall(r'^(\S.*?)(?: :.*)?$', section, flags=re.MULTILINE)
    return [name.strip() for head in heads for name in head.split(',')]


def _signature(item):
    """
    Names of the parameters of a signature, stars included.
    """
    stars = {inspect.Parameter.VAR_POSITIONAL: '*',
             inspect.Parameter.VAR_KEYWORD: '**'}
    return [stars.get(parameter.kind, '') + name for name, parameter in
            inspect.signature(item).parameters.items()
            if name not in ('self', 'cls')]


def _returns_value(function):
    """
    Whether a function has a statement that returns something.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    nodes, found = list(tree.body), False
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            continue
        found |= isinstance(node, ast.Return) and node.value is not None
        nodes += ast.iter_child_nodes(node)
    return found


def _find_faults(item, *, needs_example):
    """
    What is wrong with a docstring, as a list of texts.
    """
    own = vars(item).get('__doc__') if inspect.isclass(item) else item.__doc__
    if not own:
        return ['no docstring']
    sections, faults = _sections(item), []
    # the tables of the reference show it up to the first full stop
    summary = inspect.getdoc(item).split('\n\n')[0]
    if re.search(r'\.\s', summary) or not summary.endswith('.'):
        faults.append(f'summary is not one sentence: {summary}')
    faults += [f'unknown section {title}' for title in sections
               if title not in SECTIONS]
    order = [title for title in SECTIONS if title in sections]
    if order != list(sections):
        faults.append(f'sections must be in the order {order}')
    if needs_example and '>>> ' not in sections.get('Examples', ''):
        faults.append('no example')
    if isinstance(item, property) or _takes_what_its_base_takes(item):
        return faults
    # of what functions return the fields are attributes
    title = 'Parameters'
    if title not in sections and (dataclasses.is_dataclass(item)
                                  or hasattr(item, '_fields')):
        title = 'Attributes'
    documented = _documented(sections.get(title, ''))
    if documented != _signature(item):
        faults.append(f'{title} {documented}, in the signature '
                      f'{_signature(item)}')
    if (inspect.isfunction(item) and _returns_value(item)
            and not {'Returns', 'Yields'} & set(sections)):
        faults.append('no section Returns')
    return faults


def _takes_what_its_base_takes(item):
    """
    Whether a class does without an ``__init__`` of its own.
    """
    return (inspect.isclass(item) and '__init__' not in vars(item)
            and not dataclasses.is_dataclass(item)
            and not hasattr(item, '_fields'))


def _unwrap(item):
    """
    The function behind a context manager, as it is written.
    """
    return inspect.unwrap(item) if inspect.isfunction(item) else item


MODULES = _list_modules()
OBJECTS = _list_objects()
METHODS = _list_methods(OBJECTS)


def test_the_walk_finds_what_is_public():
    assert {'compact_removal.psf', 'compact_removal.nn.losses',
            'compact_removal.datasets'} <= set(MODULES)
    assert {'CompactSourceRemover', 'remove_many', 'instruments.Band',
            'nn.predict', 'utils.files.replace_file'} <= set(OBJECTS)
    assert {'CompactSourceRemover.load', 'psf.StampPSF.fwhm'} <= set(METHODS)


@pytest.mark.parametrize('name', MODULES)
def test_module(name):
    module = importlib.import_module(name)
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__
            if not hasattr(module, name)] == []


@pytest.mark.parametrize('name', OBJECTS)
def test_object(name):
    assert _find_faults(_unwrap(OBJECTS[name]), needs_example=True) == []


@pytest.mark.parametrize('name', METHODS)
def test_method(name):
    assert _find_faults(METHODS[name], needs_example=False) == []


@pytest.mark.parametrize('name', OBJECTS)
def test_example_runs(name):
    example = _sections(OBJECTS[name]).get('Examples', '')
    starts = re.findall(r'^>>> (?!import |from ).*(?:\n\.\.\. .*)*', example,
                        flags=re.MULTILINE)
    skipped = [start for start in starts if re.search(SKIP, start)]
    assert bool(skipped) == (name in SKIPPED)


def test_skipped_examples_exist():
    assert set(OBJECTS) >= SKIPPED


GOOD = """
Do something.

Parameters
----------
x, y : float
    Positions (pixels).
**options
    More.

Returns
-------
total : float
    Their sum.

Examples
--------
>>> 1 + 1
2
"""


@pytest.mark.parametrize(('old', 'new', 'fault'), [
    ('', '', None),
    ('something.', 'something (Sect. 2).', 'one sentence'),
    ('>>> 1 + 1\n2\n', 'None.\n', 'no example'),
    ('x, y', 'x, z', 'Parameters'),
    ('x, y', 'y, x', 'Parameters'),
    ('**options\n    More.\n', '', 'Parameters'),
    ('Returns\n-------\ntotal : float\n    Their sum.\n\n', '',
     'no section Returns'),
    ('Returns\n-------', 'Return\n------', 'unknown section Return'),
    ('Examples\n--------', 'Attributes\n----------', 'order'),
    (GOOD, '', 'no docstring'),
])
def test_the_check_can_fail(old, new, fault):
    def function(x, y, **options):
        return x + y

    function.__doc__ = GOOD.replace(old, new) if old else GOOD
    faults = ' '.join(_find_faults(function, needs_example=True))
    assert (fault in faults) if fault else faults == ''


def test_numpydoc_validation():
    # not among the requirements of the tests
    hook = pytest.importorskip('numpydoc.hooks.validate_docstrings')
    if not (ROOT.parent / 'pyproject.toml').is_file():
        pytest.skip('an installed package, without its configuration')
    config = hook.parse_config(ROOT.parent)
    paths = [str(path) for path in sorted(ROOT.rglob('*.py'))]
    paths = [path for path in paths if not config['exclude_files'].match(path)]
    assert len(paths) > len(MODULES) / 2
    faults = [fault for path in paths
              for fault in hook.process_file(path, config)]
    assert faults == []
