"""How fast training batches are made, without training: `python benchmarks/loader.py [--workers N] [--seconds S]`.

Each line is one number of workers: scenes are drawn, put into words, tokenised and collated as in a training run,
and discarded. Workers are processes; 0 makes batches in this process. The last column compares with the first line.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import torch

from instructsam.experiments.sources import open_source
from instructsam.training.batch import OutputSizes
from instructsam.training.data_settings import DataSettings
from instructsam.training.settings import ModelSettings
from instructsam.training.start import start_model
from instructsam.training.stream import TrainingBatches, batches
from instructsam.world.splits.stream import all_texts


def rate(settings: DataSettings, dataset: TrainingBatches, seconds: float) -> tuple[float, float]:
    """Instructions and images a second, after the workers have started."""
    stream = batches(dataset, 0, 1_000_000)
    for _ in range(max(1, settings.workers)):
        next(stream)
    instructions = images = 0
    started = time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        batch = next(stream)
        instructions += len(batch.direct)
        images += len(batch.inputs.image_grid_thw)
    return instructions / passed, images / passed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 1))
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--images", type=int, default=8, help="images of a batch")
    parser.add_argument("--instructions", type=int, default=8, help="instructions of an image")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, processor = start_model(ModelSettings(preset="tiny", tokenizer_texts=2000), all_texts)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores; {given.images} x {given.instructions} instructions a batch"
    )
    first, sizes = 0.0, OutputSizes.of(model, "nearest")
    for workers in dict.fromkeys((0, 1, given.workers)):
        settings = DataSettings(
            images_per_batch=given.images,
            instructions_per_image=given.instructions,
            world={"short_sides": (160, 224), "max_objects": 10, "captions": True},
            workers=workers,
        )
        source = open_source(settings, 3, given.images)
        dataset = TrainingBatches(source, processor, sizes, settings, seed=3)
        instructions, images = rate(settings, dataset, given.seconds)
        first = first or instructions
        print(
            f"{workers:3d} workers: {instructions:7.0f} instructions a second, {images:6.1f} images a second, "
            f"{instructions / first:.2f} x"
        )


if __name__ == "__main__":
    main()
