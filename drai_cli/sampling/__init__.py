"""The parts of `sample`: plan, layout, output folder, manifest. Knows no prompt."""
