# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Simulated maps of radio interferometers: sources, sidelobes and noise.
"""

from dataclasses import dataclass

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from scipy import fft, ndimage

from compact_removal.datasets._ranges import check_ranges, draw_power_law
from compact_removal.datasets.moffat import draw_even

__all__ = ['RadioMap', 'RadioSettings', 'make_radio_map']

# Stations of the array, hour angles that it observes (radians), times per
# baseline, latitudes and declinations (radians).
_N_STATIONS, _HOURS, _N_TIMES = (8, 36), (0.3, 1.6), 24
_LATITUDES, _DECLINATIONS = (-0.8, 0.8), (-0.9, 0.9)

# Extended sources: doubles (two lobes, perhaps a core) or blobs; distances
# of lobes, and widths of lobes and blobs (beams).
_DOUBLES, _CORES = 0.6, 0.5
_ARMS, _LOBES, _BLOBS = (1.0, 4.0), (0.6, 1.6), (1.2, 3.5)

# A source ends where its light is at this many standard deviations of the
# noise, or at this share of its peak.
_LEVEL, _SHARE = 2.0, 0.02

# An artefact: sidelobes above so many standard deviations of the noise, with
# a peak above so many, of at least so many beams.
_SIDELOBE, _SIDELOBE_PEAK, _BEAMS = 2.5, 4.5, 0.3

# Slope of the numbers of sources.
_SLOPE = 0.8

_FULL_TURN = 2 * np.pi


@dataclass(frozen=True)
class RadioSettings:
    """
    Ranges from which maps are drawn; all but ``extended`` are even in the
    logarithm.

    Parameters
    ----------
    fwhm : tuple of float, optional
        Full width at half maximum of the beam (pixels).
    density : tuple of float, optional
        Sources per 1000 beams.
    snr : tuple of float, optional
        Peaks of sources over the noise; their numbers fall with a power
        of -0.8.
    extended : float, optional
        Share of extended sources.
    residual : tuple of float, optional
        Share of the light of each source whose sidelobes are left, as
        deconvolution and calibration are not perfect.

    Raises
    ------
    ParameterError
        If a range is not one of positive numbers.

    Examples
    --------
    >>> from compact_removal.datasets import RadioSettings
    >>> RadioSettings(extended=0.0).fwhm
    (3.0, 6.0)
    """

    fwhm: tuple = (3.0, 6.0)
    density: tuple = (3.0, 20.0)
    snr: tuple = (5.0, 1000.0)
    extended: float = 0.25
    residual: tuple = (0.005, 0.1)

    def __post_init__(self):
        check_ranges(self)


@dataclass(frozen=True, eq=False)
class RadioMap:
    """
    A simulated radio map and its truth.

    Parameters
    ----------
    image : `~numpy.ndarray`
        Light per beam, over the noise, shape ``(ny, nx)``.
    fwhm : float
        Geometric mean of the widths of the beam (pixels).
    x, y, flux : `~numpy.ndarray`
        Centres (pixels) and fluxes of sources (in units of the noise of a
        beam), or of sidelobes (their sums), shape ``(n,)``.
    kind : tuple of str
        ``'compact'``, ``'extended'`` or ``'artefact'``.
    masks : `~numpy.ndarray` of bool
        Where each of them is, shape ``(n, ny, nx)``.

    Examples
    --------
    >>> from compact_removal.datasets import make_radio_map
    >>> field = make_radio_map((64, 64), seed=1)
    >>> field.masks.shape[1:]
    (64, 64)
    """

    image: np.ndarray
    fwhm: float
    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    kind: tuple
    masks: np.ndarray


def make_radio_map(shape=(256, 256), *, settings=None, seed=None):
    """
    Simulate a map of a radio interferometer.

    The array has random stations; the rotation of the Earth turns their
    baselines. Sources are compact, doubles or blobs, and have the
    restoring beam. Of each source a part is left with the sidelobes of
    the synthesized beam. The noise has the same spectrum.

    Parameters
    ----------
    shape : tuple of int, optional
        Rows and columns.
    settings : `RadioSettings`, optional
        The ranges that everything is drawn from.
    seed : int or `~numpy.random.Generator`, optional
        Seed.

    Returns
    -------
    field : `RadioMap`
        Image and truth.

    Examples
    --------
    >>> from compact_removal.datasets import make_radio_map
    >>> make_radio_map((80, 100), seed=1).image.shape
    (80, 100)
    """
    rng = np.random.default_rng(seed)
    settings = RadioSettings() if settings is None else settings
    fwhm = draw_even(rng, settings.fwhm)
    weights, moments = _sample_plane(rng, shape, fwhm)
    beam = _GaussianBeam(moments)
    fwhm = beam.fwhm
    noise = _turn_back(fft.rfft2(rng.standard_normal(weights.shape))
                       * np.sqrt(_half(weights)), shape)
    noise /= noise.std()
    area = np.pi * (0.5 * fwhm) ** 2
    n = max(rng.poisson(draw_even(rng, settings.density) * np.prod(shape)
                        / (1000 * area)), 1)
    lights, rows = [], []
    left = np.zeros(weights.shape)
    for _ in range(n):
        parts, kind = _draw_parts(rng, shape, beam, settings)
        light = sum(beam.draw(shape, *part) for part in parts)
        flux = draw_power_law(rng, settings.snr, _SLOPE) / light.max()
        lights.append(flux * light)
        share = draw_even(rng, settings.residual)
        for x, y, part, *_ in parts:
            _deposit(left, x, y, share * flux * part)
        total = sum(part[2] for part in parts)
        rows.append((sum(part[0] * part[2] for part in parts) / total,
                     sum(part[1] * part[2] for part in parts) / total,
                     flux * total, kind))
    lights = np.array(lights)
    # what the clean beam has not, of light that is left
    clean = beam.transform(weights.shape)
    sidelobes = _turn_back(fft.rfft2(left) * (_half(weights) - clean), shape)
    masks = [light > max(_LEVEL, _SHARE * light.max()) for light in lights]
    extra, places = _find_sidelobes(sidelobes, np.any(masks, axis=0), area)
    x, y, flux, kind = zip(*rows, *places, strict=True)
    return RadioMap(
        (lights.sum(axis=0) + sidelobes + noise).astype(np.float32), fwhm,
        np.array(x), np.array(y), np.array(flux), kind,
        np.array([*masks, *extra]))


class _GaussianBeam:
    """
    The restoring beam: an elliptical Gaussian with a peak of 1.

    Parameters
    ----------
    moments : `~numpy.ndarray`
        Second moments of the coverage (cycles per pixel, squared).
    """

    def __init__(self, moments):
        # it has the curvature of the synthesized beam
        self.covariance = np.linalg.inv(_FULL_TURN ** 2 * moments)
        self.fwhm = float(np.linalg.det(self.covariance) ** 0.25
                          / gaussian_fwhm_to_sigma)

    def draw(self, shape, x, y, flux, major=0.0, minor=0.0, angle=0.0):
        """
        Draw a Gaussian source (widths in pixels) with the beam.

        Light per beam, whose sum is the flux times the area of the beam.
        """
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        widths = np.diag(np.square([major, minor]) * gaussian_fwhm_to_sigma
                         ** 2)
        covariance = self.covariance + turn @ widths @ turn.T
        peak = flux * np.sqrt(np.linalg.det(self.covariance)
                              / np.linalg.det(covariance))
        (a, b), (_, c) = np.linalg.inv(covariance)
        dy, dx = np.arange(shape[0])[:, None] - y, np.arange(shape[1]) - x
        return peak * np.exp(-0.5 * (a * dx ** 2 + 2 * b * dx * dy
                                     + c * dy ** 2))

    def transform(self, shape):
        """
        Its Fourier transform, over that of the synthesized beam at 0.
        """
        v, u = fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])
        (a, b), (_, c) = self.covariance
        area = _FULL_TURN * np.sqrt(np.linalg.det(self.covariance))
        return area * np.exp(-0.5 * _FULL_TURN ** 2 * (
            a * u ** 2 + 2 * b * u * v + c * v ** 2))


def _sample_plane(rng, shape, fwhm):
    """
    Weights of spatial frequencies, and their second moments.

    The weights are those of a map twice as large, so that nothing comes
    around; the peak of the synthesized beam is 1.
    """
    size = fft.next_fast_len(2 * max(shape))
    n = rng.integers(*_N_STATIONS)
    # more stations in the middle
    radius, angle = np.exp(rng.normal(0, 0.8, n)), rng.uniform(
        0, _FULL_TURN, n)
    east, north = radius * np.cos(angle), radius * np.sin(angle)
    first, second = np.triu_indices(n, 1)
    east, north = east[first] - east[second], north[first] - north[second]
    latitude, declination = (rng.uniform(*limits) for limits in (
        _LATITUDES, _DECLINATIONS))
    hours = np.linspace(-1, 1, _N_TIMES)[:, None] * rng.uniform(*_HOURS)
    # equatorial coordinates of the baselines
    x, y, z = -np.sin(latitude) * north, east, np.cos(latitude) * north
    u = np.sin(hours) * x + np.cos(hours) * y
    v = (-np.sin(declination) * np.cos(hours) * x + np.sin(declination)
         * np.sin(hours) * y + np.cos(declination) * z)
    u, v = u.ravel(), v.ravel()
    scale = gaussian_fwhm_to_sigma * fwhm * _FULL_TURN
    u, v = (values / (scale * np.sqrt(0.5 * np.mean(u ** 2 + v ** 2)))
            for values in (u, v))
    good = np.maximum(np.abs(u), np.abs(v)) < 0.5
    u, v = u[good], v[good]
    weights = np.zeros((size, size))
    columns, rows = (np.rint(values * size).astype(int) % size
                     for values in (u, v))
    np.add.at(weights, (rows, columns), 1.0)
    np.add.at(weights, (-rows % size, -columns % size), 1.0)
    # between natural and uniform weighting
    weights **= rng.uniform(0.3, 1.0)
    weights *= size ** 2 / weights.sum()
    frequency = fft.fftfreq(size)
    v, u = np.meshgrid(frequency, frequency, indexing='ij')
    moments = np.array([[np.mean(weights * one * other) for other in (u, v)]
                        for one in (u, v)])
    return weights, moments


def _half(weights):
    """
    The half of a plane of frequencies that a real transform has.
    """
    return weights[:, :weights.shape[1] // 2 + 1]


def _turn_back(transform, shape):
    """
    Transform to a map, and cut it out.
    """
    size = transform.shape[0]
    return fft.irfft2(transform, s=(size, size))[:shape[0], :shape[1]]


def _draw_parts(rng, shape, beam, settings):
    """
    Gaussian parts of a source (see `_GaussianBeam.draw`), and its kind.
    """
    x, y = (rng.uniform(0, n - 1) for n in shape[::-1])
    if rng.random() >= settings.extended:
        return [(x, y, 1.0)], 'compact'
    def draw_widths(limits):
        major = beam.fwhm * draw_even(rng, limits)
        return major, major * rng.uniform(0.5, 1), rng.uniform(0, np.pi)

    if rng.random() >= _DOUBLES:
        return [(x, y, 1.0, *draw_widths(_BLOBS))], 'extended'
    angle = rng.uniform(0, _FULL_TURN)
    parts = []
    for turn in (0, np.pi):
        arm = beam.fwhm * rng.uniform(*_ARMS) / 2
        bend = angle + turn + rng.normal(0, 0.15)
        parts.append((x + arm * np.cos(bend), y + arm * np.sin(bend),
                      rng.uniform(0.4, 1.0), *draw_widths(_LOBES)))
    if rng.random() < _CORES:
        parts.append((x, y, rng.uniform(0.05, 0.5)))
    return parts, 'extended'


def _deposit(image, x, y, value):
    """
    Share a value among the four nearest pixels, in place.
    """
    column, row = int(np.floor(x)), int(np.floor(y))
    dx, dy = x - column, y - row
    for down, across, share in ((0, 0, (1 - dx) * (1 - dy)),
                                (0, 1, dx * (1 - dy)),
                                (1, 0, (1 - dx) * dy), (1, 1, dx * dy)):
        image[(row + down) % image.shape[0],
              (column + across) % image.shape[1]] += share * value


def _find_sidelobes(sidelobes, taken, area):
    """
    Masks of bright sidelobes, and their places, sums and kinds.
    """
    labels, n = ndimage.label((sidelobes > _SIDELOBE) & ~taken)
    masks, rows = [], []
    for number, window in enumerate(ndimage.find_objects(labels), 1):
        mask = labels[window] == number
        light = np.where(mask, sidelobes[window], 0)
        if light.max() < _SIDELOBE_PEAK or mask.sum() < _BEAMS * area:
            continue
        whole = np.zeros(labels.shape, dtype=bool)
        whole[window] = mask
        y, x = ndimage.center_of_mass(light)
        masks.append(whole)
        rows.append((x + window[1].start, y + window[0].start, light.sum(),
                     'artefact'))
    return masks, rows
