# Licensed under a 3-clause BSD style license - see licenses/LICENSE.rst
"""
Tests of the kinds of files of catalogues.
"""

import gzip

import pytest
from astropy.io import fits
from astropy.table import Table

from compact_removal.maps import read_catalog, read_positions
from compact_removal.utils.parameters import ParameterError

POSITIONS = ['83.8 -5.4', '83.9 -5.3']

TEXTS = {
    'a.txt': 'ra dec name\n83.8 -5.4 a\n83.9 -5.3 b\n',
    'b.cat': '# ra dec\n83.8 -5.4\n83.9 -5.3\n',
    'c.dat': '# made by me\n#\n# RA DEC\n# deg deg\n83.8 -5.4\n83.9 -5.3\n',
    'd.txt': '# made by me today\nra dec\n# note\n83.8 -5.4\n83.9 -5.3\n',
    'e.txt': '83.8 -5.4\n83.9 -5.3\n',
    'f.txt': '05:35:12 -05:24:00\n05:35:36 -05:18:00\n',
    'g.txt': 'ra\tdec\n83.8\t-5.4\n83.9\t-5.3\n',
    'h.txt': 'ra,dec\n83.8,-5.4\n83.9,-5.3\n',
    'i.cat': '#   1 ALPHA_J2000 Right ascension [deg]\n'
             '#   2 DELTA_J2000 Declination [deg]\n83.8 -5.4\n83.9 -5.3\n',
    'j.tbl': '| ra   | dec  |\n|double|double|\n  83.8   -5.4 \n'
             '  83.9   -5.3 \n',
    'k.csv': '# made by me\nra,dec\n83.8,-5.4\n83.9,-5.3\n',
    'l.csv': '83.8,-5.4\n83.9,-5.3\n',
    'm.csv': '#ra,dec\n83.8,-5.4\n83.9,-5.3\n',
    'n.ecsv': '# %ECSV 1.0\n# ---\n# datatype:\n# - {name: ra, datatype: '
              'float64, unit: Degrees}\n# - {name: dec, datatype: float64, '
              'unit: degrees}\nra dec\n83.8 -5.4\n83.9 -5.3\n',
}


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('name', list(TEXTS))
def test_texts(tmp_path, name, packed):
    content = TEXTS[name].encode()
    path = tmp_path / (f'{name}.gz' if packed else name)
    path.write_bytes(gzip.compress(content) if packed else content)
    found = read_positions(read_catalog(path)).icrs
    assert found.ra.deg == pytest.approx([83.8, 83.9], abs=1e-5)
    assert found.dec.deg == pytest.approx([-5.4, -5.3], abs=1e-5)


@pytest.mark.parametrize('name', ['a.xml', 'a.vot', 'a.votable', 'a.tbl',
                                  'a.fits', 'a.fit', 'a.fits.gz'])
def test_tables(tmp_path, name):
    other = Table({'number': [1, 2, 3]})
    table = Table({'RAJ2000': [83.8, 83.9], 'DEJ2000': [-5.4, -5.3]},
                  units={'RAJ2000': 'deg', 'DEJ2000': 'deg'})
    path = tmp_path / name
    if '.fit' in name:
        # the positions are in the second table
        fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(other),
                      fits.table_to_hdu(table)]).writeto(path)
    else:
        table.write(path, format='ascii.ipac' if name == 'a.tbl'
                    else 'votable')
    assert read_positions(read_catalog(path)).to_string() == POSITIONS


@pytest.mark.parametrize(('name', 'content', 'match'), [
    ('a.pdf', '', '^catalog must be a file of type .ecsv, .csv, .* got '),
    ('a.txt', '1 83.8 -5.4\n', 'must have a header .* got 3 columns$'),
    ('a.csv', 'ra;dec\n1;2\n', 'separated by commas'),
    ('a.vot', 'x', 'could not be read'), ('a.fits', 'x', 'could not be read')])
def test_refused(tmp_path, name, content, match):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(ParameterError, match=match):
        read_positions(read_catalog(path))
