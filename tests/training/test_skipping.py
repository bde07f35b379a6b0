"""`data.on_error: skip`: unusable samples are counted, named and replaced, and too many of them stop the run."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from instructsam.data.record import ImageRef, PhraseRecord, Record, write_records
from instructsam.errors import InputError
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.training.data_settings import DataSettings
from instructsam.training.skipping import SkipCount, sample_number
from instructsam.training.stream import batches
from tests.training.conftest import run, tiny
from tests.training.test_stream import stream


def images(folder: Path, count: int, broken: int, wordy: int) -> Path:
    """Images of one colour each; the first are no images, the next have an instruction that is too long."""
    lines = []
    for number in range(count):
        file = folder / f"{number}.png"
        Image.fromarray(np.full((32, 32, 3), 5 * number, np.uint8)).save(file)
        if number < broken:
            file.write_bytes(b"no image")
        text = "please " * 3000 if broken <= number < broken + wordy else "the cat"
        lines.append(Record(str(number), ImageRef(file.name, 32, 32), text, (PhraseRecord("cat", ()),)))
    write_records(folder / "records.jsonl", lines)
    return folder


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_replacement_depends_on_seed_and_position_alone(
    processor: InstructSAMProcessor, tmp_path: Path
) -> None:
    source = str(images(tmp_path, 20, broken=2, wordy=2))
    alone = DataSettings(source=source, images_per_batch=2, on_error="skip")
    together = DataSettings(source=source, images_per_batch=10, on_error="skip", workers=1)
    one = list(batches(stream(processor, alone, seed=3), 0, 10))
    other = list(batches(stream(processor, together, seed=3), 0, 2))
    pixels = [torch.cat([batch.inputs.detector_pixel_values for batch in some]) for some in (one, other)]
    assert torch.equal(*pixels)
    messages = [sorted(message for batch in some for message in batch.skipped) for some in (one, other)]
    assert messages[0] == messages[1]
    assert len(messages[0]) >= 4
    assert sum("b" in message and ".png: " in message for message in messages[0]) >= 2
    assert any("record '2': the instruction has" in message for message in messages[0])


def test_numbers_of_replacements() -> None:
    assert sample_number(1, 40, 0) == 40
    tried = {sample_number(1, 40, attempt) for attempt in range(1, 9)}
    assert len(tried) > 6
    assert all(40 < number <= 1040 for number in tried)


def test_too_many_stop_the_run(caplog: pytest.LogCaptureFixture) -> None:
    count = SkipCount(total=5)
    with caplog.at_level(logging.WARNING):
        count.name(["a.jpg: damaged", "a.jpg: damaged"])
        count.name(["a.jpg: damaged"])
    assert [record.message for record in caplog.records] == ["skipped: a.jpg: damaged"]
    for _ in range(50):
        count.add(8, 2)  # a fifth of those that were tried
    assert count.total == 105
    assert "105 samples could not be used" in count.report()
    with pytest.raises(
        InputError, match=r"of the last \d+ samples cannot be used, at most 20%.* a.jpg: damaged"
    ):
        count.add(40, 30)
    early = SkipCount()
    early.add(4, 4)
    assert not SkipCount().report()
    with pytest.raises(InputError, match="24 of the last 44 samples"):
        early.add(16, 20)


def test_a_run_counts_what_it_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = images(tmp_path, 20, broken=1, wordy=0)
    data = (f"data.source={source}", "data.images_per_batch=4", "schedule.total_steps=6")
    kept = [*tiny(tmp_path / "run"), *data, "data.on_error=skip", "loss.objectives.dense_classes=0"]
    kept = [change for change in kept if not change.startswith("data.world")]
    run(None, [*kept, "model.init_from=", "data.negatives_per_positive=0"])
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["skipped"] >= 1
    assert "could not be used and were replaced" in capsys.readouterr().err


def test_a_run_that_stopped_at_a_sample_resumes_without_it(tmp_path: Path) -> None:
    source = images(tmp_path, 20, broken=1, wordy=0)
    changes = [change for change in tiny(tmp_path / "run") if not change.startswith("data.world")]
    changes += [f"data.source={source}", "data.negatives_per_positive=0", "schedule.checkpoint_minutes=0"]
    with pytest.raises(InputError, match=r"0\.png.*; data\.on_error=skip leaves such samples out"):
        run(None, [*changes, "schedule.total_steps=12"])
    run(None, [*changes, "schedule.total_steps=12", "data.on_error=skip"], resume=True)
    assert '"step": 12' in (tmp_path / "run" / "log.jsonl").read_text()
