from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from instructsam.engine.audit.known import KIND_OF, leaking
from instructsam.engine.audit.truth import SceneTruth, truth_of, world_image, world_rows
from instructsam.engine.candidates import KINDS, NO_TARGET, Candidate, CandidatePhrase
from instructsam.engine.rows import ImageRow, parse_row, row_to_dict
from instructsam.errors import InputError
from instructsam.structures.masks import decode_rle
from instructsam.world.instructions.families import FAMILY_SHARES
from instructsam.world.programs.operations import from_dict
from instructsam.world.splits.build import benchmark_records


@pytest.fixture(scope="module")
def rows() -> list[ImageRow]:
    return list(world_rows("val", 6))


def test_the_rows_are_the_scenes_of_the_benchmark(rows: list[ImageRow]) -> None:
    image, record = next(benchmark_records("val", 1))
    row = rows[0]
    assert row.meta["scene_seed"] == record.meta["scene_seed"]
    assert np.array_equal(np.asarray(world_image(row)), np.asarray(image))
    masks = {instance.category: decode_rle(instance.rle) for instance in row.instances if instance.rle}
    for phrase in record.phrases:
        for instance in phrase.instances:
            assert instance.rle is not None
            assert np.array_equal(masks[instance.category], decode_rle(instance.rle))


def test_a_row_says_enough_to_know_its_truth_again(rows: list[ImageRow]) -> None:
    import json

    parsed = parse_row(json.dumps(row_to_dict(rows[1])).encode())
    assert [known.text for known in truth_of(parsed).pool] == [known.text for known in truth_of(rows[1]).pool]


def test_every_family_has_a_kind_and_every_kind_occurs(rows: list[ImageRow]) -> None:
    assert set(KIND_OF) == set(FAMILY_SHARES)
    found = Counter(known.kind for row in rows for known in truth_of(row).pool)
    assert set(found) == set(KINDS)
    for row in rows:
        for known in truth_of(row).pool:
            assert (known.kind in NO_TARGET) != bool(known.numbers), known


def test_numbers_are_the_answers_of_the_programs(rows: list[ImageRow]) -> None:
    truth = truth_of(rows[2])
    for known in truth.pool:
        for phrase, program in zip(known.phrases, known.source.program["phrases"], strict=True):
            answer = from_dict(program).answer(truth.facts)
            assert answer is not None
            assert phrase.numbers == tuple(sorted(truth.numbers[index] for index in answer))


def test_other_wordings_are_found_and_mean_the_same(rows: list[ImageRow]) -> None:
    truth = truth_of(rows[3])
    reworded = [(known, text) for known in truth.pool for text in truth.wordings(known)]
    assert reworded
    for known, text in reworded:
        found = truth.find(text)
        assert found is not None
        assert found.numbers == known.numbers, text
    assert truth.find("no such instruction") is None


def test_mistakes_have_names(rows: list[ImageRow]) -> None:
    truth = next(truth_of(row) for row in rows if len(row.instances) > 4)
    known = next(one for one in truth.pool if len(one.numbers) > 1 and one.kind not in ("several",))
    groups = next(one for one in truth.pool if one.kind == "several")
    others = sorted(set(range(1, len(truth.numbers) + 1)) - set(known.numbers))

    def mistake(*numbers: int, text: str = known.text) -> str | None:
        return truth.mistake(
            Candidate("a", known.kind, text, (CandidatePhrase("it", tuple(sorted(numbers))),))
        )

    assert mistake(*known.numbers) == ""
    assert mistake(*known.numbers, text=leaking(known.text, 2)) == "leak"
    assert mistake(*known.numbers[1:]) == "missing"
    assert mistake(*known.numbers, others[0]) == "too many"
    assert mistake(*known.numbers[1:], others[0]) == "swapped"
    assert mistake() == "target"
    assert mistake(1, text="something else") is None
    exchanged = Candidate("b", "several", groups.text, tuple(reversed(groups.phrases)))
    assert truth.mistake(exchanged) == "groups"


def test_rows_that_are_no_whole_scenes_are_refused(rows: list[ImageRow]) -> None:
    with pytest.raises(InputError, match="expected a row with all"):
        truth_of(replace(rows[0], instances=()))
    with pytest.raises(InputError, match="expected a row with scene_seed"):
        truth_of(replace(rows[0], meta={}))


def test_truth_is_a_pure_function(rows: list[ImageRow]) -> None:
    first: SceneTruth = truth_of(rows[4])
    again = truth_of(next(row for row in world_rows("val", 5) if row.id == rows[4].id))
    assert first.pool == again.pool
