"""Validation on records of one's own: only those with masks are scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instructsam.config import load_config
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.errors import ConfigError
from instructsam.experiments.validation import BenchmarkValidation, open_validate
from instructsam.structures.masks import encode_rle
from instructsam.training.settings import RunConfig

MASK = InstanceRecord(encode_rle(np.ones((8, 8), np.bool_)), (0.0, 0.0, 8.0, 8.0))
BOX = InstanceRecord(None, (0.0, 0.0, 8.0, 8.0))


def settings_of(folder: Path, instances: list[InstanceRecord]) -> RunConfig:
    """A run on an image per instance."""
    records = []
    for number, instance in enumerate(instances):
        image = ImageRef(f"{number}.png", 8, 8)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / image.file)
        records.append(Record(str(number), image, "the mug", (PhraseRecord("mug", (instance,)),)))
    write_records(folder / "records.jsonl", records)
    return load_config(RunConfig, None, [f"data.source={folder}", "validation.share=0.5"])


def test_held_out_records_without_masks_are_counted_and_not_scored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    validate = open_validate(settings_of(tmp_path, [MASK, BOX] * 10))
    assert isinstance(validate, BenchmarkValidation)
    records = list(validate.benchmark.records())
    assert 0 < len(records) < 10
    assert all(record.phrases[0].instances[0].rle for record in records)
    assert f"left out: {10 - len(records)} x instructions with a target whose mask is unknown" in caplog.text


def test_boxes_alone_cannot_validate(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no instruction whose answer is known by masks: .* set it to 0"):
        open_validate(settings_of(tmp_path, [BOX] * 4))
