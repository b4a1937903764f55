# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
What people would use instead of a network, with sensible settings.

Each method takes a `Scene` and returns the flux of each source in the
aperture, and the background map if it makes one. Those that fit a PSF
get the true one, rotated as in the map.
"""

import warnings
from dataclasses import dataclass

import maskfill
import numpy as np
from astropy.stats import SigmaClip
from astropy.table import Table
from photutils.aperture import CircularAperture
from photutils.background import (Background2D, LocalBackground,
                                  MedianBackground)
from photutils.psf import ImagePSF, PSFPhotometry
from scipy.linalg import cho_factor, cho_solve
from scipy.ndimage import distance_transform_edt
from skimage.restoration import inpaint_biharmonic

from compact_removal.maps import add_cutouts, extract_cutouts


@dataclass
class Scene:
    """
    A map with injected sources.

    Attributes
    ----------
    image : `~numpy.ndarray`
        The map; NaN where nothing was measured.
    x, y : `~numpy.ndarray`
        Catalogue positions (pixels).
    holes : `~numpy.ndarray` of bool
        The holes of all sources that the package uses.
    radius : float
        Radius of the aperture (pixels).
    stamp : `~numpy.ndarray`
        The true PSF at the pixel scale of the map, sum below 1.
    fraction : float
        Share of the flux of a source in the aperture.
    fwhm : float
        Width of the PSF (pixels).
    """

    image: np.ndarray
    x: np.ndarray
    y: np.ndarray
    holes: np.ndarray
    radius: float
    stamp: np.ndarray
    fraction: float
    fwhm: float

    def aperture_flux(self, background):
        """
        Sums of the map minus a background in the apertures.
        """
        apertures = CircularAperture(np.column_stack([self.x, self.y]),
                                     self.radius)
        sums, _ = apertures.do_photometry(
            np.nan_to_num(self.image - background))
        return sums

    def fill(self, method, size=64):
        """
        Fill the holes, each in a cutout of its own.
        """
        images, corners = extract_cutouts(self.image, self.x, self.y, size,
                                          fill=np.nan)
        holes, _ = extract_cutouts(self.holes, self.x, self.y, size,
                                   fill=False)
        filled = []
        for image, hole in zip(images, holes, strict=True):
            known = np.isfinite(image) & ~hole
            level = np.median(image[known])
            result = method(np.where(known, image - level, 0.0), ~known)
            filled.append(result + level)
        middle = np.hypot(*(np.indices((size, size)) - size // 2))
        near = np.exp(-0.5 * (middle / 6) ** 2) + 1e-6
        weights = [hole * near for hole in holes]
        total = np.max(weights, axis=(1, 2))
        weights = np.array(weights) / total[:, None, None]
        total, sums = np.zeros((2, *self.image.shape))
        add_cutouts(total, weights, *corners.T)
        add_cutouts(sums, weights * np.array(filled), *corners.T)
        touched = self.holes & (total > 0)
        return np.where(touched, sums / np.where(touched, total, 1),
                        self.image)


def background2d(scene):
    """
    Clipped medians on a mesh (photutils ``Background2D``).
    """
    box = max(8, round(5 * scene.fwhm))
    mask = scene.holes | ~np.isfinite(scene.image)
    found = Background2D(scene.image, box, mask=mask, filter_size=3,
                         sigma_clip=SigmaClip(3.0), exclude_percentile=90,
                         bkg_estimator=MedianBackground())
    background = np.where(scene.holes, found.background, scene.image)
    return scene.aperture_flux(background), background


def psf_photometry(scene):
    """
    True PSF and local annulus (photutils ``PSFPhotometry``).
    """
    psf = ImagePSF(scene.stamp)
    size = 2 * int(np.ceil(1.2 * scene.fwhm)) + 1
    inner = 3 * scene.fwhm
    local = LocalBackground(inner, inner + 2 * scene.fwhm, MedianBackground())
    start = Table({'x_init': scene.x, 'y_init': scene.y,
                   'flux_init': np.full(scene.x.size, 1.0)})
    start['flux_init'] = np.maximum(
        scene.aperture_flux(np.nanmedian(scene.image)) / scene.fraction, 1e-6)
    photometry = PSFPhotometry(psf, size, localbkg_estimator=local,
                               aperture_radius=scene.radius,
                               xy_bounds=1.5)
    table = photometry(scene.image, mask=~np.isfinite(scene.image),
                       init_params=start)
    return np.asarray(table['flux_fit']) * scene.fraction, None


def psf_plane(scene):
    """
    Least squares of the true PSF, with its position, plus a plane.
    """
    reach = 1.6 * scene.fwhm
    size = 2 * int(np.ceil(reach)) + 3
    images, corners = extract_cutouts(scene.image, scene.x, scene.y, size,
                                      fill=np.nan)
    psf = ImagePSF(scene.stamp)
    flux = []
    for image, corner, x, y in zip(images, corners, scene.x, scene.y,
                                   strict=True):
        rows, columns = np.indices(image.shape)
        dx, dy = columns + corner[0] - x, rows + corner[1] - y
        used = np.isfinite(image) & (np.hypot(dx, dy) <= reach)
        dx, dy, values = dx[used], dy[used], image[used]
        shift = np.zeros(2)
        level = values.mean()
        for _ in range(5):
            model = psf.evaluate(dx, dy, 1.0, *shift)
            step = 0.05
            slopes = [(psf.evaluate(dx, dy, 1.0, *(shift + move)) - model)
                      / step for move in step * np.eye(2)]
            basis = np.stack([model, *slopes, np.ones_like(dx), dx, dy], 1)
            found = np.linalg.lstsq(basis, values - level, rcond=None)[0]
            rest = np.std(values - level - basis @ found)
            if found[0] * model.max() > 5 * rest:
                shift = np.clip(shift + found[1:3] / found[0], -1.5, 1.5)
        basis = np.stack([psf.evaluate(dx, dy, 1.0, *shift),
                          np.ones_like(dx), dx, dy], 1)
        found = np.linalg.lstsq(basis, values - level, rcond=None)[0]
        flux.append(found[0] * scene.fraction)
    return np.array(flux), None


def biharmonic(scene):
    """
    Biharmonic fill of the holes (scikit-image).
    """
    background = scene.fill(inpaint_biharmonic, size=48)
    return scene.aperture_flux(background), background


def fill_maskfill(scene):
    """
    Repeated medians (maskfill, van Dokkum & Pasha 2024).
    """
    def method(image, mask):
        smooth, _ = maskfill.maskfill(image, mask.astype(int))
        return np.where(mask, smooth, image)

    background = scene.fill(method, size=48)
    return scene.aperture_flux(background), background


def gaussian_process(scene, *, size=48, ring=5):
    """
    Conditional mean under a local stationary covariance.

    In the manner of CloudCovErr (Saydjari & Finkbeiner 2022): the
    covariance of pixels is learned from the surroundings of each
    source, and the hole is predicted from the pixels around it.
    """
    def method(image, mask):
        known = ~mask
        covariance = _autocovariance(image, known)
        near = known & (distance_transform_edt(known) <= ring)
        hole = mask & (np.hypot(*(np.indices(mask.shape) - size // 2))
                       < size // 2 - ring)
        ky, kx = np.nonzero(near)
        hy, hx = np.nonzero(hole)

        def block(ay, ax, by, bx):
            return covariance[(ay[:, None] - by) % covariance.shape[0],
                              (ax[:, None] - bx) % covariance.shape[1]]

        inner = block(ky, kx, ky, kx)
        inner[np.diag_indices_from(inner)] += 1e-3 * covariance[0, 0]
        factor = cho_factor(inner)
        one = cho_solve(factor, np.ones(len(ky)))
        mean = one @ image[near] / one.sum()
        weights = cho_solve(factor, image[near] - mean)
        result = image.copy()
        result[hole] = mean + block(hy, hx, ky, kx) @ weights
        return result

    background = scene.fill(method, size=size)
    return scene.aperture_flux(background), background


def _autocovariance(image, known):
    """
    Masked autocovariance, made positive definite by its spectrum.
    """
    ny, nx = image.shape
    pad = ((0, ny), (0, nx))
    window = np.outer(np.hanning(2 * ny)[ny // 2:-ny // 2] ** 0.5,
                      np.hanning(2 * nx)[nx // 2:-nx // 2] ** 0.5)
    weight = known * window
    mean = (weight * image).sum() / weight.sum()
    values = np.pad(weight * (image - mean), pad)
    count = np.pad(weight, pad)
    power = np.abs(np.fft.fft2(values)) ** 2
    norm = np.fft.ifft2(np.abs(np.fft.fft2(count)) ** 2).real
    raw = np.fft.ifft2(power).real / np.maximum(norm, 0.02 * norm[0, 0])
    y, x = (np.fft.fftfreq(n, 1 / n) for n in raw.shape)
    taper = np.exp(-0.5 * (np.hypot(x, y[:, None]) / (0.4 * nx)) ** 2)
    spectrum = np.fft.fft2(raw * taper).real
    floor = 1e-6 * spectrum.max()
    return np.fft.ifft2(np.maximum(spectrum, floor)).real


COMPETITORS = {
    'Background2D': background2d,
    'PSFPhotometry': psf_photometry,
    'true PSF + plane': psf_plane,
    'biharmonic': biharmonic,
    'maskfill': fill_maskfill,
    'Gaussian process': gaussian_process,
}


def run(name, scene):
    """
    Run a method without its warnings.
    """
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return COMPETITORS[name](scene)


def cramer_rao(stamp, radius, covariance):
    """
    Least standard error of an aperture flux under Gaussian noise.

    Parameters
    ----------
    stamp : `~numpy.ndarray`
        The true PSF at a known position in the middle.
    radius : float
        Pixels within this radius are used.
    covariance : `~numpy.ndarray`
        Covariance of two pixels by their distance along y and x, on a
        periodic grid.

    Returns
    -------
    error : float
        For a flux of 1 in all, with the mean of the background unknown.
    """
    center = np.array(stamp.shape) // 2
    rows, columns = np.indices(stamp.shape)
    used = np.hypot(rows - center[0], columns - center[1]) <= radius
    rows, columns = rows[used], columns[used]
    matrix = covariance[np.abs(rows[:, None] - rows),
                        np.abs(columns[:, None] - columns)]
    matrix = matrix + 1e-9 * matrix[0, 0] * np.eye(len(matrix))
    design = np.stack([stamp[used], np.ones(used.sum())], 1)
    fisher = design.T @ cho_solve(cho_factor(matrix), design)
    return float(np.sqrt(np.linalg.inv(fisher)[0, 0]))
