"""Long lists of given phrases are answered in passes, each as if it were a call of its own."""

from __future__ import annotations

import pytest

from instructsam.inference.requests import PHRASES_PER_PASS, parse_request
from instructsam.inference.segmenter import Segmenter
from instructsam.inference.tasks import PHRASES_PER_BATCH, Task, batches
from instructsam.processing.processor import Sample
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction
from tests.tiny import picture, same


@pytest.mark.parametrize("instruction", [None, "set the table"])
def test_eighty_phrases_are_five_calls(segmenter: Segmenter, instruction: str | None) -> None:
    names = [f"thing number {index}" for index in range(80)]
    whole = segmenter.segment(picture(), instruction, phrases=names, score_threshold=0.0)
    assert whole.phrases == tuple(names)
    assert whole.instruction == (instruction or ", ".join(names))
    assert set(whole.instances.phrase_ids) == set(range(80))
    texts = parse_request(1, False, instruction, names, segmenter.processor).samples
    assert len(texts) > 1
    for part in texts:
        assert part.phrases is not None
        first = names.index(part.phrases[0])
        alone = segmenter.segment(picture(), instruction, phrases=list(part.phrases), score_threshold=0.0)
        ids = whole.instances.phrase_ids
        mine = whole.instances[(ids >= first) & (ids < first + len(part.phrases))]
        mine = Instances(mine.masks, mine.boxes_xyxy, mine.scores, mine.phrase_ids - first)
        same(Prediction(mine, alone.phrases, "", whole.status, "", whole.original_size), alone)


def test_several_images_and_many_phrases(segmenter: Segmenter) -> None:
    names = [f"n{index}" for index in range(40)]
    pair = [picture(1), picture(2, 48, 96)]
    together = segmenter.segment(pair, phrases=names, score_threshold=0.0, batch_size=2)
    for image, prediction in zip(pair, together, strict=True):
        same(segmenter.segment(image, phrases=names, score_threshold=0.0), prediction)


def test_passes_are_bounded(segmenter: Segmenter) -> None:
    limit = segmenter.processor.settings.max_instruction_tokens
    names = [f"a rather long name of thing number {index}" for index in range(500)]
    request = parse_request(1, False, None, names, segmenter.processor)
    assert [name for sample in request.samples for name in sample.phrases or ()] == names
    assert request.passes == [len(request.samples)]
    for sample in request.samples:
        assert 1 <= len(sample.phrases or ()) <= PHRASES_PER_PASS
        assert len(segmenter.processor.encode_instruction(sample.instruction)) <= limit
    with_words = parse_request(1, False, "set the table", names, segmenter.processor).samples
    assert {sample.instruction for sample in with_words} == {"set the table"}
    assert {len(sample.phrases or ()) for sample in with_words[:-1]} == {PHRASES_PER_PASS}


def test_batches_hold_so_many_phrases_at_most() -> None:
    many = [Task(Sample(0, "x", ("a",) * PHRASES_PER_PASS), "phrases", 0.5) for _ in range(9)]
    sizes = [len(batch) for batch in batches(many, 100)]
    assert sizes == [4, 4, 1]
    assert PHRASES_PER_BATCH == 4 * PHRASES_PER_PASS
    plain = [Task(Sample(0, "x"), "generate", 0.5) for _ in range(5)]
    assert [len(batch) for batch in batches(plain, 2)] == [2, 2, 1]
    assert list(batches([], 2)) == []


def test_batches_keep_images_together_and_modes_apart() -> None:
    tasks = [
        Task(Sample(image, "x", phrases), "generate" if phrases is None else "phrases", 0.5)
        for image, phrases in [(0, None), (1, ("a",)), (0, ("b",)), (1, None), (0, None), (2, None)]
    ]
    assert list(batches(tasks, 3)) == [[0, 4, 3], [2, 1], [5]]


def test_a_few_phrases_are_one_pass(segmenter: Segmenter) -> None:
    request = parse_request(2, True, None, ["red mug", "plate"], segmenter.processor)
    assert [sample.instruction for sample in request.samples] == ["red mug, plate"] * 2
    assert request.passes == [1, 1]


def test_the_worst_status_of_all_passes_counts(segmenter: Segmenter) -> None:
    names = [f"n{index}" for index in range(20)]
    options = {"phrases": names, "score_threshold": 0.0}
    assert segmenter.segment(picture(), **options, mask_threshold=-1e6).status == "saturated"
    assert segmenter.segment(picture(), phrases=names, score_threshold=1.0).status == "no_target"
    long = [*names, "the red mugs that stand beside the yellow banana and behind every one of them all"]
    notes = segmenter.segment(picture(), phrases=long).notes
    assert sum("first 32 tokens" in note for note in notes) == 1
