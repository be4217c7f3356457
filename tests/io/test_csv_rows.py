"""CSV: one dialect, whatever the system."""

from __future__ import annotations

from drai_cli.io.csv_rows import encode_csv


def test_rows_end_in_lf_and_are_quoted_where_needed():
    data = encode_csv([["name", "n"], ["a,b", 1], ['say "é"\n', 0.5]])
    assert data == 'name,n\n"a,b",1\n"say ""é""\n",0.5\n'.encode()
