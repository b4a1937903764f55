# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Third step of a removal: the background under the sources.

This goes tile by tile, so that the memory does not grow with the map or
the number of its sources.
"""

import sys
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from compact_removal.maps.tiles import make_tiles
from compact_removal.removal._tile_worker import TileWorker
from compact_removal.removal._window import read_noise
from compact_removal.removal.networks import ERROR_RADII
from compact_removal.removal.records import Record
from compact_removal.utils.progress import bar_shape

__all__ = ['BackgroundEstimate', 'estimate_background']


@dataclass(frozen=True)
class BackgroundEstimate(Record):
    """
    The map without its sources, and what was removed with them.

    Parameters
    ----------
    data : `~numpy.ndarray`
        The map without the sources, shape ``(ny, nx)``.
    error : `~numpy.ndarray`
        Its error; where no source has changed it, the uncertainty of
        the map, NaN where this is unknown, shape ``(ny, nx)``.
    pixel_flags : `~numpy.ndarray` of uint8
        Bits of ``PIXEL_FLAGS``, shape ``(ny, nx)``.
    footprint : `~numpy.ndarray`
        Radius within which each source changes the map (pixels), shape
        ``(n,)``.
    flux_error : `~numpy.ndarray`
        Predicted errors of sums in apertures of the radii
        ``compact_removal.removal.ERROR_RADII``, shape ``(n, n_radii)``; NaN
        if the network predicts none.
    sums : `~numpy.ndarray`
        Light of each source in each aperture (unit of the map times
        pixel), shape ``(n_apertures, n)``; NaN where nothing was
        measured.
    missing : `~numpy.ndarray`
        Share of that light on pixels that are not known, which the
        models filled, of the same shape.
    flags : `~numpy.ndarray` of int
        Bits of ``SOURCE_FLAGS``, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.background import BackgroundEstimate
    >>> plane, zero = np.zeros((9, 9)), np.zeros(1)
    >>> estimate = BackgroundEstimate(
    ...     data=plane, error=plane, pixel_flags=plane, footprint=zero,
    ...     flux_error=np.zeros((1, 4)), sums=np.zeros((1, 1)),
    ...     missing=np.zeros((1, 1)), flags=zero)
    >>> estimate.data.flags.writeable
    False
    """

    data: np.ndarray
    error: np.ndarray
    pixel_flags: np.ndarray
    footprint: np.ndarray
    flux_error: np.ndarray
    sums: np.ndarray
    missing: np.ndarray
    flags: np.ndarray


def estimate_background(input_map, located, fitted, network, *, band,
                        apertures, progress_bar=False):
    """
    Estimate the background under all sources.

    Parameters
    ----------
    input_map : InputMap
        The map.
    located : LocatedSources
        The sources.
    fitted : FittedSources
        Their models.
    network : CutoutNetwork
        The network.
    band : Band
        The band.
    apertures : `~numpy.ndarray`
        Radii of the apertures (pixels), shape ``(n_apertures,)``, or
        ``(n_apertures, n)`` where pixels differ in size.
    progress_bar : bool, optional
        Whether to show progress.

    Returns
    -------
    estimate : `BackgroundEstimate`
        The map without the sources, and their light.

    Raises
    ------
    ParameterError
        If the network gives values that are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.images import read_image
    >>> from compact_removal.removal.background import estimate_background
    >>> from compact_removal.removal.cutout_network import CutoutNetwork
    >>> from compact_removal.removal.fit import fit
    >>> from compact_removal.removal.locate import locate
    >>> band = get_band('scanmap', 'blue')
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> input_map = read_image(image)
    >>> located = locate(input_map, catalog['sky_center'], band,
    ...                  recenter=False)
    >>> fitted = fit(input_map, located, band)
    >>> network = CutoutNetwork(
    ...     lambda inputs: {'background': np.ones(inputs['image'].shape)},
    ...     64, np.ones_like, predicts_errors=False,
    ...     removes_wings=False)
    >>> estimate = estimate_background(input_map, located, fitted, network,
    ...                                band=band, apertures=np.array([3.75]))
    >>> bool(np.all(estimate.data[estimate.pixel_flags == 1] == 1))
    True
    """
    dtype = input_map.data.dtype
    if dtype.kind != 'f':
        dtype = np.result_type(dtype, np.float32)
    dtype = dtype.newbyteorder('=')
    shape = input_map.data.shape
    data = np.array(input_map.data, dtype=dtype)
    error = read_noise(input_map, np.s_[:, :],
                       np.result_type(dtype, np.float32))
    pixel_flags = np.zeros(shape, dtype=np.uint8)
    n_sources = located.x.size
    footprint = located.radius.copy()
    flux_error = np.full((n_sources, len(ERROR_RADII)), np.nan)
    apertures = np.broadcast_to(apertures.reshape(len(apertures), -1),
                                (len(apertures), n_sources))
    sums, missing = np.full((2, *apertures.shape), np.nan)
    flags = np.zeros(n_sources, dtype=np.int64)
    if fitted.rows.size:
        worker = TileWorker(input_map, located, fitted, network, band=band,
                            apertures=apertures[:, fitted.rows],
                            error_dtype=error.dtype)
        tiles = make_tiles(shape, worker.margin())
    else:
        tiles = []
    with tqdm(total=fitted.rows.size, unit='source',
              disable=not (progress_bar and tiles),
              **bar_shape(sys.stderr)) as bar:
        for tile in tiles:
            part = worker.estimate(tile)
            if part is None:
                continue
            for values, new in ((data, part.data), (error, part.error),
                                (pixel_flags, part.pixel_flags)):
                values[tile.core][part.changed] = new
            rows = fitted.rows[part.index]
            footprint[rows] = part.footprint
            flux_error[rows] = part.flux_error
            sums[:, rows], missing[:, rows] = part.sums, part.missing
            flags[rows] = part.flags
            bar.update(rows.size)
    return BackgroundEstimate(data, error, pixel_flags, footprint,
                              flux_error, sums, missing, flags)
