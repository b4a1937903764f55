# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal mask``.
"""


from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.exposures import (MASK_ENDINGS, add_exposures,
                                           find_exposures, process_exposures)
from compact_removal.cli.inputs import check_inputs, check_outputs
from compact_removal.cli.options import add_options
from compact_removal.cli.output import print_table, save_figure

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'SOME_FAIL', 'USAGE',
           'add_arguments', 'run']

HELP = 'Mask cosmic rays, defects and other contaminants of exposures'

ESTIMATOR = 'ContaminantMasker'

SOME_FAIL = True

# Arguments of an example, for messages of other verbs.
USAGE = 'exposure.fits'

EPILOG = """\
Exposures are single ones, not coadded. All images of a file are masked; the
file that is written (<name>_mask.fits) has the same structure, with flags
(bits of the classes) in place of each image, and behind it an HDU MASK that is
1 where a pixel must not be used. --layout maximask writes what MaxiMask does:
one plane of 0 and 1 per class, in <name>.mask.fits.

example:
  compact-removal mask exposure.fits --plot
  compact-removal mask night1/ --classes CR SAT --output-dir masks
"""


def add_arguments(parser, estimator):
    """
    Add the options.

    Parameters
    ----------
    parser : `~compact_removal.cli.parser.Parser`
        The parser.
    estimator : type
        The class of the estimator.
    """
    add_exposures(parser)
    parser.add_argument('--layout', choices=list(MASK_ENDINGS),
                        default='flags', help='flags and mask, one plane per '
                                              'class, or probabilities '
                                              '(default: %(default)s)')
    parser.add_argument('--unusable', metavar='CLASS', nargs='+',
                        default=['default'],
                        help='classes whose pixels must not be used (default: '
                             'all but NEB, BBG and BG)')
    parser.add_argument('--grow', metavar='PIXELS', type=float, default=0.0,
                        help='mask pixels as near as this, too (default: '
                             '%(default)s)')
    parser.add_argument('--plot', action='store_true',
                        help='write a picture of the first image, too (PNG)')
    add_options(parser, estimator, skip=['seed', 'batch_size'])
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Mask the exposures.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.

    Returns
    -------
    status : int
        1 if some files failed.
    """
    from compact_removal.contaminants.files import mask_file
    from compact_removal.maps.files import map_stem

    paths = find_exposures(args.exposures)
    check_inputs({'exposure': paths}, args.weights)
    masker = make_estimator(args)
    masker.check_params()
    ending = MASK_ENDINGS[args.layout]
    targets = {path: args.output_dir / f'{map_stem(path)}{ending}'
               for path in paths}
    pictures = {path: target.with_suffix('.png')
                for path, target in targets.items()} if args.plot else {}
    check_outputs({str(path): target for found in (targets, pictures)
                   for path, target in found.items()},
                  overwrite=args.overwrite)
    unusable = (args.unusable[0] if args.unusable[0] in ('default', 'all')
                else args.unusable)

    def process(path):
        report = mask_file(masker, path, targets[path], layout=args.layout,
                           unusable=unusable, grow=args.grow,
                           overwrite=args.overwrite,
                           history=masker.describe_task(path.name))
        if args.plot:
            _draw(masker, path, targets[path], args.layout, pictures[path])
        print(f'{path} -> {targets[path]}')
        shown = report[['hdu', 'shape', *(
            ['masked'] if args.layout != 'probabilities' else [])]]
        for name in masker.classes_:
            if report[name].max() > 0:
                shown[name] = report[name]
        for name in shown.colnames[2:]:
            shown[name] = [f'{value:.3%}' for value in shown[name]]
        print_table(shown)

    return process_exposures(paths, process)


def _draw(masker, path, written, layout, target):
    """
    A picture of the first image of a file, and of what was written for it.
    """
    import matplotlib as mpl
    import numpy as np

    from compact_removal.contaminants import CLASSES
    from compact_removal.contaminants.files import split_flags
    from compact_removal.maps.exposures import list_images, to_exposure
    from compact_removal.plotting import plot_classes
    from compact_removal.utils.files import read_hdus

    mpl.use('agg')
    hdus = read_hdus(path)
    # up to the first image both files have the same HDUs
    number = list_images(hdus)[0]
    found, table = read_hdus(written)[number].data, masker.list_classes()
    if layout == 'flags':
        planes = split_flags(found, dict(zip(table['name'], table['bit'],
                                             strict=True)))
    else:
        planes = found >= (1 if layout == 'maximask' else np.reshape(
            table['threshold'], (-1, 1, 1)))
    shown = {one.name: one.color for one in CLASSES if one.bit}
    planes = {name: plane for name, plane in zip(table['name'], planes,
                                                 strict=True)
              if name in shown}
    axes = plot_classes(to_exposure(hdus[number]), planes.values(), planes,
                        [shown[name] for name in planes])
    save_figure(axes[0].figure, target)
