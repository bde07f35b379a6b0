"""Targets of the cells, and the losses of their predictions."""

from __future__ import annotations

import torch

from instructsam.training.auxiliary.dense_classes import dense_losses
from instructsam.training.batch import CellTargets
from instructsam.training.cell_targets import cell_targets
from instructsam.world.source import ATTRIBUTES

SIZES = [attribute.values + 1 for attribute in ATTRIBUTES]


def two_objects() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One object fills the left half of the top left quarter, another all of the bottom right quarter."""
    masks = torch.zeros(2, 8, 8, dtype=torch.uint8)
    masks[0, :4, :2] = 1
    masks[1, 4:, 4:] = 1
    boxes = torch.tensor([[0.125, 0.25, 0.25, 0.5], [0.75, 0.75, 0.5, 0.5]])
    return masks, boxes, torch.tensor([[1, 2, 1, 1], [5, 3, 2, 3]])


def test_a_cell_belongs_to_the_object_that_covers_it() -> None:
    found = cell_targets(*two_objects(), 2, 2)
    assert found.classes.tolist() == [[1, 2, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [5, 3, 2, 3]]
    assert torch.allclose(found.boxes[3], torch.tensor([0.0, 0.0, 0.5, 0.5]))
    assert torch.allclose(found.boxes[0], torch.tensor([0.125 - 0.25, 0.0, 0.25, 0.5]))


def test_a_sliver_does_not_count() -> None:
    masks, boxes, classes = two_objects()
    masks[0] = 0
    masks[0, :4, 0] = 1  # a quarter of its cell
    assert cell_targets(masks, boxes, classes, 2, 2).classes[0].tolist() == [0, 0, 0, 0]


def test_an_empty_scene_is_background() -> None:
    nothing = (torch.zeros(0, 8, 8), torch.zeros(0, 4), torch.zeros(0, 4, dtype=torch.int64))
    found = cell_targets(*nothing, 2, 3)
    assert found.classes.shape == (6, 4)
    assert found.boxes.shape == (6, 4)
    assert not found.classes.any()


def numbers(cells: CellTargets) -> tuple[int, int]:
    return len(cells.classes), int((cells.classes[:, 0] > 0).sum())


def test_perfect_predictions_have_no_loss() -> None:
    one = cell_targets(*two_objects(), 2, 2)
    hot = [torch.nn.functional.one_hot(one.classes[:, i], n) * 50.0 for i, n in enumerate(SIZES)]
    perfect = torch.cat([*hot, one.boxes], dim=1)
    both = CellTargets(one.classes.repeat(2, 1), one.boxes.repeat(2, 1))
    losses = dense_losses(perfect.repeat(2, 1), both, ATTRIBUTES, *numbers(both))
    assert all(float(loss) < 1e-6 for loss in losses.values())
    worse = perfect.clone()
    worse[..., 0] += 100  # calls everything background
    assert dense_losses(worse, one, ATTRIBUTES, *numbers(one))["kind"] > 10


def test_divisors_make_unequal_parts_equal_one_batch() -> None:
    cells = cell_targets(*two_objects(), 2, 2)
    predicted = torch.randn(4, sum(SIZES) + 4)
    whole = dense_losses(predicted, cells, ATTRIBUTES, *numbers(cells))
    shares = [number / 2 for number in numbers(cells)]
    first, rest = (
        dense_losses(
            predicted[part], CellTargets(cells.classes[part], cells.boxes[part]), ATTRIBUTES, *shares
        )
        for part in (slice(1), slice(1, 4))
    )
    for name, loss in whole.items():
        torch.testing.assert_close((first[name] + rest[name]) / 2, loss)
