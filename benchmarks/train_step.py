"""Where the time of a training step goes: `python benchmarks/train_step.py [--device cuda] [--seconds S]`.

The shipped default is trained on the drawn world for a while; nothing is kept. Printed, as means over the steps after
the first ones: instructions a second, the wait for the loader, the host's time in a step and, from torch's profiler
over two more steps, the device's time in its kernels, kernel launches and operator calls. The host-bound share is the
part of a step in which no kernel runs. On a CPU the host computes, so there are no launches and no share.
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

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

import instructsam
from instructsam.config import load_config
from instructsam.experiments.sources import open_source
from instructsam.model.kernels import no_cudnn_attention
from instructsam.training.batch import OutputSizes, TrainingBatch
from instructsam.training.precision import attention_kernel
from instructsam.training.run_source import open_run_source
from instructsam.training.settings import RunConfig
from instructsam.training.start import check_start, start_model
from instructsam.training.stream import TrainingBatches, batches
from instructsam.training.trainer import Trainer

MODEL = Path(instructsam.__file__).parent / "assets" / "default"
CONFIGS = {"cpu": "configs/world/default.yaml", "cuda": "configs/world/gpu/all.yaml"}
WARM_UP = 3  # steps that are not counted: workers start, kernels are chosen
PROFILED = 2


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
    """

    steps: int
    instructions_per_second: float
    images_per_second: float
    step: float
    loader_wait: float
    host: float
    device: float | None
    launches: int | None
    operators: int

    @property
    def host_bound_share(self) -> float | None:
        """Part of a step in which no kernel runs."""
        return None if self.device is None else max(0.0, 1 - self.device / self.step)

    def lines(self) -> list[str]:
        """For people."""
        text = [
            f"{self.instructions_per_second:.1f} instructions/s, {self.images_per_second:.1f} images/s, "
            f"{self.steps} steps",
            f"step {self.step:.1f} ms = loader wait {self.loader_wait:.1f} ms + host {self.host:.1f} ms",
            f"{self.operators} operator calls a step",
        ]
        if self.device is not None:
            text.append(
                f"device {self.device:.1f} ms a step in {self.launches} launches; host-bound share "
                f"{self.host_bound_share:.0%}"
            )
        return text


def measure(trainer: Trainer, stream: Iterator[TrainingBatch], seconds: float) -> Times:
    """Train for that long, and then two more steps under the profiler."""
    for _ in range(WARM_UP):
        trainer.train_step([next(stream)])
    _synchronize()
    instructions = images = steps = 0
    waited = 0.0
    started = time.perf_counter()
    while steps == 0 or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        batch = next(stream)
        waited += time.perf_counter() - before
        trainer.train_step([batch])
        instructions += len(batch.direct)
        images += len(batch.inputs.image_grid_thw)
        steps += 1
    _synchronize()
    passed = time.perf_counter() - started
    device, launches, operators = _profiled(trainer, stream)
    step, wait = 1000 * passed / steps, 1000 * waited / steps
    rates = (instructions / passed, images / passed)
    return Times(steps, *rates, step, wait, step - wait, device, launches, operators)


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


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def build(config: RunConfig) -> tuple[Trainer, Iterator[TrainingBatch]]:
    """A trainer and its stream, from the first step on."""
    if config.threads:
        torch.set_num_threads(config.threads)
    source = open_run_source(config, open_source)
    model, processor = start_model(config.model, source.texts, attention_kernel(config))
    trainer = Trainer(config, source, model, processor, check_start(config))
    sizes = OutputSizes.of(model, trainer.trainable.criterion.config.target_resize)
    dataset = TrainingBatches(source, processor, sizes, config.data, config.seed)
    return trainer, batches(dataset, 0, config.schedule.total_steps)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--config", help="default: configs/world/default.yaml, with --device cuda configs/world/gpu/all.yaml"
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of the measurement, after the first steps"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="such as data.images_per_batch=2")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a CUDA device, and torch finds none")
    with tempfile.TemporaryDirectory() as folder, no_cudnn_attention():
        fixed = ["model.path=" + str(MODEL), "model.overrides={}", f"output_dir={folder}"]
        fixed += ["schedule.total_steps=1000000", f"device={'auto' if given.device == 'cuda' else 'cpu'}"]
        config = load_config(RunConfig, given.config or CONFIGS[given.device], [*fixed, *given.changes])
        times = measure(*build(config), given.seconds)
    name = torch.cuda.get_device_name() if given.device == "cuda" else platform.machine()
    data = config.data
    print(
        f"{name}, torch {torch.__version__}, {data.images_per_batch} images x {data.instructions_per_image} "
        f"instructions, {data.workers} workers, stage {config.stage}"
    )
    print("\n".join(times.lines()))
    if given.json:
        facts = {
            "device_name": name,
            "torch": torch.__version__,
            "data": data.model_dump(),
            "stage": config.stage,
        }
        numbers = {**asdict(times), "host_bound_share": times.host_bound_share}
        given.json.write_text(json.dumps({**facts, **numbers}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
