# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Exposures in files: single ones, and mosaics with one image per extension.
"""

import numpy as np
from astropy.io import fits
from astropy.table import Table

from compact_removal.maps.exposures import list_images, to_exposure
from compact_removal.utils.files import (check_overwrite, read_hdus,
                                         replace_file)
from compact_removal.utils.parameters import ParameterError, check_choice

__all__ = ['LAYOUTS', 'mask_file', 'split_flags']

# What may stand in place of an image.
LAYOUTS = ('flags', 'maximask', 'probabilities')


def mask_file(masker, path, target, *, layout='flags', unusable='default',
              grow=0, overwrite=False, history=None):
    """
    Mask all images of a file, and write a file of the same structure.

    HDUs that are no images of two axes become empty ones.

    Parameters
    ----------
    masker : `~compact_removal.ContaminantMasker`
        The estimator.
    path, target : path-like
        The FITS file, and the one to write.
    layout : {'flags', 'maximask', 'probabilities'}, optional
        What stands in place of each image: its flags (int16, bits in the
        header); one plane per class, 0 or 1 (uint8), in the order of
        ``masker.classes_``, as MaxiMask writes them; or one plane of
        probabilities (float32) per class. With ``'flags'``, an HDU ``MASK``
        behind each has what must not be used (uint8).
    unusable, grow : object, optional
        See `~compact_removal.ContaminantMasker.mask`.
    overwrite : bool, optional
        Whether the file may be replaced.
    history : str, optional
        For the header.

    Returns
    -------
    report : `~astropy.table.Table`
        One row per image: ``hdu`` (its number), ``name``, ``shape``,
        ``masked`` (share of its pixels, NaN with probabilities), and the
        share of each class.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.
    ValueError
        If the file has no image, or ``layout`` is not allowed.
    """
    check_choice('layout', layout, LAYOUTS)
    target = check_overwrite(target, overwrite=overwrite)
    hdus = read_hdus(path)
    numbers = list_images(hdus)
    if not numbers:
        msg = f'path must have an image of two axes: {path}'
        raise ParameterError(msg, 'path')
    bits = {row['name']: row['bit'] for row in masker.list_classes()}
    written, rows = [], []
    for number, hdu in enumerate(hdus):
        if number not in numbers:
            # nothing but its place
            written.append(fits.ImageHDU(name=hdu.name) if number
                           else fits.PrimaryHDU())
            continue
        image = to_exposure(hdu)
        planes, header, masked = _compute(masker, bits, image, layout,
                                          unusable, grow)
        if history is not None:
            header.add_history(history)
        kind = fits.ImageHDU if number else fits.PrimaryHDU
        written.append(kind(planes, header))
        if number:
            written[-1].name = hdu.name
        if layout == 'flags':
            written.append(fits.ImageHDU(masked.astype('u1'), name='MASK',
                                         ver=len(rows) + 1))
        rows.append({'hdu': number, 'name': hdu.name,
                     'shape': 'x'.join(map(str, image.shape[::-1])),
                     'masked': np.nan if masked is None else masked.mean(),
                     **dict(zip(bits, (split_flags(planes, bits) if layout
                                       == 'flags' else planes).mean(
                                           axis=(1, 2)).tolist(),
                                strict=True))})
    target.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(target) as temporary:
        fits.HDUList(written).writeto(temporary)
    return Table(rows)


def _compute(masker, bits, image, layout, unusable, grow):
    """
    What stands in place of an image, its header, and the mask.
    """
    header = fits.Header()
    if image.wcs is not None:
        header.update(image.wcs.to_header(relax=True))
    if layout != 'flags':
        for k, name in enumerate(bits, 1):
            header[f'PLANE{k}'] = name
    if layout == 'probabilities':
        return masker.predict_proba(image), header, None
    result = masker.mask(image, unusable=unusable, grow=grow)
    for name, value in result.meta.items():
        if name.startswith(('CR', 'PRI_', 'THR_')) and name not in image.meta:
            header[name] = value
    if layout == 'flags':
        for name, bit in bits.items():
            if bit:
                header[f'BIT_{name}'] = bit
        return result.flags, header, result.mask
    return split_flags(result.flags, bits).astype('u1'), header, result.mask


def split_flags(flags, bits):
    """
    Make one plane per class of flags.

    Parameters
    ----------
    flags : `~numpy.ndarray` of int
        Sums of bits, shape ``(ny, nx)``.
    bits : dict of int
        Bits of the classes; the background has 0, as it is where nothing
        else is.

    Returns
    -------
    planes : `~numpy.ndarray` of bool
        Shape ``(n_classes, ny, nx)``.
    """
    return np.stack([flags & bit > 0 if bit else flags == 0
                     for bit in bits.values()])
