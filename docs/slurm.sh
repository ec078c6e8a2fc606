#!/bin/bash
#SBATCH --job-name=instep-ray
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-node=1
#SBATCH --time=04:00:00
#SBATCH --output=instep-ray-%j.log
# A Ray cluster for instep within one Slurm job. `sbatch docs/slurm.sh`, in an environment that has `ray[default]`.
# The token must be there first, readable by you only:
#   umask 077; mkdir -p ~/.ray; python -c "import secrets; print(secrets.token_hex(32))" > ~/.ray/slurm.token
set -euo pipefail
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$HOME/.ray/slurm.token"
export RAY_USAGE_STATS_ENABLED=0
[ -s "$RAY_AUTH_TOKEN_PATH" ] || { echo "no token in $RAY_AUTH_TOKEN_PATH" >&2; exit 1; }

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
address=$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 20000))
dashboard=$((port + 1))
scratch=/tmp/instep-$SLURM_JOB_ID      # short: names of sockets are limited to 107 bytes
echo "tunnel:  ssh -N -L 8265:127.0.0.1:$dashboard $head   (with -J for a login node)"

srun --nodes=1 --ntasks=1 --overlap -w "$head" ray start --head --block --node-ip-address="$address" --port="$port" \
    --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" --temp-dir="$scratch" \
    --num-cpus="$SLURM_CPUS_PER_TASK" &
for _ in $(seq 60); do
    (exec 3<>"/dev/tcp/$address/$port") 2>/dev/null && break
    sleep 2
done
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 --overlap -w "$node" ray start --block --address="$address:$port" \
        --temp-dir="$scratch" --num-cpus="$SLURM_CPUS_PER_TASK" &
done
wait
