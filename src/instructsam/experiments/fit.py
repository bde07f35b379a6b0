"""Whether the data fits the model and the run the machine: notes for the plan, each with a number."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from instructsam.data.negatives import WithNegatives
from instructsam.data.record_source import RecordSource
from instructsam.data.sources import Mixture, SampleSource, Shuffled
from instructsam.training.settings import RunConfig

if TYPE_CHECKING:
    from instructsam.model.configuration import InstructSAMConfig
    from instructsam.training.plan import Plan

GIGABYTE = 1e9


def fit_notes(plan: Plan, config: RunConfig, source: SampleSource, model: InstructSAMConfig) -> Plan:
    """The plan with notes on what does not fit."""
    notes = [*_too_many_instances(source, model.num_queries), *_machine(plan, config)]
    return replace(plan, notes=(*plan.notes, *notes))


def record_sources(source: SampleSource) -> Iterator[RecordSource]:
    """The sources of records inside a source."""
    if isinstance(source, RecordSource):
        yield source
    elif isinstance(source, Shuffled | WithNegatives):
        yield from record_sources(source.source)
    elif isinstance(source, Mixture):
        for part in source.sources:
            yield from record_sources(part)


def _too_many_instances(source: SampleSource, queries: int) -> Iterator[str]:
    counts = [
        len(phrase.instances)
        for part in record_sources(source)
        for group in part.groups
        for record in group
        for phrase in record.phrases
    ]
    many = [count for count in counts if count > queries]
    if many:
        yield (
            f"{len(many):,} of {len(counts):,} phrases have more instances than the model's {queries} queries, the "
            f"most {max(many)}: of those it learns {queries}"
        )


def _machine(plan: Plan, config: RunConfig) -> Iterator[str]:
    import torch

    memory = sum(plan.memory.values())
    if config.device == "auto" and torch.cuda.is_available():
        place, there = "GPU", float(torch.cuda.mem_get_info()[1])
    else:
        place, there = "machine", _main_memory()
    if there and memory > there:
        yield (
            f"the estimate of {memory / GIGABYTE:.0f} GB is above the {there / GIGABYTE:.0f} GB of this {place}: set "
            "gradient_checkpointing=true, a lower data.images_per_batch with optim.gradient_accumulation_steps, or "
            "train fewer parts (--preset finetune_lora or finetune_detector)"
        )
    parent = config.folder
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    # a checkpoint holds weights, average and optimizer; one more is written before the oldest is removed
    kept = config.schedule.keep_checkpoints + 1
    needed = kept * sum(plan.memory.get(name, 0.0) for name in ("weights", "optimizer", "averaged weights"))
    free = shutil.disk_usage(parent).free
    if needed > free:
        yield (
            f"the checkpoints may need {needed / GIGABYTE:.0f} GB and {free / GIGABYTE:.0f} GB are free in {parent}: "
            "set another output_dir or schedule.keep_checkpoints=1"
        )
    if memory > 20 * GIGABYTE and place == "machine":
        yield "no GPU was found: a step of a model of this size takes minutes on a CPU"


def _main_memory() -> float:
    """Bytes of this machine, 0 where they are unknown."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return 0.0
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
