# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Configuration of Sphinx.

The links to other packages need the network; they are made on Read the
Docs only, so that the documentation builds anywhere without warnings.
"""

import contextlib
import io
import os
import sys
import textwrap
import tomllib
from pathlib import Path

from sphinx_astropy.conf.v3 import *  # noqa: F403
from sphinx_gallery.sorting import ExplicitOrder

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / '_ext')]

from module_picture import draw_modules, list_modules
from provenance import list_provenance

from compact_removal import __version__

with (HERE.parent / 'pyproject.toml').open('rb') as file:
    metadata = tomllib.load(file)['project']

project = metadata['name']
author = metadata['authors'][0]['name']
copyright = f'2026, {author}'
release = __version__
version = release.split('+')[0]

extensions += ['sphinx_design', 'sphinx_gallery.gen_gallery']
# It wants the address of an issue tracker.
extensions.remove('sphinx_astropy.ext.changelog_links')

exclude_patterns += ['_build', 'examples', 'generated/**/*.py',
                     '**.ipynb_checkpoints']
if 'READTHEDOCS' in os.environ:
    intersphinx_mapping.update({
        'photutils': ('https://photutils.readthedocs.io/en/stable/', None),
        'regions': ('https://astropy-regions.readthedocs.io/en/stable/',
                    None),
        'torch': ('https://docs.pytorch.org/docs/stable/', None),
    })
else:
    intersphinx_mapping = {}

# Every name in single backticks must be found. Those of other packages are
# found by intersphinx only.
nitpicky = True
nitpick_ignore_regex = [
    ('py:.*', r'(astropy|distributed|matplotlib|numpy|pathlib|photutils|'
              r'torch)\..*'),
]

html_title = f'{project} {version}'
html_static_path = ['_static']
# Names of methods without their class, beside the page.
toc_object_entries_show_parents = 'hide'
html_theme_options = {
    # in place of the pages of astropy.org
    'navbar_links': [
        ['Getting started', 'getting_started'],
        ['User guide', 'user_guide/index'],
        ['Examples', 'generated/tutorials/index'],
        ['Science', 'science/index'],
        ['Reference', 'reference/index'],
        ['Development', 'development/index'],
    ],
    # nobody counts who reads these pages
    'goatcounter_analytics_url': False,
}
suppress_warnings = ['config.cache']
# Fields of dataclasses have no values worth showing.
autodoc_default_options = {'no-value': True}

sphinx_gallery_conf = {
    'examples_dirs': 'examples',
    'gallery_dirs': 'generated/tutorials',
    'backreferences_dir': 'generated/backreferences',
    'doc_module': ('compact_removal',),
    'filename_pattern': r'plot_',
    'abort_on_example_error': True,
    'remove_config_comments': True,
    'write_computation_times': False,
    'within_subsection_order': ExplicitOrder([
        'plot_quickstart.py', 'plot_find.py', 'plot_regions.py',
        'plot_masks.py', 'plot_real_map.py', 'plot_fluxes.py',
        'plot_contaminants.py', 'plot_deblending.py', 'plot_spectra.py',
        'plot_instrument.py', 'plot_training.py', '*', 'real_maps.py',
        'real_exposures.py', 'import_maximask.py', 'train_shipped_weights.py',
        'train_finder_weights.py', 'train_masker_weights.py',
        'train_tracking_weights.py', 'train_blend_weights.py']),
    'download_all_examples': False,
}


def list_flags(definitions):
    """
    Make the lines of a table of flags.
    """
    lines = ['.. list-table::', '   :header-rows: 1', '',
             '   * - Bit', '     - Name', '     - Meaning']
    for flag in definitions:
        lines += [f'   * - {flag.value}', f'     - ``{flag.name}``',
                  f'     - {flag.description}']
    return lines


def list_contaminants(classes):
    """
    Make the lines of the table of classes.
    """
    lines = ['.. list-table::', '   :header-rows: 1',
             '   :widths: 10 8 46 12 24', '', '   * - Class', '     - Bit',
             '     - What it is', '     - Unusable', '     - Usual share']
    for one in classes:
        lines += [f'   * - ``{one.name}``', f'     - {one.bit}',
                  f'     - {one.description}',
                  f'     - {"yes" if one.unusable else "no"}',
                  f'     - {one.prior:g}']
    return lines


def write_included_tables(folder):
    """
    Write the tables that pages include: they come from the package.
    """
    from compact_removal.contaminants import CLASSES, FILL_FLAGS
    from compact_removal.contaminants import WEIGHTS as MASKER_WEIGHTS
    from compact_removal.deblending import BLEND_FLAGS
    from compact_removal.deblending import WEIGHTS as BLEND_WEIGHTS
    from compact_removal.detection import DETECTION_FLAGS
    from compact_removal.detection import WEIGHTS as FINDER_WEIGHTS
    from compact_removal.removal import PIXEL_FLAGS, SOURCE_FLAGS, WEIGHTS

    weights = []
    for row in (*WEIGHTS.list(), *FINDER_WEIGHTS.list(),
                *MASKER_WEIGHTS.list(), *BLEND_WEIGHTS.list()):
        weights += [f'``{row["name"]}``']
        weights += [f'    - {key}: {value}' for key, value in row.items()
                    if key != 'name']
        weights += ['']
    folder.mkdir(exist_ok=True)
    for name, lines in (('flags', list_flags(SOURCE_FLAGS)),
                        ('pixel_flags', list_flags(PIXEL_FLAGS)),
                        ('detection_flags', list_flags(DETECTION_FLAGS)),
                        ('blend_flags', list_flags(BLEND_FLAGS)),
                        ('fill_flags', list_flags(FILL_FLAGS)),
                        ('contaminants', list_contaminants(CLASSES)),
                        ('weights', weights),
                        ('modules', list_modules()),
                        ('provenance', list_provenance())):
        text = '\n'.join(lines) + '\n'
        (folder / f'{name}.inc').write_text(text, encoding='utf-8')


def write_command_line(folder):
    """
    Write the ``--help`` of all commands.
    """
    from compact_removal.cli import COMMANDS, main

    os.environ['COLUMNS'] = '72'  # the width of a page
    lines = []
    for name in COMMANDS:
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            main([name, '--help'])
        lines += [f'compact-removal {name}', 79 * '=', '', '.. code-block::'
                  ' none', '', textwrap.indent(text.getvalue(), '    '), '']
    (folder / 'command_line.inc').write_text('\n'.join(lines),
                                             encoding='utf-8')


write_included_tables(HERE / 'generated')
draw_modules(HERE / 'generated' / 'modules.svg')
write_command_line(HERE / 'generated')


def drop_field_numbers(app, what, name, obj, options, lines):
    """
    Drop what Python says of the fields of named tuples.
    """
    del app, what, name, obj, options
    if ' '.join(lines).strip().startswith('Alias for field number'):
        lines[:] = ['']


def setup(app):
    """
    Connect what this file adds to Sphinx.
    """
    app.connect('autodoc-process-docstring', drop_field_numbers)
