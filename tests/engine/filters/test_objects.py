"""The filters of objects."""

from __future__ import annotations

from pathlib import Path

import pytest

from instructsam.data.record import InstanceRecord
from instructsam.engine.checks import Findings, check
from instructsam.engine.filters.objects import object_problems, problems_of_meant
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.filters import FilterSettings
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from tests.engine.filters.rows import candidate, rectangle, row

DEFAULT = FilterSettings()


def test_each_fault_has_its_code() -> None:
    objects = [
        rectangle(10, 10, 20, 20),
        rectangle(10, 10, 7, 7),  # 49 pixels
        rectangle(0, 0, 80, 59),  # 98 % of the picture
        rectangle(10, 11, 20, 20),  # IoU 0.905 with the first one
        InstanceRecord(point_xy=(10.0, 10.0)),
        InstanceRecord(box_xywh=(10.0, 10.0, 20.0, 20.0)),
        InstanceRecord(box_xywh=(10.0, 10.0, 20.0, 19.0)),
        InstanceRecord(box_xywh=(10.0, 10.0, 20.0, 3.0)),
    ]
    found = object_problems(row(objects=objects), DEFAULT)
    assert {number: problem.code for number, problem in found.items()} == {
        2: "small object",
        3: "covering object",
        4: "duplicate object",
        7: "duplicate object",
        8: "small object",
    }
    assert found[2].text == "object 2 has 49 of 4800 pixels; at least 64 are needed"
    assert found[4].text == "object 4 is object 1 again"
    assert found[7].text == "object 7 is object 6 again"
    assert [problem.code for problem in problems_of_meant(candidate("dogs", (1, 2)), found)] == [
        "small object"
    ]


@pytest.mark.parametrize("objects", [[], [InstanceRecord(point_xy=(1.0, 1.0))]])
def test_rows_without_masks_have_no_faults(objects: list[InstanceRecord]) -> None:
    assert object_problems(row(objects=objects), DEFAULT) == {}


def test_the_share_of_the_image_counts() -> None:
    found = object_problems(row(objects=[rectangle(0, 0, 20, 20)]), FilterSettings(min_share=0.1))
    assert found[1].text == "object 1 has 400 of 4800 pixels; at least 480 are needed"


def test_no_vote_is_paid_for_a_faulty_object() -> None:
    config = EngineConfig(
        output_dir=Path("run"),
        source=SourceSettings(data="a.json"),
        vlm=VLMSettings(model="m", url="http://localhost/v1"),
    )
    objects = [rectangle(0, 0, 20, 20), rectangle(30, 30, 5, 5)]
    with pytest.raises(StopIteration) as end:
        next(check(row(objects=objects), candidate("dogs", (1, 2)), config, Findings()))
    assert end.value.value.code == "small object"
    assert next(check(row(objects=objects), candidate("dogs", (1,)), config, Findings()))
