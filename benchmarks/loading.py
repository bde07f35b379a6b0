"""What loading the real 2B architecture costs: `python benchmarks/loading.py [--dtype D] [--quantize Q]`.

Writes a checkpoint of random weights in the published layout (2.6 B parameters, bfloat16, 5.2 GB) unless the folder
has one, loads it in a new process, and compares that process's peak memory with the checkpoint's size.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from instructsam.checkpoints.published_sizes import PUBLISHED_2B


def write_checkpoint(folder: Path) -> None:
    """Random weights of the 2B model, scaled like trained ones, in files of about a gigabyte."""
    import torch
    from safetensors.torch import save_file

    from instructsam.checkpoints.inspect import expected_shapes
    from instructsam.checkpoints.published_layout import config_from_published, published_name

    folder.mkdir(parents=True, exist_ok=True)
    shapes = expected_shapes(config_from_published(PUBLISHED_2B))
    shapes.pop("lm_head.weight")  # tied
    places: dict[str, str] = {}
    shard: dict[str, Any] = {}
    number = filled = 0
    for position, (name, shape) in enumerate(shapes.items(), start=1):
        scale = 1.0 if name.endswith("norm.weight") or len(shape) < 2 else shape[-1] ** -0.5
        values = (
            torch.ones(shape) if "norm" in name and name.endswith("weight") else torch.randn(shape) * scale
        )
        shard[published_name(name)] = (values if not name.endswith("bias") else values * 0).bfloat16()
        filled += values.numel() * 2
        if filled > 1e9 or position == len(shapes):
            number += 1
            file = f"model-{number:05d}.safetensors"
            save_file(shard, folder / file, metadata={"format": "pt"})
            places |= dict.fromkeys(shard, file)
            shard, filled = {}, 0
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(PUBLISHED_2B), encoding="utf-8")


def load_here(folder: Path, dtype: str, quantize: Any) -> dict[str, float]:
    """Load in this process; seconds, and peak memory before and after in MB."""
    import torch

    from instructsam.checkpoints.opening import load_model
    from instructsam.model import instructsam  # noqa: F401 - imports count as imports

    before = peak_mb()
    started = time.perf_counter()
    model = load_model(folder, getattr(torch, dtype), quantize=quantize)
    seconds = time.perf_counter() - started
    parameters = 0
    for parameter in model.parameters():  # files may be mapped lazily: read every value, so that it counts
        parameters += parameter.numel()
        float(parameter.detach().flatten()[:: 4096 // parameter.element_size()].float().sum())
    weights = model.get_memory_footprint() / 2**20
    return {
        "seconds": seconds,
        "before_mb": before,
        "peak_mb": peak_mb(),
        "parameters": parameters,
        "weights_mb": weights,
    }


def peak_mb() -> float:
    """This process's peak resident memory so far (the kernel's VmHWM, which starts anew with the process)."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--dtype", default="bfloat16", choices=("bfloat16", "float32", "float16"))
    parser.add_argument("--quantize", default=None, choices=("int8", "int4"))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(load_here(arguments.folder, arguments.dtype, arguments.quantize)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "model"
        if not (folder / "config.json").is_file():
            write_checkpoint(folder)
        size = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**20
        command = [sys.executable, __file__, "--here", "--folder", str(folder), "--dtype", arguments.dtype]
        command += ["--quantize", arguments.quantize] if arguments.quantize else []
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found = json.loads(done.stdout.splitlines()[-1])
    print(f"checkpoint {size:,.0f} MB, loaded as {arguments.dtype}, quantize {arguments.quantize}")
    print(
        f"seconds {found['seconds']:.1f}, peak {found['peak_mb']:,.0f} MB, imports alone {found['before_mb']:,.0f} MB"
    )
    print(f"weights afterwards {found['weights_mb']:,.0f} MB")
    print(f"peak / checkpoint {found['peak_mb'] / size:.2f}")


if __name__ == "__main__":
    main()
