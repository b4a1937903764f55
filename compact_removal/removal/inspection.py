# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Third step of a removal: each source without the light of the others.

Signal-to-noise ratio, hole and local standard deviation are those of the
source, not of a bright neighbour, and the fit is judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from scipy.spatial import KDTree

from compact_removal.fitting.quality import FitQuality, assess_fits
from compact_removal.maps.cutouts import (chunk_slices, cutout_radii,
                                          extract_cutouts, extract_valid)
from compact_removal.maps.holes import mask_radius, scale_radii, source_snr
from compact_removal.maps.tiles import make_tiles
from compact_removal.removal.flags import FLAG
from compact_removal.removal.quality_flags import flag_quality
from compact_removal.removal.records import Record, read_only

__all__ = ['Inspection', 'inspect_sources']

# Factor on the misfit of sources with pixels that stand out.
_DOUBT = 2.2


@dataclass(frozen=True)
class Inspection(Record):
    """
    How well the sources are fitted.

    Parameters
    ----------
    quality : mapping
        Arrays of shape ``(n,)``, by the names of the fields of
        `~compact_removal.fitting.quality.FitQuality`; NaN in rows that
        are not processed.
    flags : `~numpy.ndarray` of int
        Bits of ``SOURCE_FLAGS``, shape ``(n,)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.removal.inspection import Inspection
    >>> Inspection({'qfit': np.zeros(1)}, np.array([0])).flags.shape
    (1,)
    """

    quality: Mapping
    flags: np.ndarray


def inspect_sources(input_map, located, fitted, band):
    """
    Look at each source without the light of the others.

    Parameters
    ----------
    input_map : InputMap
        The map.
    located : LocatedSources
        The sources.
    fitted : FittedSources
        Their models.
    band : Band
        The band.

    Returns
    -------
    located : LocatedSources
        The same sources; ``snr``, ``std`` and ``radius`` are those of
        the source alone.
    inspection : `Inspection`
        How well they are fitted, and flags of fits and holes.

    Examples
    --------
    >>> from compact_removal.datasets import make_example_field
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.maps.images import read_image
    >>> from compact_removal.removal.fit import fit
    >>> from compact_removal.removal.inspection import inspect_sources
    >>> from compact_removal.removal.locate import locate
    >>> band = get_band('scanmap', 'blue')
    >>> image, catalog = make_example_field(shape=(64, 64), n_sources=1)
    >>> input_map = read_image(image)
    >>> located = locate(input_map, catalog['sky_center'], band,
    ...                  recenter=False)
    >>> fitted = fit(input_map, located, band)
    >>> located, inspection = inspect_sources(input_map, located, fitted,
    ...                                       band)
    >>> print(inspection.flags)
    [0]
    """
    n_sources = located.x.size
    rows, models = fitted.rows, fitted.models
    snr, std, radius = (np.array(values) for values in (
        located.snr, located.std, located.radius))
    quality = np.full((len(FitQuality._fields), n_sources), np.nan)
    circle, annulus = scale_radii(band, input_map.pixel_scale)
    margin = int(np.ceil(max(models.psf.reach, 2 * annulus[1]))) + 2
    for tile in make_tiles(input_map.data.shape, margin) if rows.size else ():
        index = np.flatnonzero(tile.distance(models.x, models.y) <= 0)
        if not index.size:
            continue
        mine = rows[index]
        moved, others = (some.moved(-tile.window[1].start,
                                    -tile.window[0].start)
                         for some in (models, fitted.unlisted))
        clean = fitted.window(input_map, tile.window)
        clean -= moved.render(clean.shape) + others.render(clean.shape)
        snr[mine], std[mine] = _own_snr(clean, moved, index, circle, annulus)
        quality[:, mine] = assess_fits(clean, moved, index, std[mine])
    # where too little is known around a source, the first look stays
    known = np.isfinite(snr) & np.isfinite(std)
    snr, std = (np.where(known, new, old) for new, old in (
        (snr, located.snr), (std, located.std)))
    radius[rows] = mask_radius(snr[rows], band,
                               pixel_scale=input_map.pixel_scale)
    flags = np.zeros(n_sources, dtype=np.int64)
    flags[rows] = _flag_holes(input_map, located.x[rows], located.y[rows],
                              radius[rows], std[rows])
    # beside pixels that stand out others may be wrong, too
    misfit = FitQuality._fields.index('misfit')
    quality[misfit, fitted.n_outliers > 0] *= _DOUBT
    columns = {name: read_only(values) for name, values
               in zip(FitQuality._fields, quality, strict=True)}
    flags[rows] |= flag_quality(
        {name: values[rows] for name, values in columns.items()},
        fitted.n_outliers[rows], fitted.dented[rows])
    with np.errstate(invalid='ignore'):
        flags[fitted.unlisted_light > columns['flux_err']] |= FLAG[
            'unlisted_neighbor']
    located = replace(located, snr=snr, std=std, radius=radius)
    return located, Inspection(MappingProxyType(columns), flags)


