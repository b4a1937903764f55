# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the docstrings of all public names, each over all at once.

Public are the names that the package and its folders export. They need
an example; names that only modules export do without one, and those of
private modules are left out. What the hook of numpydoc checks (order of
sections, punctuation, types) is not repeated here: it reads syntax
trees, and sees neither what a folder exports nor the fields of
dataclasses.
"""

import ast
import dataclasses
import importlib
import importlib.util
import inspect
import pkgutil
import re
import textwrap

import compact_removal

# Options of doctest that keep an example from running.
SKIP = r'# doctest: \+(SKIP|REMOTE_DATA|REQUIRES)'

# Examples that need the network, a large file, torchvision, or more than a
# second.
SKIPPED = {'datasets.fetch_pacs_map', 'detection.evaluate_regions',
           'detection.find_region_class',
           'nn.features.VGG16Features'}


def _list_modules():
    """
    All modules by name, without tests and configuration.
    """
    found = pkgutil.walk_packages(compact_removal.__path__,
                                  'compact_removal.')
    names = ['compact_removal', *(module.name for module in found)]
    skipped = {'tests', 'conftest', 'version', '__main__'}
    if not importlib.util.find_spec('torchvision'):
        skipped.add('network_rcnn')
    return {name: importlib.import_module(name) for name in names
            if not skipped & set(name.split('.'))}


def _list_objects(modules):
    """
    Exported classes and functions, each once, by the shortest name.
    """
    found = {}
    public = [path for path in modules if '._' not in path]
    for path in sorted(public, key=lambda path: path.count('.')):
        for name in getattr(modules[path], '__all__', ()):
            item = getattr(modules[path], name, None)
            if inspect.isclass(item) or inspect.isroutine(item):
                path_of_item = f'{path}.{name}'.partition('.')[2]
                found.setdefault(id(item), (path_of_item, item))
    return dict(found.values())


def _list_methods(objects):
    """
    Public methods and properties of classes, where they are defined.
    """
    methods = {}
    for path, item in objects.items():
        for name, member in (vars(item) if inspect.isclass(item)
                             else {}).items():
            member = getattr(member, '__func__', member)
            if not name.startswith('_') and (isinstance(member, property)
                                             or inspect.isfunction(member)):
                methods[f'{path}.{name}'] = member
    return methods


def _is_public(name):
    """
    Whether the package or one of its folders exports an object.
    """
    *folder, _ = name.split('.')
    return '.'.join(['compact_removal', *folder]) in FOLDERS


def _get_sections(item):
    """
    Sections of a docstring, by title.
    """
    parts = re.split(r'^([A-Z][A-Za-z ]+)\n-{3,}\n',
                     (inspect.getdoc(item) or '') + '\n', flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _get_signature(item):
    """
    Names of the parameters of a signature, stars included.
    """
    stars = {inspect.Parameter.VAR_POSITIONAL: '*',
             inspect.Parameter.VAR_KEYWORD: '**'}
    return [stars.get(one.kind, '') + name for name, one
            in inspect.signature(item).parameters.items()
            if name not in ('self', 'cls')]


def _returns_value(function):
    """
    Whether a function has a statement that returns something.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    nodes = list(tree.body)
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            return True
        if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
            nodes += ast.iter_child_nodes(node)
    return False


def _takes_what_its_base_takes(item):
    """
    Whether a class does without an ``__init__`` of its own.
    """
    return (inspect.isclass(item) and '__init__' not in vars(item)
            and not dataclasses.is_dataclass(item)
            and not hasattr(item, '_fields'))


