#!/usr/bin/env bash
# How the bundled model lesions-64 was trained and measured: examples/train_lesions.sh HAM10000_FOLDER SQUEEZENET_FILE
# HAM10000_FOLDER holds HAM10000_metadata.csv and the images; SQUEEZENET_FILE is torchvision's SqueezeNet 1.1 as safetensors.
# 80 minutes on one CPU core. Begun with --kimg 260 and, before the rate began to fall, gone on with to 180.
set -euo pipefail
data=$1 features=$2
drai train --data "$data" --size 64 --preset 64px --out runs/lesions-64 --kimg 180 --tick-kimg 10
drai evaluate --data "$data" --weights runs/lesions-64 --features "$features" --out reports/lesions-64
python examples/bundle_model.py runs/lesions-64 --name lesions-64
