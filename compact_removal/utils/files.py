# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Files that must not be lost, and FITS files that may be damaged.
"""

import contextlib
import gzip
import hashlib
import io
import os
import secrets
import warnings
import zlib
from functools import partial
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.utils.fits_values import scale_values
from compact_removal.utils.parameters import ParameterError, name_parameter
from compact_removal.utils.text import one_line

__all__ = ['check_overwrite', 'compute_sha256', 'is_temporary', 'read_hdus',
           'replace_file', 'resolve_path']

_TEMPORARY = '.writing-'

# FITS files consist of blocks of so many bytes.
_BLOCK = 2880

# What a damaged FITS file may raise, before anything is made of it.
_DAMAGE = (OSError, EOFError, zlib.error, fits.VerifyError,
           AstropyUserWarning, ValueError, TypeError, LookupError,
           OverflowError)


def check_overwrite(path, *, overwrite):
    """
    Refuse to replace a file that exists.

    Parameters
    ----------
    path : str or path-like
        The file.
    overwrite : bool
        Whether it may be replaced.

    Returns
    -------
    path : `~pathlib.Path`
        The path.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.

    Examples
    --------
    >>> from compact_removal.utils.files import check_overwrite
    >>> check_overwrite('no such file.fits', overwrite=False).name
    'no such file.fits'
    """
    path = resolve_path(path)
    if path.exists() and not overwrite:
        msg = f'path: {path} exists; use overwrite=True to replace it'
        raise name_parameter(OSError(msg), 'path')
    return path


@contextlib.contextmanager
def replace_file(path):
    """
    Write a file that appears complete or not at all.

    Parameters
    ----------
    path : str or path-like
        The file; one that exists is replaced.

    Yields
    ------
    temporary : `~pathlib.Path`
        What to write to: another file in the same folder, with the same
        ending. It becomes ``path`` at the end of the block, and is
        deleted if the block fails.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from compact_removal.utils.files import replace_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'note.txt'
    ...     with replace_file(path) as temporary:
    ...         _ = temporary.write_text('done')
    ...         path.exists()
    ...     path.read_text()
    False
    'done'
    """
    path = Path(path)
    temporary = path.with_name(
        f'{_TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}-{path.name}')
    try:
        yield temporary
        with open(temporary, 'rb+') as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def compute_sha256(path):
    """
    Compute the SHA-256 hash of a file.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    hash : str
        64 hexadecimal digits.

    Examples
    --------
    >>> from compact_removal.utils import files
    >>> len(files.compute_sha256(files.__file__))
    64
    """
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def is_temporary(name, target=None):
    """
    Check whether a file is one that `replace_file` writes to.

    Parameters
    ----------
    name : str
        Name of the file, without its folder.
    target : str, optional
        Name of the file that it was to become; default: any.

    Returns
    -------
    temporary : bool
        Whether it is. If its writer was killed, it stays behind.

    Examples
    --------
    >>> from compact_removal.utils.files import is_temporary
    >>> is_temporary('.writing-12-0a1b2c3d-map.fits'), is_temporary('map.fits')
    (True, False)
    >>> is_temporary('.writing-12-0a1b2c3d-map.fits', 'other-map.fits')
    False
    """
    if not name.startswith(_TEMPORARY):
        return False
    # process and token have no hyphen
    return target is None or name[len(_TEMPORARY):].split('-', 2)[2:] == [
        target]


def resolve_path(path):
    """
    Make a path of what a user gave.

    Parameters
    ----------
    path : str or path-like
        A path; a leading ``~`` is the home of the user.

    Returns
    -------
    path : `~pathlib.Path`
        The path.

    Examples
    --------
    >>> from compact_removal.utils.files import resolve_path
    >>> resolve_path('~/map.fits').name
    'map.fits'
    """
    return Path(path).expanduser()


def read_hdus(path, *, choose=None):
    """
    Read the HDUs of a FITS file, and refuse one that is damaged.

    Parameters
    ----------
    path : str or path-like
        The file, may be gzipped.
    choose : callable, optional
        Takes the list of the image HDUs, their data not yet read, and
        returns those whose data are needed; default: all.

    Returns
    -------
    hdus : list
        All HDUs, with their headers, and the data of those that were
        chosen: scaled, and NaN in blank pixels, see
        `~compact_removal.utils.fits_values.scale_values`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no FITS file, or truncated or corrupt, as far as this
        can be seen: cards ``CHECKSUM`` and ``DATASUM`` are checked
        where there are any.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from compact_removal.utils.files import read_hdus
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'map.fits'
    ...     fits.writeto(path, np.ones((3, 4)))
    ...     (hdu,) = read_hdus(path)
    >>> hdu.data.shape
    (3, 4)
    """
    try:
        return _load(resolve_path(path), choose)
    except FileNotFoundError:
        raise
    except _DAMAGE as error:
        msg = f'path is no readable FITS file: {path} ({one_line(error)})'
        raise ParameterError(msg, 'path') from error


def _load(path, choose):
    """
    HDUs of a file, with the data of those that are needed.
    """
    with open(path, 'rb') as file:
        packed = file.read(2) == b'\x1f\x8b'
    with contextlib.ExitStack() as stack:
        # astropy only warns of these, and leaves out what is missing
        stack.enter_context(warnings.catch_warnings())
        for message in ('File may have been truncated',
                        'Error validating header',
                        '(Checksum|Datasum) verification failed'):
            warnings.filterwarnings('error', message, AstropyUserWarning)
        opener = _unpack if packed else partial(open, mode='rb')
        source = stack.enter_context(opener(path))
        # astropy does not find all blank pixels
        hdus = list(stack.enter_context(fits.open(
            source, memmap=False, checksum=True,
            do_not_scale_image_data=True)))
        images = [hdu for hdu in hdus if hdu.is_image]
        for hdu in images if choose is None else choose(images):
            # read while the file is open
            _scale(hdu)
        for hdu in hdus:
            list(hdu.header.values())
    return hdus


def _scale(hdu):
    """
    Give an image HDU its values in place of those that are stored.
    """
    stored = hdu.data
    if stored is None:
        return
    values = scale_values(stored, hdu.header)
    if values is not stored:
        hdu.data = values
        for keyword in ('BSCALE', 'BZERO', 'BLANK'):
            hdu.header.remove(keyword, ignore_missing=True)


def _unpack(path):
    """
    The content of a gzipped file, read to its end, where its check sum is.

    This comes first: astropy may take forever to make sense of what a
    damaged file unpacks to, and does not see that it is too short.
    """
    with gzip.open(path, 'rb') as source:
        content = source.read()
    if len(content) % _BLOCK:
        msg = 'File may have been truncated'
        raise ValueError(msg)
    return io.BytesIO(content)
