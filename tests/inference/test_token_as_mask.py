"""The two token baselines as users see them: parts become instances, blocks become instances of their phrase."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import instructsam
from instructsam.errors import InputError
from instructsam.inference.segmenter import Segmenter
from instructsam.model.variants.token_as_mask import connected_parts, split_parts
from instructsam.model.variants.token_per_instance import regroup
from instructsam.structures.instances import Instances
from instructsam.structures.masks import mask_boxes_xyxy
from instructsam.structures.predictions import Prediction
from tests.model.test_generation import Scripted
from tests.tiny import picture, tiny_pair

ABLATIONS: dict[str, dict[str, Any]] = {
    "token_as_mask": {"num_queries": 1, "instance_form": "token_as_mask"},
    "token_per_instance": {"num_queries": 1, "instance_form": "token_per_instance"},
    "causal": {"query_attention": "causal"},
    "no_projectors": {"projectors": False},
    "no_presence": {"use_presence": False},
    "queries_5": {"num_queries": 5},
}


def instances(masks: np.ndarray, scores: list[float], phrases: list[int]) -> Instances:
    return Instances(masks, mask_boxes_xyxy(masks), np.array(scores, np.float32), np.array(phrases, np.int64))


def two_parts() -> np.ndarray:
    """A large square, a small one, and a single pixel."""
    mask = np.zeros((60, 80), np.bool_)
    mask[5:15, 50:60] = True
    mask[30:50, 5:25] = True
    mask[0, 0] = True
    return mask


def test_a_mask_of_two_parts_is_two_instances() -> None:
    mask = two_parts()
    found = split_parts(instances(np.stack([mask, ~mask]), [0.75, 0.5], [0, 1]))
    assert found.areas.tolist() == [400, 100, mask.size - 501]
    assert found.boxes_xyxy[:2].tolist() == [[5, 30, 25, 50], [50, 5, 60, 15]]
    assert found.scores.tolist() == [0.75, 0.75, 0.5]
    assert found.phrase_ids.tolist() == [0, 0, 1]


def test_parts_that_touch_at_a_corner_are_one_and_crumbs_are_dropped() -> None:
    mask = np.zeros((40, 40), np.bool_)
    mask[5:10, 5:10] = mask[10:15, 10:15] = True
    mask[30, 30] = True  # one pixel of 1,600 is more than the default share
    assert [int(part.sum()) for part in connected_parts(mask)] == [50, 1]
    assert [int(part.sum()) for part in connected_parts(mask, 0.001)] == [50]
    assert connected_parts(np.zeros((4, 4), np.bool_)).shape == (0, 4, 4)


def test_nothing_to_split() -> None:
    assert split_parts(Instances.empty(6, 8)).size == (6, 8)


def test_blocks_come_back_under_their_phrases_best_first() -> None:
    masks = np.stack([np.eye(4, k=k, dtype=np.bool_) for k in range(3)])
    found = regroup(instances(masks, [0.5, 0.75, 0.25], [0, 1, 2]), owners=[0, 0, 1])
    assert found.phrase_ids.tolist() == [0, 0, 1]
    assert found.scores.tolist() == [0.75, 0.5, 0.25]
    assert np.array_equal(found.masks, masks[[1, 0, 2]])
    assert len(regroup(Instances.empty(4, 4), [])) == 0


def same(one: Prediction, other: Prediction) -> None:
    assert one.phrases == other.phrases
    assert np.allclose(one.instances.scores, other.instances.scores, atol=1e-5)
    assert np.array_equal(one.instances.masks, other.instances.masks)


@pytest.mark.parametrize("name", ABLATIONS)
def test_a_saved_variant_answers_as_before(name: str, tmp_path: Path) -> None:
    segmenter = Segmenter(*tiny_pair(**ABLATIONS[name]))
    segmenter.save(tmp_path)
    loaded = instructsam.load(tmp_path, device="cpu")
    for key, value in ABLATIONS[name].items():
        assert getattr(loaded.model.config, key) == value
    for mode in ("direct", "generate"):
        options: dict[str, Any] = {"mode": mode, "score_threshold": 0.0, "max_new_tokens": 12}
        texts = ["the red mugs", "kite"]
        before, after = (one.segment(picture(1), texts, **options) for one in (segmenter, loaded))
        for one, other in zip(before, after, strict=True):
            same(one, other)
    assert loaded.segment(picture(1), phrases=["red mug", "kite"], score_threshold=0.0).phrases == (
        "red mug",
        "kite",
    )


def test_one_token_and_one_mask_give_parts_with_one_score() -> None:
    segmenter = Segmenter(*tiny_pair(**ABLATIONS["token_as_mask"]))
    said = segmenter.segment(picture(1), "the red mugs", mode="direct", score_threshold=0.0)
    assert len(set(said.instances.scores.tolist())) <= 1
    for mask in said.instances.masks:
        assert len(connected_parts(mask)) == 1
    assert said.status in ("ok", "no_target"), "one query is never all of them"


def test_given_phrases_have_as_many_instances_as_the_model_counts() -> None:
    """The head says: another one, another one, stop; then one for the second phrase."""
    model, processor = tiny_pair(**ABLATIONS["token_per_instance"])
    again, stop = processor.token_ids.mask_start, processor.token_ids.im_end
    # the first word is the prompt's, which a given phrase overrules
    model.lm_head = Scripted([[stop, again, again, stop, stop]], model.lm_head.weight.shape[0])
    segmenter = Segmenter(model, processor)
    seen: list[tuple[int, ...]] = []
    plain = model.detect

    def detect(states: torch.Tensor, *rest: Any) -> Any:
        seen.append(tuple(states.shape[:2]))
        return plain(states, *rest)

    model.detect = detect  # type: ignore[method-assign]
    said = segmenter.segment(picture(1), phrases=["red mug", "kite"], score_threshold=0.0)
    assert seen == [(4, 1)]
    assert said.phrases == ("red mug", "kite")
    assert set(said.instances.phrase_ids.tolist()) <= {0, 1}
    assert (said.instances.phrase_ids == 0).sum() <= 3


def test_a_model_that_never_stops_is_stopped() -> None:
    model, processor = tiny_pair(**ABLATIONS["token_per_instance"])
    again = processor.token_ids.mask_start
    model.lm_head = Scripted([[again]], model.lm_head.weight.shape[0])
    said = Segmenter(model, processor).segment(picture(1), "kite", mode="direct", max_new_tokens=3)
    assert said.status == "truncated"


def test_released_decoding_of_a_baseline_is_refused() -> None:
    with pytest.raises(InputError, match="released_decoding"):
        Segmenter(*tiny_pair(**ABLATIONS["token_as_mask"]), released_decoding=True)
