#!/usr/bin/env bash
# Tests the method on phantoms with known factors: drai against dai, three seeds each, the same number of images.
# A run takes about ten minutes on one CPU core. Prints the table of means and deviations.
set -euo pipefail
[ -d phantoms ] || drai phantom --out phantoms -n 10000 --size 32
drai compare --data phantoms --size 32 --preset 32px --methods dai,drai --seeds 3 --kimg 40 --out runs/phantom-proof
