"""Label Studio: tasks with predictions, the interface, and decisions from an export."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from instructsam.data.record import InstanceRecord
from instructsam.engine.review.apply import apply_to_all, import_decisions
from instructsam.engine.review.decisions import HumanDecision, append_decisions, read_decisions
from instructsam.engine.review.label_studio_results import (
    LabelStudioReport,
    label_studio_decisions,
    read_export,
)
from instructsam.engine.review.label_studio_tasks import embedded, local_files, url_prefix, write_tasks
from instructsam.engine.review.queue import review_queue
from instructsam.engine.review.report import ReviewReport
from instructsam.engine.review.run_review import import_file, page_key
from instructsam.engine.settings.config import EngineConfig
from instructsam.errors import InputError
from instructsam.exports.label_studio_rle import decode_brush, encode_brush
from instructsam.structures.masks import decode_rle
from tests.engine.review.rows import HEIGHT, WIDTH, SquareImages, make_decision, make_row, outcome, square

# Mugs 1, 3, 5, 7 and plates 2, 4, 6; the last object has a box alone, of another class.
ROW = make_row("a b", 7, ("mug", "plate"))
BOX = InstanceRecord(box_xywh=(60.0, 40.0, 12.0, 12.0), category="tray")
ROW = replace(ROW, instances=(*ROW.instances, BOX))
ENGINE = make_decision(ROW, phrases=(("the mugs", (1, 3)), ("the tray", (8,))))
FINISHED = [outcome(ROW, ENGINE)]


def _task(tmp_path: Path) -> dict[str, Any]:
    path = write_tasks(review_queue(FINISHED), url_prefix("https://example.org/x/"), tmp_path / "tasks.json")[
        0
    ]
    (task,) = json.loads(path.read_text())
    return task


def _choice(name: str, value: str) -> dict[str, Any]:
    return {"from_name": name, "to_name": "image", "type": "choices", "value": {"choices": [value]}}


def _annotated(task: dict[str, Any], decision: str = "accept", person: Any = 1) -> dict[str, Any]:
    """An annotation that keeps the prediction; as in Label Studio, its regions have new ids."""
    result = deepcopy(task["predictions"][0]["result"])
    for number, region in enumerate(result):
        if "id" in region:
            region["id"] = f"Xy{number}"
    return {
        "result": [*result, _choice("decision", decision)],
        "completed_by": person,
        "was_cancelled": False,
        "updated_at": "2026-11-28T02:00:00Z",
    }


def _regions(annotation: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {
        int(result["meta"]["text"][0].split()[1]): result
        for result in annotation["result"]
        if "meta" in result
    }


def _labels(region: dict[str, Any], *labels: str) -> None:
    region["value"][region["type"]] = list(labels)


def _decide(tmp_path: Path, task: dict[str, Any], annotations: Sequence[dict[str, Any]]):
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{**task, "id": 5, "annotations": list(annotations)}]))
    report = LabelStudioReport()
    return label_studio_decisions(read_export(path), FINISHED, report), report


def _outcome(decisions: Any):
    report = ReviewReport()
    ((row, found),) = apply_to_all(FINISHED, decisions, report)
    return row, found.decisions[0], report


def test_a_task_shows_the_engine_s_answer(tmp_path: Path) -> None:
    task = _task(tmp_path)
    assert task["data"]["image"] == "https://example.org/x/images/a%20b.jpg"
    (prediction,) = task["predictions"]
    assert prediction["score"] == 0.5
    regions = {region["id"]: region for region in prediction["result"] if "id" in region}
    assert sorted(regions) == ["object-1", "object-3", "object-5", "object-7", "object-8"]  # no plates
    first = regions["object-1"]
    assert (first["type"], first["original_width"], first["original_height"]) == (
        "brushlabels",
        WIDTH,
        HEIGHT,
    )
    assert first["value"]["brushlabels"] == ["phrase 1"]
    assert (decode_brush(first["value"]["rle"], (HEIGHT, WIDTH)) == decode_rle(ROW.instances[0].rle)).all()
    assert regions["object-5"]["value"]["brushlabels"] == ["not meant"]
    tray = regions["object-8"]["value"]
    assert (tray["x"], tray["width"], tray["rectanglelabels"]) == (75.0, 15.0, ["phrase 2"])
    texts = {
        one["from_name"]: one["value"]["text"] for one in prediction["result"] if one["type"] == "textarea"
    }
    assert texts == {"instruction": ["Segment the mugs."], "phrases": ["the mugs", "the tray"]}


def test_the_interface_names_every_control_of_a_task(tmp_path: Path) -> None:
    files = write_tasks(review_queue(FINISHED), local_files("images/"), tmp_path / "tasks.json")
    assert [path.name for path in files] == ["tasks.json", "tasks.xml"]
    view = ElementTree.parse(files[1]).getroot()
    (task,) = json.loads(files[0].read_text())
    assert task["data"]["image"] == "/data/local-files/?d=images/images/a%20b.jpg"
    names = {control.get("name"): control.tag.lower() for control in view.iter() if control.get("toName")}
    for result in task["predictions"][0]["result"]:
        assert names[result["from_name"]] == result["type"]
    assert "points" not in names
    labels = {label.get("value") for label in view.iter("Label")}
    assert labels == {"phrase 1", "phrase 2", "not meant"}
    assert {part.get("value") for part in view if part.get("value", "").startswith("$")} == {
        "$image",
        "$about",
    }


def test_many_tasks_are_cut_into_files_and_images_embedded(tmp_path: Path) -> None:
    finished = [outcome(ROW, *[make_decision(ROW, number) for number in range(5)])]
    files = write_tasks(review_queue(finished), embedded(SquareImages()), tmp_path / "t.json", per_file=2)
    assert [path.name for path in files] == ["t-0001.json", "t-0002.json", "t-0003.json", "t.xml"]
    assert json.loads(files[2].read_text())[0]["data"]["image"].startswith("data:image/jpeg;base64,")
    assert [path.name for path in write_tasks([], url_prefix("x"), tmp_path / "n.json")] == [
        "n.json",
        "n.xml",
    ]


def test_an_accepted_task_changes_nothing(tmp_path: Path) -> None:
    task = _task(tmp_path)
    decisions, report = _decide(
        tmp_path, task, [_annotated(task, person={"email": "ann@example.org", "id": 3})]
    )
    (decision,) = decisions.values()
    assert (decision.action, decision.phrases, decision.masks, decision.added) == ("accept", (), (), ())
    assert (decision.reviewer, decision.time) == ("ann@example.org", "2026-11-28T02:00:00Z")
    assert (report.tasks, report.single, report.unreadable) == (1, 1, 0)
    assert _outcome(decisions)[2].count("accepted") == 1


def test_labels_and_deleted_regions_change_numbers(tmp_path: Path) -> None:
    task = _task(tmp_path)
    annotation = _annotated(task)
    regions = _regions(annotation)
    _labels(regions[5], "phrase 1")
    _labels(regions[7], "phrase 1", "phrase 2")
    _labels(regions[8], "not meant")
    annotation["result"].remove(regions[3])
    decisions, _ = _decide(tmp_path, task, [annotation])
    _, decision, report = _outcome(decisions)
    assert [phrase.numbers for phrase in decision.candidate.phrases] == [(1, 5, 7), (7,)]
    assert report.count("fixed") == 1


def test_regions_without_notes_are_found_by_overlap(tmp_path: Path) -> None:
    task = _task(tmp_path)
    annotation = _annotated(task)
    for region in _regions(annotation).values():
        del region["meta"]
    decisions, _ = _decide(tmp_path, task, [annotation])
    assert _outcome(decisions)[2].count("accepted") == 1


def test_brushes_correct_masks_and_add_objects(tmp_path: Path) -> None:
    task = _task(tmp_path)
    annotation = _annotated(task)
    corrected, drawn = square(2, 5, 8), square(60, 5, 6)
    regions = _regions(annotation)
    regions[1]["value"]["rle"] = encode_brush(corrected)
    regions[3]["value"]["rle"] = encode_brush(np.zeros((HEIGHT, WIDTH), dtype=np.bool_))
    new = deepcopy(regions[5])
    del new["meta"]
    new["value"] = {"format": "rle", "rle": encode_brush(drawn), "brushlabels": ["phrase 1", "phrase 2"]}
    annotation["result"].append(new)
    del regions[5]["meta"]
    row, decision, report = _outcome(_decide(tmp_path, task, [annotation])[0])
    assert (decode_rle(row.instances[0].rle) == corrected).all()
    assert (decode_rle(row.instances[8].rle) == drawn).all()
    assert [phrase.numbers for phrase in decision.candidate.phrases] == [(1, 9), (8, 9)]
    assert (report.masks, report.added) == (1, 1)


def test_texts_reasons_and_comments(tmp_path: Path) -> None:
    task = _task(tmp_path)
    annotation = _annotated(task)
    for result in annotation["result"]:
        if result["from_name"] == "instruction":
            result["value"]["text"] = ["Segment mugs and tray."]
        if result["from_name"] == "phrases":
            result["value"]["text"] = ["mugs", "the tray"]
    decisions, _ = _decide(tmp_path, task, [annotation])
    candidate = _outcome(decisions)[1].candidate
    assert (candidate.instruction, candidate.phrases[0].text) == ("Segment mugs and tray.", "mugs")
    rejected = _annotated(task, "reject")
    comment = {"from_name": "comment", "type": "textarea", "value": {"text": ["blurred"]}}
    rejected["result"] += [_choice("reason", "bad mask"), comment]
    (decision,) = _decide(tmp_path, task, [rejected])[0].values()
    assert (decision.action, decision.reason, decision.comment) == ("reject", "bad mask", "blurred")


def test_the_majority_decides(tmp_path: Path) -> None:
    task = _task(tmp_path)
    fixed = _annotated(task, person=3)
    _labels(_regions(fixed)[5], "phrase 1")
    yes, again, no = _annotated(task, person=1), _annotated(task, person=2), _annotated(task, "reject", 4)
    decisions, report = _decide(tmp_path, task, [no, yes, again])
    assert (report.majority, report.split) == (1, 0)
    assert [(one.action, one.reviewer) for one in decisions.values()] == [("accept", "1, 2")]
    decisions, report = _decide(tmp_path, task, [fixed, yes, no])
    assert (decisions, report.split) == ({}, 1)
    assert "1 split and not decided" in report.lines()[1]
    _, report = _decide(tmp_path, task, [yes, again, {**no, "was_cancelled": True}, {**no, "result": []}])
    assert (report.unanimous, report.undecided, report.annotations) == (1, 2, 4)
    dated = {**no, "updated_at": "2026-11-28T10:00:00Z"}
    decisions, report = _decide(tmp_path, task, [dated, yes, dated])  # joined exports: no second vote
    assert (decisions, report.split) == ({}, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: _regions(one)[1]["value"].update(rle=[1, 2, 3]), "it was cut"),
        (lambda one: _regions(one)[1].update(original_width=7), "expected a region of an image of"),
        (lambda one: _labels(_regions(one)[1], "phrase 9"), "expected labels of 2 phrases, got phrase 9"),
        (lambda one: one["result"][-2]["value"].update(text=["one"]), "expected 2 phrases, got 1"),
        (lambda one: _regions(one)[8]["value"].update(x="a"), "in percent"),
        (lambda one: one["result"][-2]["value"].update(text=["\ud800", "b"]), "field phrases"),
        (lambda one: one.update(result=None), "an annotation with a result"),
    ],
)
def test_unreadable_annotations_are_counted(tmp_path: Path, change: Any, message: str) -> None:
    task = _task(tmp_path)
    annotation = _annotated(task)
    change(annotation)
    decisions, report = _decide(tmp_path, task, [annotation])
    assert decisions == {}
    assert report.unreadable == 1
    assert message in report.problems[0]


def test_stale_and_unknown_tasks_are_counted_by_the_import(tmp_path: Path) -> None:
    task = _task(tmp_path)
    stale = {**task, "data": {**task["data"], "digest": "old"}}
    unknown = {**task, "data": {**task["data"], "candidate": "row-z#0"}}
    path = tmp_path / "export.json"
    path.write_text(json.dumps([{**one, "annotations": [_annotated(task)]} for one in (stale, unknown)]))
    decisions = label_studio_decisions(read_export(path), FINISHED, LabelStudioReport())
    report = import_decisions(decisions, FINISHED, tmp_path / "decisions.jsonl")
    assert (report.applied, report.stale, report.unknown) == (0, 1, 1)
    assert read_decisions(tmp_path / "decisions.jsonl").lines == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "expected a list of tasks"),
        ('[{"image": "x", "decision": "accept"}]', "not as JSON-MIN"),
        ('[{"data": {"image": "x"}, "annotations": []}]', "a task that the engine made"),
        ("[", "export.json"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "export.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_export(path)


def test_any_file_of_decisions_is_imported(tmp_path: Path) -> None:
    task = _task(tmp_path)
    run = tmp_path / "decisions.jsonl"
    export = tmp_path / "export.json"
    export.write_text("\n " + json.dumps([{**task, "annotations": [_annotated(task)]}]))
    report, exported = import_file(export, lambda: FINISHED, run)
    assert exported is not None
    assert (report.applied, exported.annotations) == (1, 1)
    saved = tmp_path / "saved.jsonl"
    append_decisions(saved, [HumanDecision(ENGINE.candidate.id, task["data"]["digest"], "reject")])
    report, exported = import_file(saved, lambda: FINISHED, run)
    assert exported is None
    assert report.count("rejected") == 1
    assert read_decisions(run).lines == 2
    with pytest.raises(InputError, match="found none"):
        import_file(tmp_path / "absent", lambda: FINISHED, run)


def test_the_key_of_the_pages_follows_the_source_alone() -> None:
    def key(**changes: Any) -> str:
        values = {
            "output_dir": Path("runs/mugs"),
            "source": {"data": "x"},
            "vlm": {"model": "m", "url": "http://h/v1"},
        }
        return page_key(EngineConfig.model_validate({**values, **changes}))

    assert key().startswith("mugs-")
    assert key() == key(verify={"votes": 9}) == key(output_dir=Path("other/mugs"))
    assert key() != key(source={"data": "y"})
