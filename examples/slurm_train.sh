#!/usr/bin/env bash
# Training over two nodes of four GPUs: sbatch examples/slurm_train.sh DATA OUT [further options of drai train]
# DATA and OUT must be visible to all nodes. Two minutes before its time limit the run stops and saves; the same sbatch
# resumes it, on any number of nodes.
#SBATCH --job-name=drai-train
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=08:00:00
#SBATCH --signal=TERM@120
set -euo pipefail
data=$1 out=$2
shift 2
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_JOB_NUM_NODES" --nproc-per-node 4 \
  --rdzv-backend c10d --rdzv-endpoint "$head:29500" --rdzv-id "$SLURM_JOB_ID" \
  -m drai_cli train --data "$data" --out "$out" --batch-size 256 "$@"
