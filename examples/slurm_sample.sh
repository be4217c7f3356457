#!/usr/bin/env bash
# Sampling in eight jobs, one GPU each: sbatch examples/slurm_sample.sh WEIGHTS OUT --per-class 10000
# All write to one OUT; the last job merges the tables. Submit a failed job again with --array=3.
#SBATCH --job-name=drai-sample
#SBATCH --array=1-8
#SBATCH --gpus-per-task=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=8
#SBATCH --time=02:00:00
set -euo pipefail
weights=$1 out=$2
shift 2
drai sample --weights "$weights" --out "$out" --shard "$SLURM_ARRAY_TASK_ID/8" "$@"