def _own_snr(clean, models, index, circle, annulus):
    """
    Signal-to-noise ratios and standard deviations, shape ``(2, k)``.
    """
    x, y = models.x[index], models.y[index]
    _, mean, std = source_snr(clean, x, y, source_radius=circle,
                              annulus_radii=annulus)
    peak = np.full(index.size, np.nan)
    size = 2 * int(np.ceil(circle)) + 3
    for part in chunk_slices(index.size, size):
        stack, corners = extract_cutouts(clean, x[part], y[part], size,
                                         fill=np.nan)
        stack = np.nan_to_num(stack, nan=0) + models.draw(
            index[part], corners, size)
        inside = cutout_radii(x[part], y[part], corners, size) <= circle
        peak[part] = np.where(inside, stack, -np.inf).max(axis=(1, 2))
    with np.errstate(invalid='ignore', divide='ignore'):
        return np.array([np.where(std > 0, (peak - mean) / std, np.nan), std])


def _flag_holes(input_map, x, y, radius, std):
    """
    Flags of holes on edges, on pixels that are not valid or were not
    observed, and of those that overlap.
    """
    ny, nx = input_map.data.shape
    flags = np.zeros(x.size, dtype=np.int64)
    edge = ((x - radius < -0.5) | (x + radius > nx - 0.5)
            | (y - radius < -0.5) | (y + radius > ny - 0.5))
    flags[edge] |= FLAG['edge']
    size = 2 * int(np.ceil(radius.max(initial=0))) + 3
    for part in chunk_slices(x.size, size):
        stack, corners = extract_valid(input_map.data, x[part], y[part],
                                       size, mask=input_map.mask)
        grid = np.arange(size)
        column, row = (corners[:, i, None] + grid for i in (0, 1))
        observed = (((row >= 0) & (row < ny))[:, :, None]
                    & ((column >= 0) & (column < nx))[:, None, :])
        hole = cutout_radii(x[part], y[part], corners,
                            size) <= radius[part, None, None]
        bad = np.isnan(stack)
        core = stack[:, size // 2 - 1:size // 2 + 2,
                     size // 2 - 1:size // 2 + 2]
        constant = (np.ptp(core, axis=(1, 2)) == 0) | (std[part] == 0)
        for name, which in (
                ('invalid_pixels', (bad & observed & hole).any(axis=(1, 2))),
                ('invalid_center', bad[:, size // 2, size // 2]),
                ('constant_pixels', constant)):
            flags[part][which] |= FLAG[name]
    if x.size > 1:
        tree = KDTree(np.column_stack([x, y]))
        i, j = tree.query_pairs(2 * radius.max(), output_type='ndarray').T
        close = np.hypot(x[i] - x[j], y[i] - y[j]) < radius[i] + radius[j]
        flags[i[close]] |= FLAG['overlap']
        flags[j[close]] |= FLAG['overlap']
    return flags
