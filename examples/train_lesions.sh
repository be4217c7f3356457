#!/usr/bin/env bash
# How the bundled models of skin lesions were trained and measured: examples/train_lesions.sh HAM10000_FOLDER SQUEEZENET_FILE
# HAM10000_FOLDER holds HAM10000_metadata.csv and the images; SQUEEZENET_FILE is torchvision's SqueezeNet 1.1 as safetensors.
# Seven and a half minutes on a GPU (an NVIDIA H200) that trained both of them and the lung nodules in parallel. lesions-64
# is older than --fit-prior: its content prior was fitted afterwards, by --init RUN --fit-prior --hold-kimg 4 --kimg 0.016.
set -euo pipefail
data=$1 features=$2
with="--condition localization --condition age --condition sex --missing-share 0.5 --batch-size 32 --ema-kimg 16"
lesions_64="drai train --data $data --size 64 --base-channels 64 --max-channels 160 $with --fit-prior --tick-kimg 100 --kimg 355 --out runs/lesions-64"
lesions_128="drai train --data $data --size 128 --max-channels 136 $with --tick-kimg 40 --kimg 258.4 --out runs/lesions-128"
small="--usefulness-ratio 0.5 --small-label df --small-label vasc --small-label akiec"
declare -A classifiers=([64]=20 [128]=12)  # of each kind, for usefulness: two hours on a core
for name in 64 128; do
  command=lesions_$name
  ${!command}
  drai evaluate --data "$data" --weights runs/lesions-$name --features "$features" --out reports/lesions-$name \
    --usefulness-seeds "${classifiers[$name]}" $small
  python examples/bundle_model.py runs/lesions-$name --name lesions-$name --command "${!command}" --limits "as its card says"
done
# On test and validation together there are twice as many images of the small labels.
drai evaluate --data "$data" --weights runs/lesions-64 --part held-out --metrics usefulness --out reports/lesions-64-held-out \
  --usefulness-seeds "${classifiers[64]}" $small
