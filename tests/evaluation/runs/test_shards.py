"""Which process answers what, and how parts become one file."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from instructsam.data.record import Record, write_records
from instructsam.errors import InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark
from instructsam.evaluation.rescore import rescore
from instructsam.evaluation.runner import evaluate, run_header
from instructsam.evaluation.runs.predictions import PredictionFile, read_predictions
from instructsam.evaluation.runs.shards import Shard, Share, merge_parts, part_path
from instructsam.evaluation.runs.stored_prediction import StoredPrediction
from tests.evaluation.fakes import HEIGHT, RECORDS, WIDTH, Oracle, Shifted, make_record, toy_benchmark

HEADER = run_header(Oracle(), "toy", "generate", {})
MEETING = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


def stored(name: str, text: str = "") -> StoredPrediction:
    return StoredPrediction(name, text, "", (), "no_target", (HEIGHT, WIDTH), (), (), (), 0.0)


def write(path: Path, *names: str, text: str = "") -> Path:
    with PredictionFile(path, HEADER) as file:
        for name in names:
            file.append(stored(name, text))
    return path


def many(pictures: int) -> list[Record]:
    return [
        make_record(f"{picture}-{number}", f"{picture}.png", "the first bar", [[2]])
        for picture in range(pictures)
        for number in range(1 + picture % 3)
    ]


@pytest.mark.parametrize("processes", [1, 2, 3, 7, 40])
def test_every_record_is_answered_once_and_no_picture_is_cut(processes: int) -> None:
    records = many(23)
    done = {"3-0", "4-0", "4-1", "7-1"}
    shares = []
    for rank in range(processes):
        share = Share(Shard(rank, processes), lambda record: record.id in done)
        shares.append([record for record in records if share(record)])
    names = [record.id for share in shares for record in share]
    assert sorted(names) == sorted({record.id for record in records} - done)
    pictures = [{record.image.file for record in share} for share in shares]
    assert sum(len(one) for one in pictures) == len(set().union(*pictures))
    sizes = [len(one) for one in pictures]
    assert max(sizes) - min(sizes) <= 1  # what is left is dealt out evenly, whoever had answered the rest


def test_the_environment_says_which_process_this_is() -> None:
    assert Shard.from_environment({}) == Shard()
    assert Shard.from_environment({"WORLD_SIZE": "1", "RANK": "0"}) == Shard()
    given = {"WORLD_SIZE": "3", "RANK": "2", "LOCAL_RANK": "0", **MEETING}
    assert Shard.from_environment(given) == Shard(2, 3, 0)
    assert not Shard(2, 3).is_main


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WORLD_SIZE": "2", **MEETING}, "must be whole numbers"),
        ({"WORLD_SIZE": "two", "RANK": "0", **MEETING}, "'two'"),
        ({"WORLD_SIZE": "2", "RANK": "2", **MEETING}, "got 2 of 2"),
        ({"WORLD_SIZE": "2", "RANK": "0", "MASTER_PORT": "1"}, "need MASTER_ADDR to meet"),
    ],
)
def test_a_contradictory_environment_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Shard.from_environment(given)


def test_parts_become_one_file_with_each_id_once(tmp_path: Path) -> None:
    whole = write(tmp_path / "predictions.jsonl", "a", text="first")
    write(part_path(whole, Shard(0, 3)), "b", "a", text="later")
    write(part_path(whole, Shard(2, 3)), "c", "b", text="last")  # the part of process 1 is missing
    assert merge_parts(whole, HEADER) == ()
    found = {item.id: item.instruction for item in read_predictions(whole)}
    assert found == {"a": "first", "b": "later", "c": "last"}
    assert list(tmp_path.iterdir()) == [whole]
    assert merge_parts(whole, HEADER) == ()  # nothing is left to do


def test_a_torn_last_line_is_dropped_and_said(tmp_path: Path) -> None:
    whole = tmp_path / "predictions.jsonl"
    part = write(part_path(whole, Shard(1, 2)), "a", "b")
    part.write_bytes(part.read_bytes()[:-9])
    empty = part_path(whole, Shard(0, 2))
    empty.write_bytes(b'{"format": "instr')  # killed while it wrote the head
    notes = merge_parts(whole, HEADER)
    assert len(notes) == 2
    assert all("was cut off and is dropped" in note for note in notes)
    assert [item.id for item in read_predictions(whole)] == ["a"]


def test_a_part_of_another_run_is_refused_and_stays(tmp_path: Path) -> None:
    whole = write(tmp_path / "predictions.jsonl", "a")
    part = part_path(whole, Shard(1, 2))
    PredictionFile(part, {**HEADER, "model": "other"}).close()
    with pytest.raises(InputError, match="model=other"):
        merge_parts(whole, HEADER)
    assert part.exists()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_shares_score_like_one_process(processes: int, tmp_path: Path) -> None:
    """What each process does, one after another; test_together.py starts real ones."""
    path = tmp_path / "predictions.jsonl"
    for rank in range(processes):
        shard = Shard(rank, processes)
        samples = list(toy_benchmark().iterate(wanted=Share(shard)))
        part = Benchmark("toy", lambda _, samples=samples: iter(samples))  # type: ignore[misc]
        if samples:
            evaluate(Shifted(), part, predictions_path=part_path(path, shard))
    merge_parts(path, HEADER)
    whole = evaluate(Shifted(), toy_benchmark())
    again = rescore(path, toy_benchmark(), 0.5)
    assert again.summary == whole.summary
    assert again.provenance["data"] == whole.provenance["data"]


def test_one_process_goes_on_with_the_parts_of_several(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    two = Benchmark("toy", lambda _: toy_benchmark(RECORDS[3:]).source(None))
    evaluate(Oracle(), two, predictions_path=part_path(path, Shard(1, 2)))
    oracle = Oracle()
    report = evaluate(oracle, toy_benchmark(), predictions_path=path)
    assert [texts for texts, _, _ in oracle.requests] == [[record.instruction for record in RECORDS[:3]]]
    assert report.summary == evaluate(Oracle(), toy_benchmark()).summary
    assert not list(tmp_path.glob("*.part-*"))


def test_pictures_of_others_are_not_opened(tmp_path: Path) -> None:
    write_records(tmp_path / "records.jsonl", RECORDS)
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "two.png")  # one.png is not there
    benchmark = Benchmark.from_folder(tmp_path)
    found = [record.id for _, record in benchmark.iterate(wanted=Share(Shard(1, 2)))]
    assert found == ["r4", "r5"]
    assert benchmark.check() == 5
    assert benchmark.check(4) == 4
