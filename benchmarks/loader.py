"""How fast training data is drawn, without training: `python benchmarks/loader.py [--workers N] [--seconds S]`.

Each line is one number of workers: batches are drawn, put into words, tokenised and collated as a training run does
it, and thrown away. Workers are processes; 0 draws in this process. The last column compares with the first line.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import torch

from instructsam.training.settings import DataSettings, ModelSettings
from instructsam.training.start import start_model
from instructsam.training.stream import WorldBatches, batches


def rate(settings: DataSettings, dataset: WorldBatches, seconds: float) -> tuple[float, float]:
    """Instructions and scenes a second, after the workers have started."""
    stream = batches(dataset, 0, 1_000_000)
    for _ in range(max(1, settings.workers)):
        next(stream)
    instructions = scenes = 0
    started = time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        batch = next(stream)
        instructions += len(batch.direct)
        scenes += len(batch.scene_masks)
    return instructions / passed, scenes / passed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--scenes", type=int, default=8, help="scenes of a batch")
    parser.add_argument("--instructions", type=int, default=8, help="instructions of a scene")
    given = parser.parse_args()
    torch.set_num_threads(1)
    _, processor = start_model(ModelSettings(recipe="tiny", tokenizer_texts=2000))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; {given.scenes} scenes of {given.instructions} a batch"
    )
    first = 0.0
    for workers in dict.fromkeys((0, 1, given.workers)):
        settings = DataSettings(
            scenes_per_batch=given.scenes,
            instructions_per_scene=given.instructions,
            short_sides=(160, 224),
            max_objects=10,
            captions=True,
            workers=workers,
        )
        instructions, scenes = rate(settings, WorldBatches(processor, settings, seed=3), given.seconds)
        first = first or instructions
        print(
            f"{workers:3d} workers: {instructions:7.0f} instructions a second, {scenes:6.1f} scenes a second, "
            f"{instructions / first:.2f} x"
        )


if __name__ == "__main__":
    main()
