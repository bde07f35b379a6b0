"""Several images, each with its own instructions, in one call: the answers of one call each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.inference.feature_cache import FeatureCache
from instructsam.inference.jobs import ImageJob
from instructsam.inference.segmenter import Segmenter
from instructsam.structures.predictions import Prediction
from tests.tiny import picture, same, tiny_pair


def job(seed: int, *instructions: str, key: str = "", **options: Any) -> ImageJob:
    """A job about a picture; sizes differ between pictures."""
    image = load_image(picture(seed, 80 + 16 * (seed % 3), 64 + 8 * (seed % 2)))
    return ImageJob(image, instructions, key=key, **{"score_threshold": 0.0, **options})


def alone(segmenter: Segmenter, asked: ImageJob, **options: Any) -> list[Prediction]:
    """The answers of `segment`."""
    image, threshold = asked.image.image, asked.score_threshold
    if asked.phrases is not None:
        text = asked.instructions[0] if asked.instructions else None
        return [segmenter.segment(image, text, phrases=asked.phrases, score_threshold=threshold, **options)]
    return segmenter.segment(image, asked.instructions, mode=asked.mode, score_threshold=threshold, **options)


def identical(one: Prediction, other: Prediction) -> None:
    same(one, other)
    assert np.array_equal(one.instances.scores, other.instances.scores)
    assert np.array_equal(one.instances.masks, other.instances.masks)


@pytest.fixture
def encoded(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Images of each run of the vision encoders."""
    seen: list[int] = []
    encode = segmenter.model.encode_images

    def counting(pixels, grid, squares):
        seen.append(len(squares))
        return encode(pixels, grid, squares)

    monkeypatch.setattr(segmenter.model, "encode_images", counting)
    return seen


MIXED = [
    job(0, "the red mugs", "a", mode="direct"),
    job(1, "what can fly?", mode="generate"),
    job(2, phrases=("red mug", "plate")),
    job(3, "set the table", phrases=("kite",), score_threshold=0.4),
    job(4, "blue car", "kite", "everything but the kite", mode="generate", score_threshold=0.5),
    job(5, "kite"),
]


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_answers_equal_those_of_one_call_each(segmenter: Segmenter, batch_size: int) -> None:
    found = segmenter.segment_jobs(MIXED, batch_size=batch_size, max_new_tokens=8)
    for asked, answers in zip(MIXED, found, strict=True):
        assert isinstance(answers, list)
        for one, other in zip(alone(segmenter, asked, max_new_tokens=8), answers, strict=True):
            same(one, other)
            assert (one.instruction, one.mode, one.text) == (other.instruction, other.mode, other.text)
            assert other.image is asked.image.image


@pytest.mark.parametrize(
    "options", [{"vlm": "smolvlm"}, {"instance_form": "token_per_instance", "num_queries": 1}]
)
def test_every_family_and_form(options: dict[str, Any]) -> None:
    segmenter, cache = Segmenter(*tiny_pair(**options)), FeatureCache(2**24)
    jobs = [job(0, "a", "kite", key="0"), job(1, phrases=("kite", "plate"), key="1"), job(2, "b", key="2")]
    for _ in range(2):
        found = segmenter.segment_jobs(jobs, batch_size=2, cache=cache, max_new_tokens=8)
        for asked, answers in zip(jobs, found, strict=True):
            for one, other in zip(alone(segmenter, asked, max_new_tokens=8), answers, strict=True):
                same(one, other)
    assert (cache.statistics.hits, cache.statistics.misses) == (3, 3)


def test_one_job_is_bit_identical_with_and_without_the_cache(segmenter: Segmenter) -> None:
    asked, cache = job(0, "the red mugs", key="0"), FeatureCache(2**24)
    expected = alone(segmenter, asked)[0]
    for _ in range(2):
        identical(segmenter.segment_jobs([asked], cache=cache)[0][0], expected)
    assert cache.statistics.hits == 1


def test_a_bad_job_leaves_the_others_as_they_are(segmenter: Segmenter) -> None:
    bad = [
        job(1, ""),
        job(1, "kite " * 1000),
        job(1),
        job(1, "a", "b", phrases=("kite",)),
        job(1, "a", mode="both"),
        job(1, "a", score_threshold=2.0),
        ImageJob(Image.new("RGB", (8, 8)), ("a",)),  # type: ignore[arg-type]
    ]
    found = segmenter.segment_jobs([job(0, "kite"), *bad, job(2, "kite")])
    assert all(isinstance(answer, InputError) for answer in found[1:-1])
    same(found[0][0], alone(segmenter, job(0, "kite"))[0])
    same(found[-1][0], alone(segmenter, job(2, "kite"))[0])
    assert segmenter.segment_jobs([]) == []


def test_equal_keys_share_one_encoding(segmenter: Segmenter, encoded: list[int]) -> None:
    jobs = [job(n % 2, f"mug {n}", key=str(n % 2)) for n in range(6)]
    jobs += [job(0, "plate", key="0", mode="generate"), job(0, phrases=("kite",), key="0")]
    segmenter.segment_jobs(jobs, batch_size=2, max_new_tokens=4)
    assert encoded == [1, 1]
    encoded.clear()
    segmenter.segment_jobs(jobs, batch_size=16, max_new_tokens=4)
    assert encoded == [2]


def test_equal_keys_of_other_sizes_are_other_images(segmenter: Segmenter, encoded: list[int]) -> None:
    found = segmenter.segment_jobs([job(0, "kite", key="k"), job(1, "kite", key="k")])
    assert encoded == [2]
    assert found[0][0].original_size != found[1][0].original_size


def test_cached_images_are_not_encoded(segmenter: Segmenter, encoded: list[int]) -> None:
    cache = FeatureCache(2**24)
    jobs = [job(seed, "kite", key=str(seed)) for seed in range(3)]
    first = segmenter.segment_jobs(jobs[:2], cache=cache)
    both = segmenter.segment_jobs([jobs[2], *jobs[:2]], cache=cache)
    assert encoded == [2, 1]
    for one, other in zip(first, both[1:], strict=True):
        same(one[0], other[0])
    segmenter.segment_jobs([job(0, "kite")], cache=cache)  # no key: not cached
    assert (encoded, cache.statistics.entries) == ([2, 1, 1], 3)


def test_segmenters_do_not_share_features_of_one_cache() -> None:
    one, other = Segmenter(*tiny_pair()), Segmenter(*tiny_pair(seed=1))
    cache, asked = FeatureCache(2**24), job(0, "kite", key="0")
    one.segment_jobs([asked], cache=cache)
    identical(other.segment_jobs([asked], cache=cache)[0][0], alone(other, asked)[0])
    assert cache.statistics.entries == 2


def test_notes_of_the_image_are_kept(segmenter: Segmenter) -> None:
    noted = ImageJob(LoadedImage(picture(), ("rotated",)), ("kite",))
    assert "rotated" in segmenter.segment_jobs([noted])[0][0].notes
