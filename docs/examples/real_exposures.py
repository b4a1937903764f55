# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Masks of real exposures
=======================

Masks a raw CCD frame and exposures with satellite trails, and draws the
pictures of the page on contaminants. It needs a folder with these frames::

    python docs/examples/real_exposures.py DIR docs/_static
"""

# sphinx_gallery_thumbnail_path = '_static/real_trail.png'

import argparse
from pathlib import Path

import matplotlib as mpl

from compact_removal import ContaminantMasker
from compact_removal.contaminants import CLASSES
from compact_removal.plotting import plot_classes

mpl.use('agg')

FRAMES = {'a8280271.fits': 'real_frame', 'long.fits': 'real_long',
          'aligned_eso085-030-004.fit': 'real_trail'}


def main():
    """
    Mask the frames, and draw them.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('data', type=Path)
    parser.add_argument('output', type=Path)
    args = parser.parse_args()
    shown = [one for one in CLASSES if one.bit]
    masker = ContaminantMasker()
    for name, target in FRAMES.items():
        image = masker.read_image(args.data / name)
        masked = masker.mask(image)
        axes = plot_classes(image, [masked.flags & one.bit > 0
                                    for one in shown],
                            [one.name for one in shown],
                            [one.color for one in shown])
        figure = axes[0].figure
        figure.set_size_inches(11, 5)
        figure.savefig(args.output / f'{target}.png', dpi=80,
                       bbox_inches='tight')
        print(name, {one.name: int((masked.flags & one.bit > 0).sum())
                     for one in shown if (masked.flags & one.bit > 0).any()},
              f'masked {masked.mask.mean():.2%}')


if __name__ == '__main__':
    main()
