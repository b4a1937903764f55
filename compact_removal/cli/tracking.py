# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
``compact-removal tracking``.
"""

from pathlib import Path

from compact_removal.cli.estimators import make_estimator
from compact_removal.cli.exposures import (add_exposures, find_exposures,
                                           process_exposures)
from compact_removal.cli.inputs import check_inputs, check_outputs
from compact_removal.cli.options import add_options
from compact_removal.cli.output import print_paths, print_table

__all__ = ['EPILOG', 'ESTIMATOR', 'HELP', 'SOME_FAIL', 'USAGE',
           'add_arguments', 'run']

HELP = 'Find exposures with tracking errors'

ESTIMATOR = 'TrackingErrorClassifier'

SOME_FAIL = True

# Arguments of an example, for messages of other verbs.
USAGE = 'exposure.fits'

EPILOG = """\
All images of a file are detectors of one exposure: its probability is their
mean. The table tracking.ecsv has one row per file.

example:
  compact-removal tracking night1/ --prior 0.02
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
    add_options(parser, estimator, skip=['seed'])
    parser.add_argument('--overwrite', action='store_true',
                        help='replace files that exist')


def run(args):
    """
    Classify the exposures.

    Parameters
    ----------
    args : `argparse.Namespace`
        The options.

    Returns
    -------
    status : int
        1 if some files failed.
    """
    from astropy.io import fits
    from astropy.table import Table

    from compact_removal.maps.products import write_products
    from compact_removal.utils.files import read_hdus

    paths = find_exposures(args.exposures)
    check_inputs({'exposure': paths}, args.weights)
    classifier = make_estimator(args)
    classifier.check_params()
    target = Path(args.output_dir) / 'tracking.ecsv'
    check_outputs({'tracking': target}, overwrite=args.overwrite)
    rows = []

    def process(path):
        probability = classifier.predict_proba(fits.HDUList(read_hdus(path)))
        rows.append({'exposure': str(path), 'probability': probability,
                     'tracking_error': probability > 0.5})

    status = process_exposures(paths, process)
    if rows:
        table = Table(rows)
        write_products({'tracking': table}, {'tracking': target},
                       overwrite=args.overwrite)
        table['probability'].info.format = '.3f'
        print_table(table)
        print()
        print_paths({'tracking': target})
    return status
