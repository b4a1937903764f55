# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The analytic model of a point spread function, from its parameters.

`~compact_removal.psf.AnalyticPSF` is the object that users meet; the bands
need the same model where their tables of encircled energies end.
"""

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma

__all__ = ['evaluate_model', 'model_energy']


def evaluate_model(parameters, dx, dy):
    """
    Surface brightness of the model at offsets from the centre.

    Parameters
    ----------
    parameters : `~compact_removal.instruments.PSFParameters`
        The parameters.
    dx, dy : float or array_like
        Offsets (arcsec) along the larger width of the core and across
        it; they are broadcast.

    Returns
    -------
    brightness : `~numpy.ndarray`
        Fraction of the flux per square arcsec, of the shape of the
        offsets.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.instruments.psf_model import evaluate_model
    >>> parameters = get_band('scanmap', 'blue').psf
    >>> print(evaluate_model(parameters, [0, 3], 0).round(3))
    [0.021 0.009]
    """
    par = parameters
    dx, dy = np.asarray(dx, dtype=float), np.asarray(dy, dtype=float)
    sigma = par.fwhm * gaussian_fwhm_to_sigma
    squared = dx ** 2 + dy ** 2
    radius = np.sqrt(squared)
    ratio = np.sqrt(par.elongation)
    core = (np.exp(-0.5 * ((dx / ratio) ** 2 + (dy * ratio) ** 2)
                   / sigma ** 2) / (2 * np.pi * sigma ** 2))
    halo_sigma = sigma * par.halo_scale
    halo = (np.exp(-0.5 * squared / halo_sigma ** 2)
            / (2 * np.pi * halo_sigma ** 2))
    ring = np.exp(-0.5 * ((radius - par.ring_radius)
                          / par.ring_width) ** 2)
    # cos(3 theta) without an angle, by the triple-angle formula
    cosine = np.divide(dx, radius, out=np.zeros_like(radius),
                       where=radius > 0)
    ring = ring * (1 + par.lobes * (4 * cosine ** 3 - 3 * cosine))
    ring /= _ring_norm(par.ring_radius, par.ring_width)
    wing = ((par.wing_slope - 1) / (np.pi * par.wing_scale ** 2)
            * (1 + squared / par.wing_scale ** 2) ** -par.wing_slope)
    return (par.core_fraction * core + par.halo_fraction * halo
            + par.ring_fraction * ring + par.wing_fraction * wing)


def model_energy(parameters, radii):
    """
    Fraction of the flux of the model within circles around the centre.

    Parameters
    ----------
    parameters : `~compact_removal.instruments.PSFParameters`
        The parameters.
    radii : array_like
        Radii (arcsec), of any shape.

    Returns
    -------
    fraction : `~numpy.ndarray`
        Values in [0, 1], of the shape of the radii.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.instruments.psf_model import model_energy
    >>> parameters = get_band('scanmap', 'blue').psf
    >>> print(model_energy(parameters, [6, 12]).round(2))
    [0.64 0.8 ]
    """
    radii = np.asarray(radii, dtype=float)
    scale = parameters.fwhm
    # Fine steps in the core, growing ones in the wings.
    r = scale * np.sinh(np.linspace(
        0, np.arcsinh(max(radii.max(initial=0), 1e-3) / scale), 801))
    angle = np.arange(48) * (2 * np.pi / 48)
    mean = evaluate_model(parameters, r[:, None] * np.cos(angle),
                          r[:, None] * np.sin(angle)).mean(axis=1)
    step = 2 * np.pi * r * mean
    energy = np.concatenate([[0], np.cumsum(
        (step[1:] + step[:-1]) / 2 * np.diff(r))])
    # it grows with the square of small radii
    return np.interp(np.maximum(radii, 0) ** 2, r ** 2, energy)


def _ring_norm(radius, width):
    """
    Integral over the plane of a unit ring that is Gaussian in radius.
    """
    r = np.linspace(max(0, radius - 8 * width), radius + 8 * width, 401)
    return np.trapezoid(2 * np.pi * r
                        * np.exp(-0.5 * ((r - radius) / width) ** 2), r)