def _find_faults(item, *, needs_example):
    """
    What is wrong with a docstring, as a list of texts.
    """
    own = vars(item).get('__doc__') if inspect.isclass(item) else item.__doc__
    if not own:
        # methods may have that of the base class
        inherited = not inspect.isclass(item) and inspect.getdoc(item)
        return [] if inherited else ['no docstring']
    item = inspect.unwrap(item) if inspect.isfunction(item) else item
    sections, faults = _get_sections(item), []
    # the tables of the reference show it up to the first full stop
    summary = inspect.getdoc(item).split('\n\n')[0]
    if re.search(r'\.\s', summary) or not summary.endswith('.'):
        faults.append(f'summary is not one sentence: {summary}')
    if needs_example and '>>> ' not in sections.get('Examples', ''):
        faults.append('no example')
    if isinstance(item, property) or _takes_what_its_base_takes(item):
        return faults

    # of what functions return the fields are attributes
    title = 'Parameters'
    if title not in sections and (dataclasses.is_dataclass(item)
                                  or hasattr(item, '_fields')):
        title = 'Attributes'
    heads = re.findall(r'^(\S.*?)(?: :.*)?$', sections.get(title, ''),
                       flags=re.MULTILINE)
    documented = [name.strip() for head in heads for name in head.split(',')]
    expected = _get_signature(item)
    if dataclasses.is_dataclass(item) and documented != expected:
        # those of a base class may be documented there
        expected = list(vars(item).get('__annotations__', ()))
    if documented != expected:
        faults.append(f'{title} {documented}, in the signature {expected}')
    if (inspect.isfunction(item) and _returns_value(item)
            and not {'Returns', 'Yields'} & set(sections)):
        faults.append('no section Returns')
    return faults


def _find_all_faults(objects, *, needs_example):
    """
    Faults of the docstrings of many objects, each with its name.
    """
    return [f'{name}: {fault}' for name, item in objects.items()
            for fault in _find_faults(item, needs_example=needs_example)]


MODULES = _list_modules()
FOLDERS = {name for name, module in MODULES.items()
           if hasattr(module, '__path__')}
OBJECTS = _list_objects(MODULES)
PUBLIC = {name: item for name, item in OBJECTS.items() if _is_public(name)}
OTHERS = {name: item for name, item in OBJECTS.items() if name not in PUBLIC}
METHODS = _list_methods(OBJECTS)


def test_the_walk_finds_what_is_exported():
    assert {'compact_removal.psf', 'compact_removal.datasets',
            'compact_removal.batch.run'} <= set(MODULES)
    assert {'CompactSourceRemover', 'remove_many', 'instruments.Band',
            'nn.predict'} <= set(PUBLIC)
    assert 'utils.files.replace_file' in OTHERS
    assert {'CompactSourceRemover.remove', 'psf.StampPSF.fwhm'} <= set(METHODS)


def test_modules():
    faults = []
    for path, module in MODULES.items():
        names = list(getattr(module, '__all__', ()))
        if not module.__doc__:
            faults.append(f'{path} has no docstring')
        if not hasattr(module, '__all__') and '._' not in path:
            faults.append(f'{path} has no __all__')
        if len(set(names)) < len(names):
            faults.append(f'{path} lists a name twice')
        faults += [f'{path} has no {name}' for name in names
                   if not hasattr(module, name)]
    assert not faults, '\n'.join(faults)


def test_public_names():
    faults = _find_all_faults(PUBLIC, needs_example=True)
    assert not faults, '\n'.join(faults)


def test_names_of_modules():
    faults = _find_all_faults(OTHERS, needs_example=False)
    assert not faults, '\n'.join(faults)


def test_methods():
    faults = _find_all_faults(METHODS, needs_example=False)
    assert not faults, '\n'.join(faults)


def test_examples_run():
    skipped = {name for name, item in OBJECTS.items()
               if re.search(r'^>>> (?!import |from ).*' + SKIP,
                            _get_sections(item).get('Examples', ''),
                            flags=re.MULTILINE)}
    assert skipped == SKIPPED


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


def test_the_check_can_fail():
    def function(x, y, **options):
        return x + y

    for old, new, fault in [
            ('something.', 'something (Sect. 2).', 'one sentence'),
            ('>>> 1 + 1\n2\n', 'None.\n', 'no example'),
            ('x, y', 'x, z', 'Parameters'),
            ('x, y', 'y, x', 'Parameters'),
            ('**options\n    More.\n', '', 'Parameters'),
            ('Returns\n-------\ntotal : float\n    Their sum.\n\n', '',
             'no section Returns'),
            (GOOD, '', 'no docstring')]:
        function.__doc__ = GOOD.replace(old, new)
        found = _find_all_faults({'f': function}, needs_example=True)
        assert len(found) == 1
        assert fault in found[0]
    function.__doc__ = GOOD
    assert not _find_all_faults({'f': function}, needs_example=True)
