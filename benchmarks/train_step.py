"""Where the time of a training step goes: `python benchmarks/train_step.py [--device cuda] [--seconds S]`.

A model is trained on the drawn world for a while; nothing is kept. Printed, as means over the steps after the first
ones: instructions a second, the wait for the loader, the host's time in a step and, from torch's profiler over two more
steps, the device's time in its kernels, kernel launches and operator calls. The host-bound share is the part of a step
in which no kernel runs. On a CPU the host computes, so there are no launches and no share. Then a table of the parts of
a step, the same on every device: operator calls, kernels, synchronizations and CPU time (`step_operators`).

`--model 2b --lora` trains adapters on the architecture of the published model, with random weights, and prints images
and tokens a second and model FLOPs utilization; `--tiny` does the same with a tiny model, to try the command.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import step_parts
import torch
from full_size import random_segmenter
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

import instructsam
from instructsam.config import load_config
from instructsam.experiments.sources import open_source
from instructsam.model.kernels import no_cudnn_attention
from instructsam.model.packed import PADDING
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.precision import attention_kernel
from instructsam.training.run_source import open_run_source
from instructsam.training.settings import ModelSettings, RunConfig
from instructsam.training.start import check_start, start_model
from instructsam.training.stream import TrainingBatches, batches
from instructsam.training.trainer import Trainer

MODEL = Path(instructsam.__file__).parent / "assets" / "default"
CONFIGS = {"cpu": "configs/world/default.yaml", "cuda": "configs/world/gpu/all.yaml"}
WARM_UP = 3  # steps that are not counted: workers start, kernels are chosen
PROFILED = 2
PEAKS = {
    "H100": 989.0,
    "H200": 989.0,
    "A100": 312.0,
}  # dense bfloat16 TFLOP/s of the data sheets, by a part of the name
LORA = (  # as the published stage 1: adapters of rank 64, detector decoder trained, SAM3's vision encoder frozen
    "lora.rank=64",
    "lora.alpha=16",
    "parts.vlm_vision=freeze",
    "parts.detector_vision=freeze",
    "optim.ema_decay=0",
    "loss.preset=published",
    "gradient_checkpointing=true",
)


@dataclass(frozen=True)
class Times:
    """Means of the measured steps, in milliseconds unless the name says otherwise.

    Attributes:
        step: from batch to batch.
        loader_wait: of that, until the loader hands a batch over.
        host: of that, in the step itself.
        device: kernel time of a step; None on a CPU.
        launches: kernels, copies and fills of a step; None on a CPU.
        operators: calls of torch's operators in a step.
        teraflops: floating-point operations of the last step, counted; recomputed ones too.
    """

    steps: int
    instructions_per_second: float
    images_per_second: float
    tokens_per_second: float
    step: float
    loader_wait: float
    host: float
    device: float | None
    launches: int | None
    operators: int
    teraflops: float

    @property
    def host_bound_share(self) -> float | None:
        """Part of a step in which no kernel runs."""
        return None if self.device is None else max(0.0, 1 - self.device / self.step)

    def lines(self, peak: float | None) -> list[str]:
        """For people; `peak` in TFLOP/s."""
        rate = self.teraflops / (self.step / 1000)
        used = "" if peak is None else f", {rate / peak:.1%} of {peak:g} TFLOP/s (MFU)"
        text = [
            f"{self.instructions_per_second:.1f} instructions/s, {self.images_per_second:.1f} images/s, "
            f"{self.tokens_per_second:.0f} tokens/s, {self.steps} steps",
            f"step {self.step:.1f} ms = loader wait {self.loader_wait:.1f} ms + host {self.host:.1f} ms",
            f"{self.operators} operator calls a step, {rate:.3g} TFLOP/s{used}",
        ]
        if self.device is not None:
            text.append(
                f"device {self.device:.1f} ms a step in {self.launches} launches; host-bound share "
                f"{self.host_bound_share:.0%}"
            )
        return text


def measure(trainer: Trainer, stream: Iterator[TrainingBatch], seconds: float) -> Times:
    """Train for that long, and then some more steps under profilers."""
    for _ in range(WARM_UP):
        trainer.train_step([next(stream)])
    _synchronize()
    instructions = images = tokens = steps = 0
    waited = 0.0
    started = time.perf_counter()
    while steps == 0 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        batch = next(stream)
        waited += time.perf_counter() - before
        trainer.train_step([batch])
        instructions += len(batch.direct)
        images += len(batch.inputs.image_grid_thw)
        tokens += int((batch.packed.conversations != PADDING).sum())
        steps += 1
    _synchronize()
    passed = time.perf_counter() - started
    device, launches, operators = _profiled(trainer, stream)
    with FlopCounterMode(display=False) as flops:
        trainer.train_step([next(stream)])
    step, wait = 1000 * passed / steps, 1000 * waited / steps
    rates = (instructions / passed, images / passed, tokens / passed)
    work = flops.get_total_flops() / 1e12
    return Times(steps, *rates, step, wait, step - wait, device, launches, operators, work)


def _profiled(trainer: Trainer, stream: Iterator[TrainingBatch]) -> tuple[float | None, int | None, int]:
    """Device milliseconds, launches and operator calls of a step."""
    on_gpu = trainer.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    drawn = [next(stream) for _ in range(PROFILED)]
    with profile(activities=activities) as result:
        for batch in drawn:
            trainer.train_step([batch])
        _synchronize()
    events = result.events() or []
    operators = sum(event.name.startswith("aten::") for event in events) // PROFILED
    on_device = (event for event in events if event.device_type == DeviceType.CUDA)
    kernels = [event for event in on_device if not event.is_user_annotation]
    if not on_gpu:
        return None, None, operators
    microseconds = sum(event.time_range.elapsed_us() for event in kernels)
    return microseconds / 1000 / PROFILED, len(kernels) // PROFILED, operators


def parts(trainer: Trainer, stream: Iterator[TrainingBatch]) -> list[str]:
    """The table of the parts of a step: CPU time of two steps, then one that is counted."""
    counts = step_parts.watch(trainer)
    batch = next(stream)
    for _ in range(PROFILED):
        trainer.train_step([batch])
    seconds = {name: value / PROFILED for name, value in counts.seconds.items()}
    with counts.watched():
        trainer.train_step([batch])
    return step_parts.table(counts, seconds)


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def build(config: RunConfig, full_size: bool = False) -> tuple[Trainer, Iterator[TrainingBatch]]:
    """A trainer and its stream, from the first step on; `full_size` is the published architecture."""
    if config.threads:
        torch.set_num_threads(config.threads)
    source = open_run_source(config, open_source)
    torch.manual_seed(config.seed)
    if full_size:
        random = random_segmenter("cuda" if config.device == "auto" else "cpu", torch.float32)
        model, processor = random.model, random.processor
    else:
        model, processor = start_model(config.model, source.texts, attention_kernel(config))
    trainer = Trainer(config, source, model, processor, check_start(config))
    sizes = OutputSizes.of(model, trainer.trainable.criterion.config.target_resize)
    dataset = TrainingBatches(source, processor, sizes, config.data, config.seed)
    return trainer, batches(dataset, 0, config.schedule.total_steps)


def main() -> None:
    """Measure and print."""
    given = _arguments()
    on_gpu = given.device == "cuda"
    with tempfile.TemporaryDirectory() as folder, no_cudnn_attention():
        fixed = [
            f"output_dir={folder}",
            "schedule.total_steps=1000000",
            f"device={'auto' if on_gpu else 'cpu'}",
        ]
        fixed += [f"model.path={MODEL}", "model.overrides={}"]
        if given.model == "2b":
            fixed += [
                "data.images_per_batch=4",
                "data.world.short_sides=[64]" if given.tiny else "data.world.short_sides=[768]",
            ]
        fixed += LORA if given.lora else ()
        path = given.config or (None if given.lora or given.model == "2b" else CONFIGS[given.device])
        config = load_config(RunConfig, path, [*fixed, *given.changes])
        if given.tiny:
            tiny = ModelSettings(preset="tiny", vocab_size=400, tokenizer_texts=300)
            config = config.model_copy(update={"model": tiny})
        trainer, stream = build(config, given.model == "2b" and not given.tiny)
        times = measure(trainer, stream, given.seconds)
        table = parts(trainer, stream)
    name = torch.cuda.get_device_name() if on_gpu else platform.machine()
    peak = given.peak_tflops or next((peak for part, peak in PEAKS.items() if part in name), None)
    data = config.data
    print(
        f"{name}, torch {torch.__version__}, {data.images_per_batch} images x {data.instructions_per_image} "
        f"instructions, {data.workers} workers, stage {config.stage}, model {'tiny' if given.tiny else given.model}"
        f"{' with LoRA' if given.lora else ''}"
    )
    print("\n".join([*times.lines(peak), *table]))
    if given.json:
        facts: dict[str, Any] = {
            "device_name": name,
            "torch": torch.__version__,
            "data": data.model_dump(),
            "stage": config.stage,
        }
        numbers = {**asdict(times), "host_bound_share": times.host_bound_share, "parts": table}
        given.json.write_text(json.dumps({**facts, **numbers}, indent=1) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", choices=("default", "2b"), default="default")
    parser.add_argument("--lora", action="store_true", help="train adapters of rank 64 on the VLM")
    parser.add_argument("--tiny", action="store_true", help="a tiny model in place of the named one")
    parser.add_argument("--peak-tflops", type=float, help="of the device, for the model FLOPs utilization")
    parser.add_argument("--config", help=f"default: {CONFIGS['cpu']}, with --device cuda {CONFIGS['cuda']}")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of the measurement, after the first steps"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="such as data.images_per_batch=2")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a CUDA device, and torch finds none")
    return given


if __name__ == "__main__":
    main()
