#!/usr/bin/env bash
# How the bundled model of lung nodules was trained and measured: examples/train_nodules.sh LIDC_FOLDER SQUEEZENET_FILE
# LIDC_FOLDER holds nodules.csv and the central slices of nodules, 64 px grey, in images/; SQUEEZENET_FILE as in train_lesions.sh.
# 70 minutes on one core of a server CPU.
set -euo pipefail
data=$1 features=$2
command="drai train --data $data --metadata $data/nodules.csv --label malignancy_class --group patient_id --size 64 \
--condition diameter_mm --condition malignancy_mean --symmetry dihedral --learning-rate 0.0003 --swap-share 0.25 --prior-kl-weight 0.001 --tick-kimg 20 --kimg 160 \
--licence CC-BY-3.0 --out runs/nodules-64"
$command
drai evaluate --data "$data" --weights runs/nodules-64 --features "$features" --privacy-samples 10000 --out reports/nodules-64
python examples/bundle_model.py runs/nodules-64 --name nodules-64 --command "$command" --limits "as its card says" --attribution "LIDC-IDRI: Armato S. G. et al., \
The Lung Image Database Consortium (LIDC) and Image Database Resource Initiative (IDRI): a completed reference database of lung \
nodules on CT scans, Medical Physics 38, 915-931 (2011), CC BY 3.0."
