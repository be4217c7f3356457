from __future__ import annotations

import numpy as np

from drai_cli.metrics.mapping import batches


def test_batches_cover_every_row_once() -> None:
    rows = np.arange(10)
    assert np.concatenate([rows[part] for part in batches(10, 4)]).tolist() == rows.tolist()
