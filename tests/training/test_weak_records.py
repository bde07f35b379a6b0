"""Whole runs on records of masks, boxes, points and ignored pixels, in every form of instances."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from instructsam.data.record import InstanceRecord, Record, write_records
from instructsam.world.source import WorldSettings
from instructsam.world.splits.build import record_of
from instructsam.world.splits.stream import world_sample
from tests.training.conftest import run, tiny

EVERY_OBJECTIVE = "loss.objectives={denoising: 1.0, query_readout: 1.0}"


def as_box(one: InstanceRecord) -> InstanceRecord:
    return replace(one, rle=None)


def as_point(one: InstanceRecord) -> InstanceRecord:
    x, y, w, h = one.box_xywh or (0, 0, 0, 0)
    return InstanceRecord(None, None, one.category, (x + w / 2, y + h / 2))


def write_world(folder: Path, kinds: tuple[Callable[[InstanceRecord], InstanceRecord], ...]) -> None:
    """A few scenes whose instances are known by these kinds in turn, some with crowds and ignored pixels."""
    records: list[Record] = []
    count = 0
    for index in range(6):
        sample = world_sample(3, index, WorldSettings(short_sides=(64,), instructions_per_scene=3))
        for number, instruction in enumerate(sample.instructions):
            record = record_of(sample.rendered, instruction, f"{index:05d}", number)
            phrases = []
            for phrase in record.phrases:
                instances = []
                for one in phrase.instances:
                    instances.append(kinds[count % len(kinds)](one))
                    count += 1
                phrases.append(replace(phrase, instances=tuple(instances)))
            known = [one.rle for phrase in record.phrases for one in phrase.instances if one.rle]
            record = replace(record, phrases=tuple(phrases))
            if known and number == 0:
                record = replace(record, ignore=known[0])
            records.append(record)
        (folder / records[-1].image.file).parent.mkdir(exist_ok=True)
        Image.fromarray(sample.rendered.image).save(folder / records[-1].image.file)
    write_records(folder / "records.jsonl", records)


def losses_of(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["parts"] for row in rows if "parts" in row]


@pytest.mark.parametrize(
    ("kinds", "form"),
    [
        ((as_point,), "queries"),
        ((as_box, as_point, lambda one: one), "queries"),
        ((as_box, as_point, lambda one: one), "token_as_mask"),
        ((as_box, as_point, lambda one: one), "token_per_instance"),
    ],
)
def test_runs_learn_from_what_is_known(
    tmp_path: Path, kinds: tuple[Callable[[InstanceRecord], InstanceRecord], ...], form: str
) -> None:
    write_world(tmp_path, kinds)
    more = [f"data.source={tmp_path}", EVERY_OBJECTIVE, "optim.lr=3e-3", "schedule.total_steps=6"]
    if form != "queries":
        more.append(f"model.overrides={{num_queries: 1, instance_form: {form}}}")
    run(None, tiny(tmp_path / "run", *more))
    rows = losses_of(tmp_path / "run")
    assert all(abs(value) < 1e4 for row in rows for value in row.values())
    assert any(row["box_projection"] > 0 for row in rows) == (as_box in kinds)
    assert min(row["loss"] for row in rows[-2:]) < rows[0]["loss"]
