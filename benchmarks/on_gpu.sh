#!/usr/bin/env bash
# All measurements that need a GPU, each in a time box: `benchmarks/on_gpu.sh [FOLDER]`, about 15 minutes on one GPU.
# Writes a log and, for training steps, a JSON file per measurement into FOLDER (default: gpu_measurements).
set -uo pipefail
cd "$(dirname "$0")/.."
out=${1:-gpu_measurements}
mkdir -p "$out"

measure() { # name, minutes, command
  echo "== $1"
  timeout "$(($2 * 60))" "${@:3}" 2>&1 | tee "$out/$1.log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || echo "$1 failed or ran longer than $2 minutes" | tee -a "$out/$1.log"
}

step() { # name, minutes, arguments of train_step.py
  measure "$1" "$2" python benchmarks/train_step.py --device cuda --seconds 20 --json "$out/$1.json" "${@:3}"
}

step default 3                             # bfloat16 autocast
step default_tf32 3 precision=float32      # no casts between formats: fewer launches
step default_compiled 6 compile=true
step lora_2b 5 --model 2b --lora
measure full_size 4 python benchmarks/full_size.py --device cuda --runs 8
