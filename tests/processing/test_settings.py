"""Settings of the processor as they are stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import instructsam
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.settings import ProcessorSettings

DEFAULT = Path(instructsam.__file__).parent / "assets" / "default"
FILE = "processor_config.json"


def test_settings_are_stored_as_by_earlier_versions(tmp_path: Path) -> None:
    """The shipped default was written before there were other VLMs; the versions of then refuse unknown fields."""
    InstructSAMProcessor.from_pretrained(DEFAULT).save_pretrained(tmp_path)
    assert (tmp_path / FILE).read_bytes() == (DEFAULT / FILE).read_bytes()


def test_settings_of_another_vlm_are_stored() -> None:
    settings = InstructSAMProcessor.from_pretrained(DEFAULT).settings
    other = replace(settings, vlm="smolvlm", square=64)
    assert ProcessorSettings.from_fields(other.to_fields()) == other
    assert ProcessorSettings.from_fields(settings.to_fields()) == settings
