# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Write what an estimator made of an image: images as FITS, tables as ECSV.
"""

from astropy.io import fits
from astropy.table import Table

from compact_removal.utils.files import check_overwrite, replace_file

__all__ = ['write_products']


def write_products(products, paths, *, overwrite=False, history=None):
    """
    Write images and tables, each complete or not at all.

    Parameters
    ----------
    products : dict
        `~astropy.nddata.CCDData` and `~astropy.table.QTable` by name.
    paths : dict
        Where to write them, by the same names; further paths are
        ignored.
    overwrite : bool, optional
        Whether files may be replaced.
    history : str, optional
        What was done, for the ``HISTORY`` of images; the version of the
        package comes before it. Letters that a FITS header cannot hold
        become question marks.

    Raises
    ------
    OSError
        If a file exists and ``overwrite`` is False.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astropy.table import QTable
    >>> from compact_removal.maps.products import write_products
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / 'new' / 'sources.ecsv'
    ...     write_products({'sources': QTable({'id': [1]})},
    ...                    {'sources': path})
    ...     path.exists()
    True
    """
    checked = {name: check_overwrite(paths[name], overwrite=overwrite)
               for name in products}
    for path in checked.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    for name, product in products.items():
        with replace_file(checked[name]) as path:
            if isinstance(product, Table):
                product.write(path, format='ascii.ecsv')
            else:
                _make_hdus(product, history).writeto(path)


def _make_hdus(image, history):
    """
    An image as HDUs; those of mask, uncertainty and flags have names.
    """
    from compact_removal import __version__

    hdus = image.to_hdu(as_image_hdu=False)
    if history is not None:
        text = f'compact_removal {__version__}: {history}'
        hdus[0].header.add_history(''.join(
            letter if ' ' <= letter <= '~' else '?' for letter in text))
    _add_tables(hdus, image.wcs)
    if image.flags is not None:
        hdus.append(fits.ImageHDU(image.flags, name='FLAGS'))
    return hdus


def _add_tables(hdus, wcs):
    """
    Add the tables of a distortion, which astropy leaves out, to HDUs.
    """
    if not any(getattr(wcs, name, None) is not None
               for name in ('cpdis1', 'cpdis2', 'det2im1', 'det2im2')):
        return
    header, *tables = wcs.to_fits(relax=True)
    for card in header.header.cards:
        if card.keyword.startswith(('CPDIS', 'DP', 'D2IM')):
            hdus[0].header.append(card, end=True)
    for table in tables:
        hdus.append(table)
