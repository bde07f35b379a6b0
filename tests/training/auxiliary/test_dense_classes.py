"""The readers are asked about the right cells, and are not shipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from instructsam.errors import CheckpointError
from instructsam.training.auxiliary.dense_classes import (
    ImageTruth,
    Perception,
    cell_truth,
    load_readers,
    perception_loss,
    save_readers,
)
from instructsam.world.source import ATTRIBUTES

SIZES = [attribute.values + 1 for attribute in ATTRIBUTES]


def two_things() -> ImageTruth:
    """One thing fills the left half of the top left quarter, another all of the bottom right quarter."""
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[0, :4, :2] = 1
    masks[1, 4:, 4:] = 1
    boxes = torch.tensor([[0.125, 0.25, 0.25, 0.5], [0.75, 0.75, 0.5, 0.5]])
    return ImageTruth(masks, boxes, torch.tensor([[1, 2, 1, 1], [5, 3, 2, 3]]))


def test_cells_know_what_covers_them() -> None:
    classes, boxes = cell_truth(two_things(), 2, 2)
    assert classes.tolist() == [[1, 2, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [5, 3, 2, 3]]
    assert torch.allclose(boxes[3], torch.tensor([0.0, 0.0, 0.5, 0.5]))
    assert torch.allclose(boxes[0], torch.tensor([0.125 - 0.25, 0.0, 0.25, 0.5]))


def test_a_sliver_is_not_shown() -> None:
    truth = two_things()
    truth.masks[0] = 0
    truth.masks[0, :4, 0] = 1  # a quarter of its cell
    assert cell_truth(truth, 2, 2)[0][0].tolist() == [0, 0, 0, 0]


def test_an_empty_scene_is_background() -> None:
    nothing = ImageTruth(torch.zeros(0, 8, 8), torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.int64))
    classes, boxes = cell_truth(nothing, 2, 3)
    assert classes.shape == (6, 4)
    assert boxes.shape == (6, 4)
    assert not classes.any()


def test_a_perfect_reader_has_no_loss() -> None:
    truth = two_things()
    classes, boxes = cell_truth(truth, 2, 2)
    hot = [torch.nn.functional.one_hot(classes[:, i], n) * 50.0 for i, n in enumerate(SIZES)]
    perfect = torch.cat([*hot, boxes], dim=1).unflatten(0, (2, 2))
    losses = perception_loss([[perfect], [perfect]], [truth], ATTRIBUTES)
    assert all(float(loss) < 1e-6 for loss in losses.values())
    worse = perfect.clone()
    worse[..., 0] += 100  # calls everything background
    assert perception_loss([[worse]], [truth], ATTRIBUTES)["see_kind"] > 10


def test_readers_go_from_stage_to_stage(tmp_path: Path) -> None:
    one, other = Perception(8, 4, ATTRIBUTES), Perception(8, 4, ATTRIBUTES)
    assert not load_readers(other, tmp_path / "model")
    save_readers(one, tmp_path)
    assert load_readers(other, tmp_path / "model")
    assert torch.equal(one.vlm.weight, other.vlm.weight)
    with pytest.raises(CheckpointError, match=r"readers\.safetensors does not fit"):
        load_readers(Perception(6, 4, ATTRIBUTES), tmp_path / "model")
