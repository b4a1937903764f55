# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Import the weights of MaxiMask
==============================

This script reads the network that MaxiMask 1.4.1 (MIT licence) installs, and
writes it as a file for `~compact_removal.ContaminantMasker`::

    pip install MaxiMask==1.4.1 tensorflow
    python docs/examples/import_maximask.py maximask.safetensors

TensorFlow only reads its variables here; any version that opens the file does.
"""

# sphinx_gallery_thumbnail_path = '_static/psf_residuals.png'

import argparse
from importlib.util import find_spec
from pathlib import Path

from compact_removal.contaminants import import_maximask

# Keys of variables end like this.
SUFFIX = '/.ATTRIBUTES/VARIABLE_VALUE'


def find_network():
    """
    Find the variables of the network in the installed package.

    Returns
    -------
    prefix : str
        The beginning of the paths of the files.
    """
    spec = find_spec('maximask_and_maxitrack')
    if spec is None:
        msg = 'MaxiMask is not installed: pip install MaxiMask==1.4.1'
        raise SystemExit(msg)
    folder = Path(spec.submodule_search_locations[0])
    return str(folder / 'maximask' / 'model' / 'variables' / 'variables')


def read_variables(prefix):
    """
    Read the variables of layers by name.

    Parameters
    ----------
    prefix : str
        The beginning of the paths of the files.

    Returns
    -------
    variables : dict of `~numpy.ndarray`
        Arrays by names such as ``'conv1.kernel'``.
    """
    import tensorflow as tf

    reader = tf.train.load_checkpoint(prefix)
    return {key.removesuffix(SUFFIX).replace('/', '.'):
            reader.get_tensor(key)
            for key in reader.get_variable_to_shape_map()
            if key.endswith(SUFFIX)}


def main():
    """
    Read the network, and write the file.
    """
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[1])
    parser.add_argument('output', type=Path)
    args = parser.parse_args()
    import_maximask(read_variables(find_network()), args.output)
    print(args.output)


if __name__ == '__main__':
    main()
