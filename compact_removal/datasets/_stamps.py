# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Libraries of PSF stamps with varied shapes and sub-pixel positions.
"""

import astropy.units as u
import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy import fft

from compact_removal.psf import as_psf, fwhm_in_pixels, make_psf_stamp

__all__ = ['StampLibrary', 'draw_knots', 'make_varied_stamp', 'vary_psf']

# How the width, lobes and wings of real sources vary.
_BROADENING = (0.93, 1.11)
_LOBES = (0.7, 1.3)
_WINGS = (0.7, 1.4)

# The elongation of a source is 1 plus that of the band times this; the
# scans of a strongly elongated one may have crossed.
_ELONGATION = (0.0, 3.3)
_CROSSED_CHANCE = 0.4
_CROSSED_LEAST = 1.2

# Sources of one map differ by this much in log of width and elongation.
_SCATTER = 0.01

# Some sources are larger than the beam: share, and width of source and
# beam together over that of the beam.
_EXTENDED_CHANCE = 0.15
_EXTENT = (1.0, 2.0)

# Knots beside the core, of which no model of a PSF has heard: how many;
# one of so many sources has others than the rest of its map; their distances
# and widths over the full width of the PSF; the least height as a share of the
# largest.
_N_KNOTS = (2, 7)
_OWN = 3
_KNOT_DISTANCES, _KNOT_WIDTHS, _LEAST_KNOT = (0.8, 2.8), (0.5, 1.0), 0.1


def vary_psf(band, rng):
    """
    Draw the PSF of a map, which differs a little from the nominal one.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    rng : `~numpy.random.Generator`
        Draws position angle, broadening, elongation, lobes and wings.

    Returns
    -------
    psf : object
        The PSF.
    angle : `~astropy.units.Quantity`
        Its position angle.
    crossed : bool
        Whether two scans have crossed.
    """
    psf = as_psf(band)
    angle = rng.uniform(0, 360) * u.deg
    broadening, lobes, wings, excess = (
        rng.uniform(*limits)
        for limits in (_BROADENING, _LOBES, _WINGS, _ELONGATION))
    crossed = False
    if hasattr(psf, 'vary'):
        nominal = getattr(getattr(psf, 'parameters', None), 'elongation',
                          1.05)
        target = 1 + (nominal - 1) * excess
        psf = psf.vary(broadening=broadening, elongation=target / nominal,
                       lobes=lobes, wings=wings)
        crossed = target > _CROSSED_LEAST and rng.random() < _CROSSED_CHANCE
    return psf, angle, crossed


def draw_knots(band, largest, rng):
    """
    Draw knots beside the core of a PSF, bright and dark ones.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    largest : float
        Their largest height over the peak of the PSF.
    rng : `~numpy.random.Generator`
        Source of randomness.

    Returns
    -------
    x, y, height, sigma : `~numpy.ndarray`
        Offsets (pixels), heights over the peak, and standard deviations
        (pixels), shape ``(n,)``.
    """
    fwhm = fwhm_in_pixels(band, band.pixel_scale)
    number = rng.integers(*_N_KNOTS)
    angle = rng.uniform(0, 2 * np.pi, number)
    distance = fwhm * rng.uniform(*_KNOT_DISTANCES, number)
    height = largest * _LEAST_KNOT ** rng.uniform(0, 1, number)
    return (distance * np.cos(angle), distance * np.sin(angle),
            height * rng.choice((-1, 1), number),
            gaussian_fwhm_to_sigma * fwhm * rng.uniform(*_KNOT_WIDTHS,
                                                        number))


def _add_knots(stamp, center, knots):
    """
    A stamp with knots, and as much light as before.
    """
    rows, columns = np.ogrid[:stamp.shape[0], :stamp.shape[1]]
    total, peak = stamp.sum(), stamp.max()
    for x, y, height, sigma in zip(*knots, strict=True):
        stamp = stamp + height * peak * np.exp(-0.5 * (
            (columns - center[0] - x) ** 2
            + (rows - center[1] - y) ** 2) / sigma ** 2)
    return stamp * total / stamp.sum()


def make_varied_stamp(band, varied, *, shape, center, rng, knots=None):
    """
    Make the stamp of a source of a map.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    varied : tuple
        From `vary_psf`.
    shape : tuple of int
        ``(ny, nx)``.
    center : tuple of float
        ``(x, y)`` of the source.
    rng : `~numpy.random.Generator`
        Draws how the source differs from the others.
    knots : tuple of `~numpy.ndarray`, optional
        From `draw_knots`.

    Returns
    -------
    stamp : `~numpy.ndarray`
        Fraction of the flux per pixel.
    extent : float
        Width of the source with the PSF over that of the PSF.
    """
    psf, angle, crossed = varied
    if hasattr(psf, 'vary'):
        broadening, elongation = np.exp(rng.normal(0, _SCATTER, 2))
        psf = psf.vary(broadening=broadening, elongation=elongation)
    grid = {'pixel_scale': band.pixel_scale, 'shape': shape,
            'center': center}
    stamp = make_psf_stamp(psf, position_angle=angle, **grid)
    if crossed:
        stamp += make_psf_stamp(psf, position_angle=angle + 90 * u.deg,
                                **grid)
        stamp /= 2
    if knots is not None:
        stamp = _add_knots(stamp, center, knots)
    if rng.random() < _EXTENDED_CHANCE:
        fwhm = float(psf.fwhm) / band.pixel_scale.to_value(u.arcsec)
        return _broaden(stamp, fwhm, rng)
    return stamp, 1.0


def _broaden(stamp, fwhm, rng):
    """
    Convolve a stamp with a Gaussian source of random size and shape.
    """
    extent = rng.uniform(*_EXTENT)
    sigma = gaussian_fwhm_to_sigma * fwhm * np.sqrt(extent ** 2 - 1)
    ratio, angle = rng.uniform(0.5, 1), rng.uniform(0, np.pi)
    ky = fft.fftfreq(stamp.shape[0])[:, None]
    kx = fft.rfftfreq(stamp.shape[1])
    along = kx * np.cos(angle) + ky * np.sin(angle)
    across = ratio * (ky * np.cos(angle) - kx * np.sin(angle))
    transfer = np.exp(-2 * (np.pi * sigma) ** 2 * (along ** 2 + across ** 2))
    return fft.irfft2(fft.rfft2(stamp) * transfer, s=stamp.shape), extent


class StampLibrary:
    """
    Stamps of one band, each with its own sub-pixel position.

    Parameters
    ----------
    band : `~compact_removal.instruments.Band`
        The band.
    n_psfs : int
        Number of PSFs, as of so many maps.
    n_stamps : int
        Number of stamps of each.
    half : int
        Half size: stamps have ``2 * half + 1`` pixels a side.
    rng : `~numpy.random.Generator`
        Source of randomness.
    knots : float, optional
        Largest height of knots over the peak of the PSF; 0 for none.
    """

    def __init__(self, band, n_psfs, n_stamps, half, rng, *, knots=0.0):
        size = 2 * half + 1
        self.stamps = np.empty((n_psfs, n_stamps, size, size),
                               dtype=np.float32)
        self.phases = rng.uniform(-0.5, 0.5, (n_psfs, n_stamps, 2))
        self.extents = np.empty((n_psfs, n_stamps))
        for psf, (stamps, phases) in enumerate(zip(self.stamps, self.phases,
                                                   strict=True)):
            varied = vary_psf(band, rng)
            common = draw_knots(band, knots, rng) if knots else None
            for k, (dx, dy) in enumerate(phases):
                own = common
                if knots and k % _OWN == _OWN - 1:
                    own = draw_knots(band, knots, rng)
                stamps[k], self.extents[psf, k] = make_varied_stamp(
                    band, varied, shape=(size, size),
                    center=(half + dx, half + dy), rng=rng, knots=own)

    def draw(self, psf, rng):
        """
        Draw a stamp.

        Parameters
        ----------
        psf : int
            Number of the PSF.
        rng : `~numpy.random.Generator`
            Source of randomness.

        Returns
        -------
        stamp : `~numpy.ndarray`
            A view of shape ``(2 * half + 1, 2 * half + 1)``.
        phase : tuple of float
            ``(x, y)`` of the source from the central pixel.
        extent : float
            Width of the source over that of the PSF; 1 for a point.
        """
        index = rng.integers(self.stamps.shape[1])
        return (self.stamps[psf, index], tuple(self.phases[psf, index]),
                self.extents[psf, index])
