# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Draw sources as they were fitted.
"""

from dataclasses import dataclass, replace

import numpy as np

from compact_removal.maps.cutouts import add_cutouts, chunk_slices

__all__ = ['LEAST_SHOWN', 'SourceModels', 'render_sources']

# Peak over the noise that networks see of fainter sources.
LEAST_SHOWN = 8.0

# Part of the noise down to which wings are drawn, and the step of the
# half sizes of stamps (pixels).
_FAINTEST_DRAWN = 1e-3
_STEP = 6


@dataclass(frozen=True)
class SourceModels:
    """
    Fitted sources on a map, to be drawn.

    Parameters
    ----------
    x, y : `~numpy.ndarray`
        Positions (pixels), shape ``(n,)``.
    flux, shapes : `~numpy.ndarray`
        From `fit_sources`.
    psf : SourcePSF
        The PSF.
    noise : `~numpy.ndarray`
        Standard deviation of the background around each source, shape
        ``(n,)``; wings below a thousandth of it are left out.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.fitting import SourceModels, SourcePSF
    >>> band = get_band('scanmap', 'blue')
    >>> models = SourceModels(
    ...     x=np.array([20.0]), y=np.array([15.0]), flux=np.array([5.0]),
    ...     shapes=np.zeros((1, 5)), psf=SourcePSF(band, band.pixel_scale),
    ...     noise=np.array([0.01]))
    >>> image = models.render((31, 41))
    >>> [int(i) for i in np.unravel_index(image.argmax(), image.shape)]
    [15, 20]
    >>> stamps = models.draw(np.array([0]), np.array([[10, 5]]), 21)
    >>> bool((stamps[0] == image[5:26, 10:31]).all())
    True
    """

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    shapes: np.ndarray
    psf: object
    noise: np.ndarray

    def moved(self, dx, dy):
        """
        Move to other pixel coordinates.

        Parameters
        ----------
        dx, dy : float
            What is added to ``x`` and ``y`` (pixels).

        Returns
        -------
        models : `SourceModels`
            The same sources there.
        """
        return replace(self, x=self.x + dx, y=self.y + dy,
                       psf=self.psf.moved(dx, dy))

    def shown(self):
        """
        Hide the fluxes of faint sources.

        Networks see where sources are, not how bright faint ones are:
        an estimate that knows the flux of the fit pulls it towards what
        is usual.

        Returns
        -------
        models : `SourceModels`
            The same sources; those with a peak of less than eight
            standard deviations have this peak and the shape of the PSF.
        """
        least = LEAST_SHOWN * np.nan_to_num(self.noise) / self.psf(0)
        faint = self.flux < least
        return replace(
            self, flux=np.where(faint, least, self.flux),
            shapes=np.where(faint[:, None],
                            self.psf.mean_at(self.x, self.y), self.shapes))

    def render(self, shape):
        """
        Draw all sources, see `render_sources`.

        Parameters
        ----------
        shape : tuple of int
            ``(ny, nx)``.

        Returns
        -------
        model : `~numpy.ndarray`
            Sum of the sources in the unit of ``flux`` per pixel, shape
            ``(ny, nx)``.
        """
        return render_sources(shape, self.x, self.y, self.flux, self.shapes,
                              self.psf, noise=self.noise)

    def draw(self, index, corners, size):
        """
        Draw some sources, each in a cutout of its own.

        Parameters
        ----------
        index : `~numpy.ndarray` of int
            Which ones, shape ``(n,)``.
        corners : `~numpy.ndarray` of int
            ``(x, y)`` of the first pixels of the cutouts, shape ``(n,
            2)``.
        size : int
            Side of the cutouts (pixels).

        Returns
        -------
        stamps : `~numpy.ndarray`
            As they are in `render`, shape ``(n, size, size)``.
        """
        x, y, flux = (value[index, None] for value in (self.x, self.y,
                                                       self.flux))
        half = _half_sizes(self.flux[index], self.noise[index],
                           self.psf)[:, None]
        grid = np.arange(size)
        column, row = (corners[:, i, None] + grid for i in (0, 1))
        drawn = ((np.abs(column - np.rint(x)) <= half)[:, None, :]
                 & (np.abs(row - np.rint(y)) <= half)[:, :, None])
        stamps = flux[:, None] * self.psf.evaluate(
            (column - x)[:, None, :], (row - y)[:, :, None],
            self.shapes[index, None, None])
        return np.where(drawn, stamps, 0.0)


def _half_sizes(flux, noise, psf):
    """
    Half sizes of the stamps of sources (pixels).
    """
    reach = np.maximum(psf.radius_of(np.abs(flux), _FAINTEST_DRAWN * noise),
                       3 * psf.fwhm)
    # of a few sizes, so that sources can be drawn together
    return (_STEP * np.ceil(reach / _STEP)).astype(int)


def render_sources(shape, x, y, flux, shapes, psf, *, noise=None):
    """
    Draw fitted sources.

    Parameters
    ----------
    shape : tuple of int
        ``(ny, nx)``.
    x, y : array_like
        Positions (pixels), shape ``(n,)``.
    flux, shapes : array_like
        From `fit_sources`.
    psf : SourcePSF
        The PSF.
    noise : array_like, optional
        Standard deviation of the background around each source, shape
        ``(n,)``; wings below a thousandth of it are left out. Default:
        sources are drawn out to 15 FWHM.

    Returns
    -------
    model : `~numpy.ndarray`
        Sum of the sources in the unit of ``flux`` per pixel, shape
        ``(ny, nx)``.

    Examples
    --------
    >>> import numpy as np
    >>> from compact_removal.instruments import get_band
    >>> from compact_removal.fitting import SourcePSF, render_sources
    >>> band = get_band('scanmap', 'blue')
    >>> psf = SourcePSF(band, band.pixel_scale)
    >>> model = render_sources((81, 81), [40], [40], [3.0],
    ...                        np.zeros((1, 5)), psf)
    >>> bool(2.5 < model.sum() < 3)
    True
    """
    x, y, flux = (np.asarray(value, dtype=float) for value in (x, y, flux))
    shapes = np.asarray(shapes, dtype=float)
    noise = np.zeros(x.size) if noise is None else np.asarray(noise)
    half = _half_sizes(flux, noise, psf)
    ny, nx = shape
    column, row = np.rint(x).astype(int), np.rint(y).astype(int)
    drawn = ((flux != 0) & (column + half >= 0) & (column - half < nx)
             & (row + half >= 0) & (row - half < ny))
    model = np.zeros(shape)
    for size in np.unique(half[drawn]):
        rows = np.flatnonzero(drawn & (half == size))
        grid = np.arange(-size, size + 1)
        for part in chunk_slices(rows.size, grid.size):
            mine = rows[part]
            dx = column[mine, None] - x[mine, None] + grid
            dy = row[mine, None] - y[mine, None] + grid
            stamps = flux[mine, None, None] * psf.evaluate_stamps(
                dx, dy, shapes[mine])
            add_cutouts(model, stamps, column[mine] - size,
                        row[mine] - size)
    return model
