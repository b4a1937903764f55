# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What the estimators for blends return, as Astropy objects.
"""

import warnings
from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.utils.exceptions import AstropyUserWarning

from compact_removal.deblending.contributions import (SourceParts,
                                                      find_window)
from compact_removal.maps.arrays import find_wcs
from compact_removal.maps.pixels import on_map
from compact_removal.utils.files import check_overwrite, replace_file
from compact_removal.utils.parameters import ParameterError

__all__ = ['DeblendingResult', 'make_sources', 'write_parts']


@dataclass(frozen=True, eq=False)
class DeblendingResult:
    """
    What `~compact_removal.SourceDeblender.deblend` returns.

    Attributes
    ----------
    sources : `~astropy.table.QTable`
        One row per source.
    segmentation : `~photutils.segmentation.SegmentationImage`
        Which source has the largest share of each pixel: its ``id``, or
        0 where there is no light.
    unassigned : `~astropy.nddata.CCDData`
        Light of no source, with background and noise. With all models it
        adds up to the image.
    parts : `~compact_removal.deblending.SourceParts`
        The light of each source in a window of the image.

    Examples
    --------
    >>> from compact_removal.deblending import SourceDeblender, make_blends
    >>> blend, = make_blends(1, n_sources=3, seed=1)
    >>> result = SourceDeblender().deblend(blend.image)
    >>> rest = result.unassigned.data + sum(result.model(number)
    ...                                     for number in result.sources['id'])
    >>> bool(abs(rest - blend.image).max() < 1e-3)
    True
    """

    sources: QTable
    segmentation: object
    unassigned: CCDData
    parts: SourceParts

    def __repr__(self):
        ny, nx = self.unassigned.shape
        return (f'<{type(self).__name__}: {len(self.sources)} sources, '
                f'{ny} x {nx} pixels>')

    def cutout(self, id):  # noqa: A002
        """
        Cut out a source, without the light of others.

        Parameters
        ----------
        id : int
            Its ``id`` in ``sources``.

        Returns
        -------
        cutout : `~photutils.utils.CutoutImage`
            Its light, and its share of the noise, in the smallest window
            that holds it; ``slices_original`` says where that is.

        Raises
        ------
        ParameterError
            If there is no such source, or it has no light.
        """
        from photutils.utils import CutoutImage

        part, corner = self._find(id)
        if not part.size:
            msg = f'id: source {id} has no light'
            raise ParameterError(msg, 'id')
        middle = [low + side // 2 for low, side in zip(corner, part.shape,
                                                       strict=True)]
        return CutoutImage(self.model(id), middle, part.shape, copy=True)

    def model(self, id):  # noqa: A002
        """
        Draw a source alone.

        Parameters
        ----------
        id : int
            Its ``id`` in ``sources``.

        Returns
        -------
        model : `~numpy.ndarray`
            Its light, and its share of the noise, on an image of the
            shape of the input, in its unit.

        Raises
        ------
        ParameterError
            If there is no such source.
        """
        part, corner = self._find(id)
        model = np.zeros(self.unassigned.shape)
        model[find_window(part, corner)] = part
        return model

    def plot(self):
        """
        Show the image, its segments, and what is left.

        Returns
        -------
        axes : `~numpy.ndarray` of `~matplotlib.axes.Axes`
            Three panels.
        """
        from compact_removal.plotting import plot_deblending

        return plot_deblending(self)

    def to_products(self):
        """
        List what can be written to files.

        Returns
        -------
        products : dict
            ``sources``, a table; ``segmentation`` and ``unassigned``,
            CCDData.
        """
        segments = CCDData(self.segmentation.data.astype(np.int32), unit='',
                           wcs=self.unassigned.wcs,
                           meta=dict(self.sources.meta))
        return {'sources': self.sources, 'segmentation': segments,
                'unassigned': self.unassigned}

    def _find(self, number):
        """
        Part and corner of a source.
        """
        found = np.flatnonzero(np.asarray(self.sources['id']) == number)
        if not len(found):
            msg = (f'id must be one of those in sources (1 to '
                   f'{len(self.sources)}), got {number!r}')
            raise ParameterError(msg, 'id')
        return self.parts.parts[found[0]], self.parts.corners[found[0]]


def write_parts(result, path, *, overwrite=False):
    """
    Write the light of each source to a FITS file.

    Parameters
    ----------
    result : `DeblendingResult`
        What was taken apart.
    path : path-like
        The file. It has one extension per source with light, whose name
        is ``SOURCE`` and whose version is the ``id``; ``LTV1`` and
        ``LTV2`` say where its first pixel is on the image.
    overwrite : bool, optional
        Whether an existing file may be replaced.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is False.
    """
    path = check_overwrite(path, overwrite=overwrite)
    wcs, first = result.unassigned.wcs, fits.PrimaryHDU()
    first.header.update(result.sources.meta)
    hdus = [first]
    for number, part, corner in zip(result.sources['id'], result.parts.parts,
                                    result.parts.corners, strict=True):
        if not part.size:
            continue
        window = find_window(part, corner)
        hdu = fits.ImageHDU(part.astype(np.float32), name='SOURCE',
                            ver=int(number),
                            header=None if wcs is None
                            else wcs[window].to_header(relax=True))
        hdu.header['BUNIT'] = str(result.unassigned.unit)
        hdu.header['LTV1'], hdu.header['LTV2'] = -corner[1], -corner[0]
        hdus.append(hdu)
    with replace_file(path) as temporary:
        fits.HDUList(hdus).writeto(temporary)


def make_sources(image, x, y, columns, provenance):
    """
    Make the table of sources.

    Parameters
    ----------
    image : object
        The image that was given.
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``.
    columns : dict of `~numpy.ndarray`
        Further columns, in their order; ``flux`` and ``flux_err`` get
        the unit of the image.
    provenance : dict
        For ``meta``.

    Returns
    -------
    table : `~astropy.table.QTable`
        ``id``, ``sky_center`` (for images with a WCS), ``x_center``,
        ``y_center`` and the columns.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.deblending.results import make_sources
    >>> make_sources(np.ones((3, 3)), np.ones(1), np.ones(1),
    ...              {'flags': np.zeros(1, int)}, {}).colnames
    ['id', 'x_center', 'y_center', 'flags']
    """
    unit = getattr(image, 'unit', None) or u.dimensionless_unscaled
    if u.pix in unit.bases:
        # a sum over pixels
        unit = unit * u.pix
    if len(x) and not on_map(x, y, np.shape(getattr(image, 'data', image))
                             ).any():
        warnings.warn(f'positions: none of the {len(x)} positions lies on the '
                      'image; rows have no fluxes', AstropyUserWarning,
                      stacklevel=3)
    table = QTable({'id': np.arange(1, len(x) + 1), 'x_center': x,
                    'y_center': y}, meta=provenance)
    for name, values in columns.items():
        table[name] = values * unit if name.startswith('flux') else values
    wcs = find_wcs(image)
    if wcs is not None and wcs.has_celestial:
        table.add_column(wcs.pixel_to_world(x, y), name='sky_center', index=1)
    return table
