# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
The analytic model of the point spread function.

Every PSF object has two methods: ``evaluate(dx, dy)`` gives the
fraction of the total flux per square arcsec at offsets in arcsec, and
``encircled_energy(radii)`` the fraction within circles.
"""

from dataclasses import replace

from compact_removal.instruments import PSFParameters
from compact_removal.instruments.psf_model import evaluate_model, model_energy
from compact_removal.utils.parameters import ParameterTypeError

__all__ = ['AnalyticPSF']


class AnalyticPSF:
    """
    The analytic PSF: core, halo, ring with three lobes, and wings.

    The flux over the infinite plane is 1. The shape follows the
    description of the PACS PSF in the paper (Sect. 2.2); the parameters
    of the tables were fitted to Vesta stamps, maps of gamma Draconis
    and the encircled-energy tables.

    Parameters
    ----------
    parameters : `~compact_removal.instruments.PSFParameters`
        The parameters.

    Raises
    ------
    TypeError
        If ``parameters`` is something else.

    Examples
    --------
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.psf import AnalyticPSF
    >>> psf = AnalyticPSF(get_band('scanmap', 'blue').psf)
    >>> print(psf.evaluate([0, 3], 0).round(3))
    [0.021 0.009]
    >>> print(psf.encircled_energy([6, 12]).round(2))
    [0.64 0.8 ]
    >>> print(f'{psf.fwhm:.1f} {psf.vary(broadening=1.2).fwhm:.1f}')
    5.0 6.0
    """

    def __init__(self, parameters):
        if not isinstance(parameters, PSFParameters):
            msg = ('parameters must be a PSFParameters object, got '
                   f'{type(parameters).__name__}')
            raise ParameterTypeError(msg, 'parameters')
        self.parameters = parameters

    def __repr__(self):
        return f'{type(self).__name__}({self.parameters!r})'

    def __eq__(self, other):
        if type(other) is not type(self):
            return NotImplemented
        return self.parameters == other.parameters

    def __hash__(self):
        return hash(self.parameters)

    @property
    def fwhm(self):
        """
        Full width at half maximum of the core (arcsec).
        """
        return self.parameters.fwhm

    def vary(self, *, broadening=1.0, elongation=1.0, lobes=1.0, wings=1.0):
        """
        Change the shape, as that of real sources differs.

        Parameters
        ----------
        broadening : float, optional
            Factor on the width of core and halo.
        elongation : float, optional
            Factor on the elongation of the core.
        lobes : float, optional
            Factor on the contrast of the lobes (at most full contrast).
        wings : float, optional
            Factor on the flux in the wings; core, halo and ring share
            the rest in the old proportions.

        Returns
        -------
        psf : `AnalyticPSF`
            The new PSF, of unit flux.
        """
        old = self.parameters
        wing = min(old.wing_fraction * wings, 0.95)
        share = (1 - wing) / (1 - old.wing_fraction)
        return AnalyticPSF(replace(
            old,
            fwhm=old.fwhm * broadening,
            elongation=old.elongation * elongation,
            lobes=min(old.lobes * lobes, 1.0),
            core_fraction=old.core_fraction * share,
            halo_fraction=old.halo_fraction * share,
            ring_fraction=old.ring_fraction * share))

    def evaluate(self, dx, dy):
        """
        Surface brightness at offsets from the centre.

        Parameters
        ----------
        dx, dy : float or array_like
            Offsets (arcsec) along the larger width of the core and
            across it; they are broadcast.

        Returns
        -------
        brightness : `~numpy.ndarray`
            Fraction of the flux per square arcsec, of the shape of the
            offsets.
        """
        return evaluate_model(self.parameters, dx, dy)

    def encircled_energy(self, radii):
        """
        Fraction of the flux within circles around the centre.

        Parameters
        ----------
        radii : array_like
            Radii (arcsec), shape ``(n,)``.

        Returns
        -------
        fraction : `~numpy.ndarray`
            Values in [0, 1], shape ``(n,)``.
        """
        return model_energy(self.parameters, radii)
