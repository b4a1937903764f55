# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Maps with any kind of WCS, whose sources are put on the sky without the
geometry of the package.
"""

from dataclasses import dataclass

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.wcs import WCS, DistortionLookupTable
from hypothesis import strategies as st

from compact_removal.instruments import get_band
from compact_removal.psf import as_psf

__all__ = ['CODES', 'DISTORTIONS', 'FRAMES', 'SkyMap', 'make_sky_map',
           'sky_maps', 'true_positions']

CODES = ('TAN', 'SIN', 'ARC', 'ZEA', 'STG', 'CAR', 'CEA', 'MER', 'SFL',
         'AIT', 'MOL', 'PAR')
FRAMES = ('RA DEC', 'RA DEC FK5 1975', 'RA DEC FK4 1950', 'GLON GLAT',
          'ELON ELAT', 'SLON SLAT')
DISTORTIONS = ('none', 'SIP', 'TPV', 'lookup')

# Of astropy, for the frames of which astropy's WCS does not know.
_ASTROPY_FRAMES = {'GLON': 'galactic', 'SLON': 'supergalactic',
                   'ELON': 'barycentricmeanecliptic'}

_NOMINAL = 1.6 / 3600
_NOISE = 3e-5  # of a pixel of nominal size (Jy)


@dataclass(frozen=True)
class SkyMap:
    """
    A kind of map.

    Parameters
    ----------
    code : str
        Projection.
    frame : str
        Names of the axes, and RADESYS and EQUINOX.
    swapped : bool
        Whether latitude is the first axis.
    lon, lat : float
        Where the map is (degrees).
    off_lon, off_lat : float
        Where CRVAL is, seen from there (degrees); CRVAL is on the
        equator for projections that are not zenithal if ``off_lat`` is
        NaN.
    scale : float
        Pixels (arcsec).
    angle : float
        Rotation (degrees).
    parity : int
        1 or -1.
    distortion : str
        One of ``DISTORTIONS``.
    strength : float
        Change of the pixel size by the distortion over the map.
    """

    code: str = 'TAN'
    frame: str = 'RA DEC'
    swapped: bool = False
    lon: float = 83.8
    lat: float = -5.4
    off_lon: float = 0.0
    off_lat: float = 0.0
    scale: float = 1.6
    angle: float = 0.0
    parity: int = -1
    distortion: str = 'none'
    strength: float = 0.0


@st.composite
def sky_maps(draw):
    """
    Draw kinds of maps.
    """
    off = st.one_of(st.just(0.0), st.floats(-3, 3), st.floats(-70, 70))
    return SkyMap(
        code=draw(st.sampled_from(CODES)), frame=draw(st.sampled_from(FRAMES)),
        swapped=draw(st.booleans()),
        lon=draw(st.one_of(st.sampled_from([0.0, 180.0]), st.floats(0, 360))),
        lat=draw(st.one_of(st.sampled_from([0.0, 90.0, -90.0]),
                           st.floats(-90, 90))),
        off_lon=draw(off), off_lat=draw(st.one_of(st.just(np.nan), off)),
        scale=draw(st.floats(0.8, 3.2)), angle=draw(st.floats(-180, 180)),
        parity=draw(st.sampled_from([-1, 1])),
        distortion=draw(st.sampled_from(DISTORTIONS)),
        strength=draw(st.floats(-0.06, 0.06)))


def _header(kind, shape):
    """
    Cards of the WCS, whose reference pixel is in the middle of the map.
    """
    lon, lat, *system = kind.frame.split()
    code = kind.code
    if kind.distortion == 'TPV':
        code = 'TPV'
    elif kind.distortion == 'SIP':
        code += '-SIP'
    names = f'{lon:-<4}-{code}', f'{lat:-<4}-{code}'
    off_lat = -kind.lat if np.isnan(kind.off_lat) else kind.off_lat
    crval = ((kind.lon + kind.off_lon) % 360,
             float(np.clip(kind.lat + off_lat, -90, 90)))
    cos, sin = np.cos(np.radians(kind.angle)), np.sin(np.radians(kind.angle))
    step = kind.scale / 3600
    matrix = step * np.array([[kind.parity * cos, -sin],
                              [kind.parity * sin, cos]])
    order = (1, 0) if kind.swapped else (0, 1)
    cards = {'NAXIS': 2, 'NAXIS1': shape[1], 'NAXIS2': shape[0]}
    for i, k in enumerate(order):
        cards |= {f'CTYPE{i + 1}': names[k], f'CRVAL{i + 1}': crval[k],
                  f'CRPIX{i + 1}': shape[1 - i] / 2}
        cards |= {f'CD{i + 1}_{j + 1}': matrix[k, j] for j in (0, 1)}
    if system:
        cards |= {'RADESYS': system[0], 'EQUINOX': float(system[1])}
    return cards


def _distort(kind, cards, shape):
    """
    A WCS with a distortion around the middle of the map.
    """
    half = max(shape) / 2
    if kind.distortion == 'SIP':
        bend = kind.strength / (2 * half)
        cards |= {'A_ORDER': 2, 'B_ORDER': 2, 'A_2_0': bend,
                  'B_0_2': -bend / 2, 'A_1_1': bend / 3}
    elif kind.distortion == 'TPV':
        bend = kind.strength / (2 * half * kind.scale / 3600)
        cards |= {'PV1_1': 1.0, 'PV1_4': bend, 'PV2_1': 1.0, 'PV2_5': bend}
    wcs = WCS(fits.Header(cards))
    if kind.distortion == 'lookup':
        knots = np.arange(9) - 4.0
        table = (0.5 * kind.strength * half / 4 * knots ** 2
                 / 4).astype(np.float32)
        table = np.tile(table, (9, 1))
        step = max(shape) / 8
        wcs.cpdis1 = DistortionLookupTable(table, (1, 1), (1, 1),
                                           (step, step))
        wcs.cpdis2 = DistortionLookupTable(table.T.copy(), (1, 1), (1, 1),
                                           (step, step))
    return wcs


def make_sky_map(kind, shape=(96, 96), flux=1.0, *, seed=1):
    """
    Make a map with a source on the sky.

    The brightness of every pixel is that of the PSF of the blue band at
    its true angular distance from the source.

    Parameters
    ----------
    kind : `SkyMap`
        What kind of map.
    shape : tuple of int
        ``(ny, nx)``.
    flux : float
        Flux of the source (Jy).
    seed : int
        Seed of the noise.

    Returns
    -------
    image : CCDData or None
        The map (MJy/sr); None if it is nowhere on the sky.
    position : SkyCoord
        Where the source is, shape (1,).
    """
    try:
        wcs = _distort(kind, _header(kind, shape), shape)
        wcs.wcs.set()
    except ValueError:
        return None, None
    wcs = _move(wcs, kind, shape)
    if wcs is None:
        return None, None
    source = 0.55 * shape[1] + 0.3, 0.47 * shape[0] - 0.2
    y, x = np.indices(shape)
    sky = true_positions(wcs, x.ravel(), y.ravel(), kind.frame)
    position = true_positions(wcs, *np.array(source)[:, None], kind.frame)
    if sky is None or position is None:
        return None, None
    band = get_band('scanmap', 'blue')
    distance = position[0].separation(sky).to_value(u.arcsec)
    angle = position[0].position_angle(sky).to_value(u.rad)
    psf = as_psf(band).evaluate(distance * np.sin(angle),
                                distance * np.cos(angle))
    noise = np.random.default_rng(seed).normal(size=psf.size)
    data = (flux * psf + (0.01 + _NOISE * noise) / 1.6 ** 2) * u.Jy
    data = (data / u.arcsec ** 2).to(u.MJy / u.sr)
    return CCDData(data.reshape(shape), wcs=wcs), position


def _move(wcs, kind, shape):
    """
    Move the reference pixel so that the place of the map is its middle.
    """
    world = np.zeros((1, 2))
    world[0, [wcs.wcs.lng, wcs.wcs.lat]] = kind.lon, kind.lat
    plain = wcs.deepcopy()
    plain.wcs.bounds_check(False, True)
    pixel = plain.wcs_world2pix(world, 0)[0]
    middle = (np.array(shape[::-1]) - 1) / 2
    if kind.distortion == 'TPV':
        # a polynomial holds around its own place
        pixel = middle
    if not np.all(np.isfinite(pixel)):
        return None
    shift = middle - pixel
    wcs.wcs.crpix = wcs.wcs.crpix + shift
    if wcs.sip is not None:
        from astropy.wcs import Sip

        # in the middle of the map, wherever CRPIX is
        wcs.sip = Sip(wcs.sip.a, wcs.sip.b, None, None, middle + 1)
    return wcs


def true_positions(wcs, x, y, frame):
    """
    Sky coordinates of pixels, by astropy alone.

    Parameters
    ----------
    wcs : WCS
        The WCS.
    x, y : ndarray
        Pixels.
    frame : str
        One of ``FRAMES``.

    Returns
    -------
    sky : SkyCoord or None
        ICRS; None where the pixels are nowhere on the sky.
    """
    wcs = wcs.deepcopy()
    wcs.wcs.bounds_check(False, True)
    world = wcs.all_pix2world(np.column_stack([x, y]).astype(float), 0)
    lon, lat = world[:, wcs.wcs.lng], world[:, wcs.wcs.lat]
    if not np.all(np.isfinite(lon) & (np.abs(lat) <= 90)):
        return None
    name, _, *system = frame.split()
    if system:
        found = SkyCoord(lon, lat, unit='deg', frame=system[0].lower(),
                         equinox=f'{"B" if system[0] == "FK4" else "J"}'
                                 f'{system[1]}')
    else:
        found = SkyCoord(lon, lat, unit='deg',
                         frame=_ASTROPY_FRAMES.get(name, 'icrs'))
    return found.icrs
