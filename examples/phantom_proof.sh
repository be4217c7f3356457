#!/usr/bin/env bash
# The proof of the method on phantoms with known factors: drai against dai, three seeds each, the same images seen.
# A run takes about twenty minutes on one CPU core. Prints the table of means and deviations.
set -euo pipefail
[ -d phantoms ] || drai phantom --out phantoms -n 10000 --size 32
for seed in 0 1 2; do
  for method in drai dai; do
    run=runs/phantoms-$method-$seed
    drai train --data phantoms --size 32 --preset 32px --method "$method" --seed "$seed" --kimg 60 --out "$run"
    python examples/measure.py "$run" --tools runs/phantom-tools --out "$run/measures.json"
  done
done
python examples/compare.py runs/phantoms-drai-? runs/phantoms-dai-?
