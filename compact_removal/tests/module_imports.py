# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the modules of the package import, from their syntax trees.

The tests of the import rules and the picture in the documentation of
the architecture are made from it.
"""

import ast
from functools import cache
from pathlib import Path

import compact_removal

__all__ = ['ANNEXES', 'FLOORS', 'FRAMEWORKS', 'ROOT', 'TASKS', 'find_floor',
           'find_imports', 'find_parts', 'find_sources', 'may_import',
           'may_use_frameworks', 'parse_source', 'read_frameworks',
           'read_graph', 'read_module_graph']

ROOT = Path(compact_removal.__file__).parent

# Only nn, and the networks and losses of tasks, may import these.
FRAMEWORKS = {'torch', 'torchvision', 'kornia', 'safetensors'}

# Parts of the house from the ground up; parts of one floor do not import
# each other. Folders that are not listed are tasks.
TASKS = 'tasks'
FLOORS = (('utils',), ('instruments',), ('psf',), ('maps',),
          ('photometry', 'fitting'), ('datasets',), ('base',), (TASKS,),
          ('pipeline',), ('evaluation', 'batch'), ('cli',))

# Parts beside the floors: what they may import, and the lowest floor
# that may import them.
ANNEXES = {'nn': ({'utils'}, 'base'),
           'metrics': ({'utils', 'maps', 'photometry'}, TASKS),
           'plotting': ({'utils', 'metrics'}, TASKS)}


def find_floor(part):
    """
    The number of the floor of a part, from 0; that of tasks for others.
    """
    numbers = {name: i for i, floor in enumerate(FLOORS) for name in floor}
    return numbers.get(part, numbers[TASKS])


def may_import(part, other):
    """
    Whether a part of the package may import another.
    """
    if part == other:
        return True
    if part in ANNEXES:
        return other in ANNEXES[part][0]
    if other in ANNEXES:
        return find_floor(part) >= find_floor(ANNEXES[other][1])
    return find_floor(other) < find_floor(part)


def may_use_frameworks(path):
    """
    Whether a file may import a framework: in nn, networks and losses.
    """
    part, *rest = path.relative_to(ROOT).parts
    if part in ANNEXES:
        return part == 'nn'
    return (find_floor(part) == find_floor(TASKS) and len(rest) == 1
            and path.name.startswith(('network', 'loss')))


def find_sources():
    """
    The files of the library, without tests and configuration.
    """
    skipped = {'conftest.py', 'version.py'}
    return [path for path in sorted(ROOT.rglob('*.py'))
            if 'tests' not in path.relative_to(ROOT).parts
            and path.name not in skipped]


@cache
def parse_source(path):
    """
    Syntax tree, package (a list) and first-level part of a file.
    """
    tree = ast.parse(path.read_text(encoding='utf-8'))
    relative = path.relative_to(ROOT)
    package = ['compact_removal', *relative.parts[:-1]]
    part = relative.parts[0].removesuffix('.py')
    return tree, package, part


def find_imports(tree, package):
    """
    Dotted names of all modules that a tree imports, wherever it does.

    ``from package import name`` gives ``package.name`` too, as the name
    may be a module. ``package`` is that of the file, as a list.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parents = package[:len(package) - node.level + 1]
                base = '.'.join([*parents, base]).rstrip('.')
            yield base
            yield from (f'{base}.{alias.name}' for alias in node.names)


def find_parts(tree, package):
    """
    The first-level parts of compact_removal that a tree imports.
    """
    names = (name.split('.') for name in find_imports(tree, package))
    parts = {name[1] for name in names
             if name[0] == 'compact_removal' and len(name) > 1}
    # Names of the package itself count as the part they come from.
    lazy = {name: module.split('.')[1]
            for name, module in compact_removal._LAZY_NAMES.items()}
    lazy['__version__'] = 'version'
    return {lazy.get(part, part) for part in parts} - {'version'}


def read_graph():
    """
    The parts of the package, and what each imports of the others.

    Returns
    -------
    graph : dict of set of str
        Names of parts (modules and folders) by name of the part.
    """
    graph = {}
    for path in find_sources():
        tree, package, part = parse_source(path)
        if part != '__init__':
            graph.setdefault(part, set()).update(find_parts(tree, package))
    return {part: below - {part} for part, below in graph.items()}


def read_frameworks():
    """
    The frameworks that each file imports, if any, by the path of the file.
    """
    found = {}
    for path in find_sources():
        tree, package, _ = parse_source(path)
        names = {name.split('.')[0] for name in find_imports(tree, package)}
        if names & FRAMEWORKS:
            found[path] = names & FRAMEWORKS
    return found


def read_module_graph():
    """
    The modules of the package, and what each imports when it is loaded.

    Imports inside functions are left out: they cannot make a circle.

    Returns
    -------
    graph : dict of set of str
        Dotted names of modules by the name of the module.
    """
    trees = {}
    for path in find_sources():
        tree, package, _ = parse_source(path)
        names = [*package, path.stem]
        if path.name == '__init__.py':
            names = package
        trees['.'.join(names)] = tree, package
    graph = {}
    for name, (tree, package) in trees.items():
        top = ast.Module([node for node in tree.body if isinstance(
            node, (ast.Import, ast.ImportFrom, ast.Try, ast.If))], [])
        found = {one for one in find_imports(top, package) if one in trees}
        # a module is loaded when its folder already is
        parents = {name.rsplit('.', i)[0] for i in range(name.count('.') + 1)}
        graph[name] = found - parents
    return graph
