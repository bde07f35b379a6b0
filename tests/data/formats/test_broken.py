"""Whatever stands in a published file: records, or one clear line that names the file; never another error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instructsam.data.formats.coco import read_categories, read_concepts
from instructsam.data.formats.inst2seg import read_inst2seg
from instructsam.data.formats.lisa_plus import read_lisa_plus
from instructsam.data.formats.mapillary import read_mapillary
from instructsam.data.formats.muse import read_muse
from instructsam.data.formats.names import OBJECTS365, PART_IMAGE_NET, PARTS
from instructsam.data.formats.own_coco_layout import open_coco
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.reasonseg import read_reasonseg_folder, read_reasonseg_list
from instructsam.data.formats.refer import read_grefs
from instructsam.data.formats.roborefit import read_roborefit
from instructsam.data.formats.source import Tally
from instructsam.data.record import Record, parse_record, record_to_dict
from instructsam.errors import RecordError

from . import (
    test_inst2seg,
    test_lisa_plus,
    test_mapillary,
    test_muse,
    test_own_coco,
    test_reasonseg,
    test_refer,
    test_roborefit,
)
from .helpers import block, picture, write
from .test_coco import RUNS, annotation, coco, concepts

INSTANCES = coco(
    annotation(1, 9, 18, 1, 1, 2, 2), annotation(3, 9, 18, 0, 0, 1, 1, segmentation=RUNS, iscrowd=1)
)
Reader = Callable[[Path], Iterator[Record]]


def grefs(path: Path) -> Iterator[Record]:
    write(path.parent / "instances.json", INSTANCES)
    return read_grefs(path.parent, "val", "", Tally())


def find_coco_reader(path: Path) -> RecordReader:
    return open_coco("f", path, ReadOptions())


def own_instructions(path: Path) -> Iterator[Record]:
    value = test_own_coco.coco([test_own_coco.image(1, "a.jpg")], [test_own_coco.thing(1, 1)])
    return find_coco_reader(write(path.parent / "instances.json", value)).read(Tally())


BOXES = coco(annotation(1, 9, 18, 1, 1, 2, 2, segmentation=None), annotation(2, 4, 1, 1, 1, 2, 2))
PART = coco(annotation(1, 9, 18, 1, 1, 2, 2))
PART["categories"] = [{"id": 18, "name": "mug:handle", "supercategory": "PART"}]
REASONING = {
    "image_path": "a.jpg",
    "English Question": "What?",
    "English Answer": "The <7| remote>.",
    "info": {"7": [[1, 1], [3, 1], [3, 3]]},
}
SHAPES = [test_reasonseg.shape("target", 0, 0, 5, 4), test_reasonseg.shape("ignore", 1, 1, 2, 2)]
CASES: dict[str, tuple[str, Any, Reader]] = {
    "inst2seg": (
        "f.json",
        [test_inst2seg.item(test_inst2seg.annotation())],
        lambda path: read_inst2seg(path, "images", Tally()),
    ),
    "reasonseg": (
        "a.json",
        {"text": ["a"], "is_sentence": True, "shapes": SHAPES},
        lambda path: read_reasonseg_folder(path.parent, path.parent, Tally()),
    ),
    "reasonseg list": (
        "f.json",
        [test_reasonseg.entry()],
        lambda path: read_reasonseg_list(path, "", Tally()),
    ),
    "coco": ("f.json", INSTANCES, lambda path: read_categories(path, "", Tally())),
    "objects365": ("f.json", BOXES, lambda path: read_categories(path, "", Tally(), OBJECTS365)),
    "paco": ("f.json", PART, lambda path: read_categories(path, "", Tally(), PARTS)),
    "partimagenet": ("f.json", PART, lambda path: read_categories(path, "", Tally(), PART_IMAGE_NET)),
    "inst2seg boxes": (
        "f.json",
        [
            test_inst2seg.item(
                test_inst2seg.annotation(ann_type="bbox", ann=["[1, 1, 3, 3]"]),
                test_inst2seg.annotation(ann_type="point", ann=[[1, 1]]),
            )
        ],
        lambda path: read_inst2seg(path, "images", Tally()),
    ),
    "lisa++": (
        "f.json",
        [test_lisa_plus.entry({"7": test_lisa_plus.thing([[1, 1], [3, 1], [3, 3]])})],
        lambda path: read_lisa_plus(path, "", path.parent, Tally()),
    ),
    "lisa++ reasoning": (
        "f.json",
        [REASONING],
        lambda path: read_lisa_plus(path, "", path.parent, Tally()),
    ),
    "mapillary": (
        "config.json",
        {"labels": test_mapillary.LABELS[:2]},
        lambda path: read_mapillary(path, path.parent / "maps", "", Tally()),
    ),
    "own coco": (
        "f.json",
        test_own_coco.coco(
            [
                test_own_coco.image(
                    1, "a.jpg", instruction=["all", {"instruction": "x", "annotation_ids": [1]}]
                ),
                test_own_coco.image("b", "b.jpg"),
            ],
            [
                test_own_coco.thing(1, 1, instruction="this", bbox=[1, 1, 2, 2]),
                test_own_coco.thing(2, 1, 2, iscrowd=1, segmentation=RUNS),
            ],
        ),
        lambda path: find_coco_reader(path).read(Tally()),
    ),
    "own instructions": (
        "instructions.json",
        [{"image": 1, "instruction": "x", "annotation_ids": [1]}, {"image": "a.jpg", "instruction": "y"}],
        own_instructions,
    ),
    "sa-co": (
        "f.json",
        concepts(None, annotation(1, 10, 1, 1, 1, 2, 2)),
        lambda path: read_concepts([path, path], "", Tally()),
    ),
    "grefcoco": ("grefs(unc).json", [test_refer.ref(1, 9, [1], "val", no_target=False)], grefs),
    "muse": (
        "f.json",
        [test_muse.item([[test_muse.thing("a", 0, 0, 2, 2)]])],
        lambda path: read_muse(path, "coco", Tally()),
    ),
    "roborefit": (
        "f.json",
        [test_roborefit.entry(0)],
        lambda path: read_roborefit(path, path.parent / "roborefit", path.parent, Tally()),
    ),
}
odd = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [0, -1, 1, 7, 1e300, 0.5, 10**30, float("nan"), float("inf"), "", " ", "x", "[1]", "../x", "é"]
    ),
    st.sampled_from([[], {}, [[]], [None], [1, 2], {"a": 1}, {"size": [6, 10], "counts": ["a"]}, [0] * 8]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@pytest.mark.parametrize("name", CASES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_broken_place_is_records_or_one_line(tmp_path: Path, name: str, data: st.DataObject) -> None:
    file, good, reader = CASES[name]
    picture(tmp_path / "a.jpg")
    test_mapillary.save(tmp_path, test_mapillary.street() % 512)
    test_roborefit.save_mask(tmp_path, "0", block(1, 1, 3, 3))
    place = data.draw(st.sampled_from(places(good)))
    broken: Any = {"top": deepcopy(good)}
    target, key = broken, "top"
    for step in place:
        target, key = target[key], step
    if place and isinstance(target, dict) and data.draw(st.booleans()):
        del target[key]
    else:
        target[key] = data.draw(odd)
    (tmp_path / file).write_text(json.dumps(broken["top"]), encoding="utf-8")
    said = complaint(reader, tmp_path / file)
    assert "\n" not in said
    assert not said or ".json" in said, said


def complaint(reader: Reader, path: Path) -> str:
    """What the reader says, "" when it reads everything; other errors than its own fail the test."""
    try:
        records = list(reader(path))
    except RecordError as error:
        return str(error)
    for record in records:
        parse_record(record_to_dict(record), "here")
    return ""
