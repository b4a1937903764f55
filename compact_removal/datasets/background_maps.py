# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Real maps as backgrounds for training: arrays and positions to avoid.
"""

import re
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.stats import gaussian_fwhm_to_sigma, gaussian_sigma_to_fwhm
from scipy.ndimage import gaussian_filter, maximum_filter, uniform_filter

from compact_removal.utils.parameters import ParameterError

__all__ = ['BackgroundMap', 'find_compact_sources', 'load_background_maps']


# Beam (arcsec) of surveys, by a fragment of the file name. What is not
# listed is taken as a beam smaller than a pixel.
_BEAMS = {'Bolocam': 33.0, 'MSX': 18.3, 'SPIRE250': 18.0,
          'SCUBA2': 14.0, 'Planck': 300.0, 'SFD': 366.0, '2MASS': 300.0}

# Finding sources: standard deviations of the two Gaussians in beams (FWHM),
# side of the square of the local root mean square in beams, in which pixels
# beyond so many of it are left out so many times; and the least share of
# valid pixels, weighted with a Gaussian of two beams, around a source.
_FILTER_WIDTHS = 2 / 7, 1.0
_WINDOW = 9.5
_CLIP, _N_CLIPS = 3.0, 5
_LEAST_SURROUNDED = 0.9


@dataclass(frozen=True)
class BackgroundMap:
    """
    A map into which sources can be injected.

    Parameters
    ----------
    data : `~numpy.ndarray`
        Values, shape ``(ny, nx)``; NaN where a pixel is not valid.
    positions : `~numpy.ndarray`, optional
        ``(x, y)`` in pixels of real compact sources to keep away from,
        shape ``(n, 2)``.
    name : str, optional
        Where it comes from.
    fwhm : float, optional
        Beam (pixels) of the map, if it may be smoothed to wider ones.
    pixel_scale : `~astropy.units.Quantity`, optional
        Size of its pixels (angle). Without it, the map is dimensionless:
        its pixels are those of any band.
    band : str, optional
        Name of the band that it was observed in; without it, it may
        stand for any band.

    Raises
    ------
    ParameterError
        If ``data`` is not 2-D, ``positions`` has another shape or
        ``pixel_scale`` is no positive angle.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets import BackgroundMap
    >>> BackgroundMap(np.zeros((64, 64)), name='empty').positions.shape
    (0, 2)
    """

    data: np.ndarray
    positions: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    name: str = ''
    fwhm: float | None = None
    pixel_scale: u.Quantity | None = None
    band: str | None = None

    def __post_init__(self):
        if np.ndim(self.data) != 2:
            msg = f'data must be 2-D, got {np.ndim(self.data)} dimension(s)'
            raise ParameterError(msg, 'data')
        positions = np.asarray(self.positions, dtype=float)
        if positions.ndim != 2 or positions.shape[1] != 2:
            msg = f'positions must have shape (n, 2), got {positions.shape}'
            raise ParameterError(msg, 'positions')
        scale = self.pixel_scale
        if scale is not None and not (
                isinstance(scale, u.Quantity) and scale.isscalar
                and scale.unit.is_equivalent(u.arcsec) and scale > 0):
            msg = f'pixel_scale must be a positive angle, got {scale!r}'
            raise ParameterError(msg, 'pixel_scale')
        object.__setattr__(self, 'positions', positions)

    def smoothed(self, fwhm):
        """
        Smooth the map to a wider beam.

        Parameters
        ----------
        fwhm : float
            Beam (pixels) that is wanted.

        Returns
        -------
        background : `BackgroundMap`
            The same map where its beam is not known or as wide.

        Examples
        --------
        >>> import numpy as np
        >>> from compact_removal.datasets import BackgroundMap
        >>> background = BackgroundMap(np.ones((32, 32)), fwhm=2.0)
        >>> background.smoothed(3.5).fwhm
        3.5
        """
        if self.fwhm is None or fwhm <= self.fwhm:
            return self
        data = _smooth(self.data, np.isfinite(self.data),
                       np.sqrt(fwhm ** 2 - self.fwhm ** 2))
        return replace(self, data=data.astype(np.float32), fwhm=fwhm)


def _smooth(data, valid, fwhm):
    """
    Gaussian smoothing that leaves out invalid pixels.
    """
    sigma = fwhm * gaussian_fwhm_to_sigma
    weight = gaussian_filter(valid.astype(float), sigma, mode='constant')
    total = gaussian_filter(np.where(valid, data, 0), sigma, mode='constant')
    return np.where(valid, total / np.maximum(weight, 1e-9), np.nan)


def find_compact_sources(data, *, fwhm=3.5, threshold=5.0):
    """
    Find peaks of the width of the beam in a structured map.

    The map is filtered with a difference of two Gaussians (0.7 and 2.4
    beams wide); peaks above ``threshold`` times the local root mean
    square of the filtered map are sources. The local value comes from a
    square of 9.5 beams, without pixels that stand out. Within about 2.5
    beams of the edges of the map or of large gaps, where maps are noisy
    and the filter sees too little, nothing is found.

    Parameters
    ----------
    data : array_like
        The map, shape ``(ny, nx)``; NaN where not valid.
    fwhm : float, optional
        Full width at half maximum of the beam (pixels).
    threshold : float, optional
        Least height of a peak in local root mean squares.

    Returns
    -------
    positions : `~numpy.ndarray`
        ``(x, y)`` of the peak pixels, shape ``(n, 2)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.datasets import find_compact_sources
    >>> data = np.random.default_rng(1).normal(size=(60, 60))
    >>> y, x = np.mgrid[:60, :60]
    >>> data += 40 * np.exp(-((x - 20) ** 2 + (y - 35) ** 2) / 4.5)
    >>> print(find_compact_sources(data))
    [[20. 35.]]
    """
    data = np.asarray(data, dtype=float)
    valid = np.isfinite(data)
    narrow, wide = (width * fwhm * gaussian_sigma_to_fwhm
                    for width in _FILTER_WIDTHS)
    difference = np.where(valid, _smooth(data, valid, narrow)
                          - _smooth(data, valid, wide), 0)
    rms = _local_rms(difference, valid, 2 * int(_WINDOW * fwhm / 2) + 1)
    surrounded = gaussian_filter(valid.astype(float), 2 * fwhm,
                                 mode='constant') > _LEAST_SURROUNDED
    peak = ((difference == maximum_filter(difference, 2 * int(fwhm) + 1))
            & (difference > threshold * rms) & valid & surrounded & (rms > 0))
    y, x = np.nonzero(peak)
    return np.stack([x, y], axis=1).astype(float)


def _local_rms(data, valid, size):
    """
    Root mean square in squares, without pixels that stand out.
    """
    used = valid
    for _ in range(_N_CLIPS):
        count = uniform_filter(used.astype(float), size, mode='constant')
        total = uniform_filter(np.where(used, data ** 2, 0), size,
                               mode='constant')
        # running sums may end below 0
        rms = np.sqrt(np.maximum(total, 0) / np.maximum(count, 1e-6))
        used = valid & (np.abs(data) <= _CLIP * rms)
    return rms


def load_background_maps(path, *, fwhm=3.0, min_size=96, threshold=5.0):
    """
    Load real maps for their morphology.

    The pixel grid is taken as dimensionless. Each map is smoothed to a
    beam of ``fwhm`` pixels (unless its own is larger), shifted and
    scaled to median 0 and a robust standard deviation of 1, and
    searched for compact sources.

    Parameters
    ----------
    path : str or path-like
        A folder with FITS files (subfolders are not searched), or one
        FITS file. The first 2-D image of each file is used. A name that
        ends in ``_<number>as`` gives the pixel scale in arcsec, from
        which the beam of well-known surveys follows.
    fwhm : float, optional
        Least beam (pixels).
    min_size : int, optional
        Maps with a side shorter than this are left out.
    threshold : float, optional
        See `find_compact_sources`.

    Returns
    -------
    maps : list of `BackgroundMap`
        Float32, sorted by file name. Pixels that are not finite are
        NaN.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    OSError
        If a file is not FITS.
    ParameterError
        If no map of sufficient size is found.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astropy.io import fits
    >>> from compact_removal.datasets import (load_background_maps,
    ...                                       make_background)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fits.writeto(Path(folder) / 'cloud.fits',
    ...                  make_background((96, 128), seed=1))
    ...     maps = load_background_maps(folder)
    >>> [(item.name, item.data.shape) for item in maps]
    [('cloud.fits', (96, 128))]
    """
    path = Path(path)
    if not path.exists():
        msg = f'path does not exist: {path}'
        raise FileNotFoundError(msg)
    files = [path]
    if path.is_dir():
        files = sorted([*path.glob('*.fits'), *path.glob('*.fits.gz')])
    maps = []
    for file in files:
        data = _first_image(file)
        if data is None or min(data.shape) < min_size:
            continue
        native = _native_beam(file.name)
        valid = np.isfinite(data)
        if native < fwhm:
            data = _smooth(data, valid, np.sqrt(fwhm ** 2 - native ** 2))
        low, middle, high = np.percentile(data[valid], [16, 50, 84])
        data = (data - middle) / max((high - low) / 2,
                                     np.finfo(np.float32).tiny)
        positions = find_compact_sources(data, fwhm=max(fwhm, native),
                                         threshold=threshold)
        maps.append(BackgroundMap(data.astype(np.float32), positions,
                                  file.name, max(fwhm, native)))
    if not maps:
        msg = (f'path holds no 2-D FITS image of at least {min_size} pixels '
               f'a side: {path}')
        raise ParameterError(msg, 'path')
    return maps


def _first_image(file):
    """
    The first 2-D image of a FITS file, or None.
    """
    with warnings.catch_warnings():
        # some archives leave out the padding at the end
        warnings.filterwarnings('ignore', 'File may have been truncated')
        with fits.open(file, memmap=False) as hdus:
            for hdu in hdus:
                if hdu.is_image and hdu.data is not None:
                    data = np.squeeze(hdu.data)
                    if data.ndim == 2 and np.isfinite(data).any():
                        return data.astype(float)
    return None


def _native_beam(name):
    """
    Beam (pixels) that follows from a file name, or 0.
    """
    scale = re.search(r'_([0-9.]+)as[._]', name)
    beam = [value for key, value in _BEAMS.items() if key in name]
    if scale is None or not beam:
        return 0.0
    return min(beam[0] / float(scale.group(1)), 8.0)
