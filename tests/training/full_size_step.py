"""One LoRA step of the published 2B architecture with random weights; prints seconds and peak memory as JSON."""

from __future__ import annotations

import json
import resource
import sys
import time

import torch

from instructsam.checkpoints.published_layout import config_from_published
from instructsam.checkpoints.published_sizes import PUBLISHED_2B
from instructsam.config import load_config
from instructsam.experiments.sources import open_source
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.settings import ProcessorSettings
from instructsam.training.batch import OutputSizes
from instructsam.training.run_source import open_run_source
from instructsam.training.settings import RunConfig
from instructsam.training.start import start_criterion
from instructsam.training.stream import TrainingBatches
from instructsam.training.trainer import Trainer
from tests.tiny import tiny_tokenizer

SETTINGS = (
    "device=cpu", "precision=float32", "gradient_checkpointing=true", "lora.rank=64", "lora.alpha=16",
    "parts.detector_vision=freeze", "parts.detector=1e-5", "optim.lr=5e-6", "optim.ema_decay=0", "optim.warmup_steps=0",
    "loss.preset=published", "data.images_per_batch=1", "data.instructions_per_image=1", "schedule.total_steps=1",
)  # fmt: skip


def main() -> None:
    """Build, train one step, report."""
    torch.set_num_threads(2)
    sizes = config_from_published(PUBLISHED_2B)
    processor = InstructSAMProcessor(tiny_tokenizer(), ProcessorSettings.from_config(sizes))
    sizes.token_ids = processor.token_ids.as_dict()
    sizes.vlm_config.image_token_id = processor.token_ids.image
    sizes.vlm_config.vision_start_token_id = processor.token_ids.vision_start
    torch.manual_seed(0)
    model = InstructSAMModel._from_config(sizes, dtype=torch.float32)
    run = load_config(RunConfig, None, [*SETTINGS, f"output_dir={sys.argv[1]}", f"model.path={sys.argv[1]}"])
    source = open_run_source(run, open_source)
    trainer = Trainer(run, source, model, processor, start_criterion(run.loss))
    outputs = OutputSizes.of(model, trainer.trainable.criterion.config.target_resize)
    batch = TrainingBatches(source, processor, outputs, run.data, run.seed)[0]
    started = time.perf_counter()
    update = trainer.train_step([batch])
    seconds = time.perf_counter() - started
    count = {True: 0, False: 0}
    for parameter in trainer.trainable.model.parameters():
        count[parameter.requires_grad] += parameter.numel()
    # kilobytes on Linux, bytes on macOS
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    loss, norm = float(update.parts["loss"]), float(update.gradient_norm)
    result = {"seconds": seconds, "peak_gigabytes": peak / 1e9, "loss": loss, "gradient_norm": norm}
    print(json.dumps({**result, "trained": count[True], "frozen": count[False]}))


if __name__ == "__main__":
    main()
