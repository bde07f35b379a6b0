"""Parts of a training step, for `benchmarks/train_step.py`: operator calls, kernels and CPU time of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from step_operators import OTHER, StepOperators

from instructsam.training.trainer import Trainer

OBJECTIVES = {"segmentation": "criterion"}


def watch(trainer: Trainer) -> StepOperators:
    """Count the parts of a trainer's steps from now on."""
    trainable = trainer.trainable
    counts = StepOperators([*trainable.parameters(), *trainable.buffers()])
    model = trainable.model
    vision, *_ = model.vlm.vision_modules()
    detector: Any = model.detector
    for module, name in (
        (vision, "VLM vision"),
        (model.vlm.language_model, "VLM language"),
        (detector.vision_encoder, "detector vision"),
        (detector.detr_encoder, "detector encoder"),
        (detector.mask_decoder, "mask head"),
        (detector, "detector, rest"),
        (model, "model, rest"),
        (trainable, "inputs and rest"),
        *((part, OBJECTIVES.get(name, name)) for name, part in trainable.objectives.items()),
    ):
        counts.hook(module, name)
    detector.decode = counts.wrapped(detector.decode, "detector decoder")
    detector.detect = counts.wrapped(detector.detect, "detector, rest")
    processes, state = trainer.processes, trainer.state
    _wrap(counts, processes, "backward", "backward")
    _wrap(counts, processes, "clip", "clip")
    _wrap(counts, state.optimizer, "step", "optimizer")
    _wrap(counts, state, "update_average", "average")
    trainable.prepare = counts.wrapped(trainable.prepare, "targets")  # type: ignore[method-assign]
    return counts


def _wrap(counts: StepOperators, owner: Any, method: str, name: str) -> None:
    setattr(owner, method, counts.wrapped(getattr(owner, method), name))


def table(counts: StepOperators, seconds: dict[str, float]) -> list[str]:
    """Lines for people: each part with its operator calls, kernels, kernels of its backward pass and CPU time."""
    names = sorted({*counts.calls, *seconds, *counts.backward}, key=lambda name: -counts.kernels[name])
    rows: list[tuple[str, Callable[[str], float]]] = [
        ("calls", lambda name: counts.calls[name]),
        ("kernels", lambda name: counts.kernels[name]),
        ("backward kernels", lambda name: counts.backward[name]),
        ("CPU ms", lambda name: 1000 * seconds.get(name, 0.0)),
    ]
    lines = ["| part | " + " | ".join(title for title, _ in rows) + " |", "|---|" + "--:|" * len(rows)]
    for name in names:
        lines.append(f"| {name} | " + " | ".join(f"{value(name):,.0f}" for _, value in rows) + " |")
    totals = [sum(value(name) for name in names) for _, value in rows]
    lines.append("| **all** | " + " | ".join(f"{total:,.0f}" for total in totals) + " |")
    waits = sum(counts.synchronizations.values())
    lines.append(f"{waits} synchronizations:")
    lines += [
        f"  {number} x {operator} in {part}, {place}"
        for (part, place, operator), number in counts.synchronizations.most_common()
    ]
    return lines


__all__ = ["OTHER", "StepOperators", "table", "watch"]
