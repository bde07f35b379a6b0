"""Seconds of a training step with the features of frozen vision encoders computed and cached, in alternation.

python benchmarks/cached_features.py
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from instructsam.config import load_config
from instructsam.experiments.sources import open_source
from instructsam.model.kernels import no_cudnn_attention
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.feature_cache import CacheFolder
from instructsam.training.image_encoders import ImageEncoders
from instructsam.training.precision import attention_kernel
from instructsam.training.run_source import open_run_source
from instructsam.training.settings import RunConfig
from instructsam.training.start import check_start, start_model
from instructsam.training.stream import TrainingBatches
from instructsam.training.trainer import Trainer

SETTINGS = (
    "model.path=default",
    "device=cpu",
    "threads=2",
    "parts.vlm_vision=freeze",
    "parts.detector_vision=freeze",
)


def seconds(trainer: Trainer, batch: TrainingBatch) -> float:
    """Of one step."""
    started = time.perf_counter()
    trainer.train_step([batch])
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="of each kind")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="such as data.images_per_batch=2")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, no_cudnn_attention():
        config = load_config(RunConfig, None, [*SETTINGS, f"output_dir={folder}", *given.changes])
        source = open_run_source(config, open_source)
        model, processor = start_model(config.model, source.texts, attention_kernel(config))
        trainer = Trainer(config, source, model, processor, check_start(config))
        sizes = OutputSizes.of(model, trainer.trainable.criterion.config.target_resize)
        batch = TrainingBatches(source, processor, sizes, config.data, config.seed)[0]
        computed = ImageEncoders(model)
        cached = ImageEncoders(model, CacheFolder(Path(folder) / "cache", 10))
        times: dict[str, list[float]] = {"computed": [], "cached": []}
        for step in range(given.steps + 1):
            for name, encoders in (("computed", computed), ("cached", cached)):
                trainer.trainable.encode_images = encoders
                taken = seconds(trainer, batch)
                if step:  # the first ones fill the cache
                    times[name].append(taken)
    medians = {name: statistics.median(values) for name, values in times.items()}
    images = config.data.images_per_batch
    print(
        f"{images} images x {config.data.instructions_per_image} instructions a step, {given.steps} steps of each kind"
    )
    for name, median in medians.items():
        print(f"{name}: {1000 * median:.0f} ms a step")
    print(f"{medians['computed'] / medians['cached']:.2f} times as fast with cached features")


if __name__ == "__main__":
    main()
