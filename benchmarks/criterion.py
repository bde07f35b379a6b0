"""Operator calls and time of the training loss: `python benchmarks/criterion.py [--phrases N] [--layers N] ...`.

Random outputs of the shipped default's shape; forward and backward of the matched losses and of the judged ones
(denoising), with masks alone and with masks, boxes, points and ignored pixels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.profiler import ProfilerActivity, profile

from instructsam.losses.criterion import Criterion, CriterionConfig
from instructsam.losses.matcher import Assignment
from instructsam.losses.targets import PaddedTargets
from instructsam.structures.outputs import DetectionOutput, SegmentationOutput

TARGETS = (1, 1, 1, 2, 0, 4)  # of the phrases, in turn
GROUPS = 2
WARM_UP, ROUNDS = 3, 10


def layers_of(count: int, phrases: int, queries: int, side: int) -> list[DetectionOutput]:
    """Random outputs of decoder layers."""
    masks = torch.randn(count, phrases, queries, side, side).requires_grad_()
    scores = torch.randn(count, phrases, queries).requires_grad_()
    boxes = torch.rand(count, phrases, queries, 4).requires_grad_()
    presence = torch.randn(count, phrases).requires_grad_()
    return [DetectionOutput(*parts) for parts in zip(masks, scores, boxes, presence, strict=True)]


def targets_of(phrases: int, side: int, weak: bool) -> PaddedTargets:
    """Random targets: masks alone, or every kind of target and ignored pixels."""
    counts = tuple((TARGETS * phrases)[:phrases])
    masks = (torch.rand(phrases, max(TARGETS), side, side) > 0.8).float()
    targets = PaddedTargets(masks, torch.rand(phrases, max(TARGETS), 4) * 0.3 + 0.2, counts)
    if not weak:
        return targets
    known = torch.randint(0, 3, masks.shape[:2], dtype=torch.int8)
    return replace(targets, known=known, ignore=torch.rand(phrases, side, side) > 0.9)


def measure(name: str, step: Callable[[], None]) -> None:
    """Print the operator calls and the time of a step."""
    for _ in range(WARM_UP):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as result:
        step()
    calls = sum(event.name.startswith("aten::") for event in result.events() or [])
    started = time.process_time()
    for _ in range(ROUNDS):
        step()
    print(f"{name:<28} {calls:>6} calls {1000 * (time.process_time() - started) / ROUNDS:>8.1f} ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--phrases", type=int, default=18)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--side", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    criterion = Criterion(CriterionConfig.default())
    shape = (given.phrases, given.queries, given.side)
    *earlier, last = layers_of(given.layers, *shape)
    output = SegmentationOutput(**vars(last), auxiliary=tuple(earlier))
    extra = layers_of(given.layers, given.phrases, GROUPS * max(TARGETS), given.side)
    for weak in (False, True):
        targets = targets_of(given.phrases, given.side, weak)
        real = [
            (phrase, group * max(TARGETS) + target, target)
            for phrase, count in enumerate(targets.counts)
            for group in range(GROUPS)
            for target in range(count)
        ]
        pairs = Assignment(*torch.tensor(real).T)

        def matched(targets: PaddedTargets = targets) -> None:
            criterion(output, targets).total.backward()

        def judged(targets: PaddedTargets = targets, pairs: Assignment = pairs) -> None:
            criterion.judge(extra, targets, pairs, len(pairs))[0].backward()

        kinds = "every kind" if weak else "masks"
        measure(f"matched, {kinds}", matched)
        measure(f"judged, {kinds}", judged)


if __name__ == "__main__":
    main()
