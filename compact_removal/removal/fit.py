# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Second step of a removal: the PSF of the map, and a model of each source.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree

from compact_removal.fitting.models import SourceModels
from compact_removal.fitting.robust import fit_map
from compact_removal.fitting.source_psf import SourcePSF
from compact_removal.removal.flags import FLAG
from compact_removal.removal.records import Record, read_only

__all__ = ['FittedSources', 'fit']

# Distance of the fitted source from its position (full widths) that is
# flagged.
_FAR_OFF = 0.25


@dataclass(frozen=True)
class FittedSources(Record):
    """
    Models of the sources that are processed.

    Parameters
    ----------
    rows : `~numpy.ndarray` of int
        Rows of `~compact_removal.removal.locate.LocatedSources` that
        are processed, in an order of the sky, shape ``(m,)``.
    models : `~compact_removal.fitting.SourceModels`
        Their models, with the PSF that was learned, in this order.
    n_psf : int
        Number of sources from which the PSF of the map was learned.
    blend_error : `~numpy.ndarray`
        Error of the flux that comes from blending (unit of the map
        times pixel), shape ``(n,)``; 0 in rows that are not processed.
    outliers : `~numpy.ndarray` of int
        Rows and columns of pixels that stand out from the fit and were
        left out of it, shape ``(2, k)``.
    n_outliers : `~numpy.ndarray` of int
        How many of them lie within a full width of each source, shape
        ``(n,)``.
    dented : `~numpy.ndarray` of bool
        Whether the core is flat or dented, shape ``(n,)``.
    unlisted : `~compact_removal.fitting.SourceModels`
        Models of sources that are not among the positions, but change
        the fluxes of those; they stay in the map.
    unlisted_light : `~numpy.ndarray`
        Their light at each position, as the flux of a source with such
        a peak (unit of the map times pixel), shape ``(n,)``.
    flags : `~numpy.ndarray` of int
        Bits of ``SOURCE_FLAGS``, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.fitting import SourceModels, SourcePSF
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.removal.fit import FittedSources
    >>> band, one = get_band('scanmap', 'blue'), np.ones(1)
    >>> models = SourceModels(one, one, one, np.zeros((1, 5)),
    ...                       SourcePSF(band, band.pixel_scale), one)
    >>> fitted = FittedSources(np.array([0]), models, 0, 0 * one,
    ...                        np.zeros((2, 0), dtype=int), 0 * one,
    ...                        one < 0, models, 0 * one, np.array([0]))
    >>> fitted.blend_error.flags.writeable
    False
    """

    rows: np.ndarray
    models: SourceModels
    n_psf: int
    blend_error: np.ndarray
    outliers: np.ndarray
    n_outliers: np.ndarray
    dented: np.ndarray
    unlisted: SourceModels
    unlisted_light: np.ndarray
    flags: np.ndarray

    def window(self, input_map, part):
        """
        A part of the map without outlying pixels.

        Parameters
        ----------
        input_map : InputMap
            The map.
        part : tuple of slice
            Rows and columns.

        Returns
        -------
        data : `~numpy.ndarray`
            NaN where a pixel must not be used or stands out.
        """
        data = input_map.window(part)
        data[self.outliers_in(part)] = np.nan
        return data

    def outliers_in(self, part):
        """
        Outlying pixels in a part of the map.

        Parameters
        ----------
        part : tuple of slice
            Rows and columns.

        Returns
        -------
        rows, columns : `~numpy.ndarray` of int
            Counted in the part.
        """
        start = np.array([[one.start] for one in part])
        stop = np.array([[one.stop] for one in part])
        inside = np.all((self.outliers >= start) & (self.outliers < stop),
                        axis=0)
        return tuple(self.outliers[:, inside] - start)


def fit(input_map, located, band):
    """
    Learn the PSF of the map, and fit all sources with it.

    Parameters
    ----------
    input_map : InputMap
        The map.
    located : LocatedSources
        The sources.
    band : Band
        The band.

    Returns
    -------
    fitted : `FittedSources`
        The models of the sources.

    Examples
    --------
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.images import read_image
    >>> from compact_removal.removal.fit import fit
    >>> from compact_removal.removal.locate import locate
    >>> band = get_band('scanmap', 'blue')
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> input_map = read_image(image)
    >>> located = locate(input_map, catalog['sky_center'], band,
    ...                  recenter=False)
    >>> fitted = fit(input_map, located, band)
    >>> fitted.rows.size, bool(fitted.models.flux[0] > 0)
    (1, True)
    """
    rows = located.sky_order()
    blend_error, unlisted_light = np.zeros((2, located.x.size))
    flags = np.zeros(located.x.size, dtype=np.int64)
    psf = SourcePSF(band, input_map.pixel_scale)
    x, y, std = located.x[rows], located.y[rows], located.std[rows]
    n_outliers = np.zeros(located.x.size, dtype=np.int64)
    dented = np.zeros(located.x.size, dtype=bool)
    if rows.size == 0:
        models = SourceModels(x, y, np.zeros(0), np.zeros((0, 5)), psf, std)
        return FittedSources(rows, models, 0, blend_error,
                             np.zeros((2, 0), dtype=int), n_outliers, dented,
                             models, unlisted_light, flags)
    (psf, n_psf, result, outliers, dented[rows], unlisted,
     unlisted_light[rows]) = fit_map(input_map.data, x, y, psf, std,
                                     mask=input_map.mask)
    flags[rows[~result.converged]] |= FLAG['not_converged']
    moved = result.shapes - psf.mean_at(x, y)
    shift = np.hypot(moved[:, 0], moved[:, 1])
    flags[rows[shift > _FAR_OFF * psf.fwhm]] |= FLAG['off_center']
    if outliers.size:
        near = KDTree(outliers[::-1].T).query_ball_point(
            np.column_stack([x, y]), psf.fwhm)
        n_outliers[rows] = [len(found) for found in near]
        flags[rows[n_outliers[rows] > 0]] |= FLAG['outlier_pixels']
    blend_error[rows] = result.blend_error
    models = SourceModels(*(read_only(values) for values in
                            (x, y, result.flux, result.shapes)), psf,
                          read_only(std))
    unlisted = SourceModels(*(read_only(values) for values in (
        unlisted.x, unlisted.y, unlisted.flux, unlisted.shapes)), psf,
        read_only(unlisted.noise))
    return FittedSources(rows, models, n_psf, blend_error, outliers,
                         n_outliers, dented, unlisted,
                         unlisted_light, flags)
