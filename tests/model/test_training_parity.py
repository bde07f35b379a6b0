"""One training step of the `published` preset, through the whole model, against the recorded one.

The recorded batch has three phrases, the last of them without target. The released code gives such a phrase an empty
mask to match; ours does not. So the recorded totals and gradients are reproduced by naming that empty mask as a
target, and the last test shows that nothing else stands between the two.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from instructsam.checkpoints.published_layout import map_published_name
from instructsam.losses.criterion import Criterion, CriterionConfig, CriterionOutput
from instructsam.losses.mask_losses import mask_bce, mask_dice, soft_dice
from instructsam.structures.outputs import PhraseTarget
from tests.model.test_parity import run
from tests.reference import assert_near, fields, needs_reference, tensors

pytestmark = needs_reference
NULL = 2  # the phrase without target


def targets(recorded: dict[str, torch.Tensor], first_is_null: bool, empty_mask: bool) -> list[PhraseTarget]:
    """The batch's targets; a phrase without target has an empty mask, as in the released code, or none, as in ours."""
    first, second = recorded["in.gt_masks.0"][:, 0], recorded["in.gt_masks.1"][:, 0]
    chosen = [
        first[:0] if first_is_null else first,
        second[[0, 1]],
        second[[2]] if empty_mask else second[:0],
    ]
    return [PhraseTarget(masks, torch.zeros(len(masks), 4)) for masks in chosen]


def step(variant: str, empty_mask: bool = True) -> tuple[Any, Any, CriterionOutput]:
    case = tensors("n5/teacher_forced")
    model, output, _ = run(case, infer_style=False, trained=True)
    criterion = Criterion(CriterionConfig.published())
    wanted = targets(tensors("n5/training"), variant == "null_only_sample0", empty_mask)
    return model, output, criterion(output, wanted, case["labels_after_forward"])


@pytest.mark.parametrize("variant", ["main", "null_only_sample0"])
def test_loss_assignments_and_gradients(variant: str) -> None:
    model, _, result = step(variant)
    expected = fields("n5/training")["variants"][variant]
    assert float(result.total.detach()) == pytest.approx(expected["loss"], rel=2e-4)
    rows = result.assignment.table(3, 5).tolist()
    assert [row for row in rows if max(row) >= 0] == expected["assigned_gt_inds"]
    result.total.backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    compared = 0
    for name, value in tensors("n5/training").items():
        if name.startswith(f"{variant}.grad."):
            ours = map_published_name(name.removeprefix(f"{variant}.grad."))
            assert_near(gradients[ours], value, 1e-3)
            compared += 1
    assert compared == 6
    largest = max(expected["grad_norms"].values())
    for name, norm in expected["grad_norms"].items():
        ours = map_published_name(name)
        if ours is not None:
            got = float(gradients[ours].norm())
            assert got == pytest.approx(norm, rel=1e-3, abs=1e-6 * largest), name


def test_only_the_phrase_without_target_is_judged_otherwise() -> None:
    _, output, released = step("main")
    _, _, ours = step("main", empty_mask=False)
    rows = released.assignment.table(3, 5)
    matched = int((rows[NULL] == 0).nonzero())
    assert torch.equal(ours.assignment.table(3, 5)[:NULL], rows[:NULL])
    assert (ours.assignment.table(3, 5)[NULL] == -1).all()
    assert ours.parts["text"] == released.parts["text"]

    logits = output.mask_logits[NULL, matched].detach()[None].flatten(1)
    empty = torch.zeros_like(logits)
    against_empty = {"mask_bce": mask_bce(logits, empty), "mask_dice": mask_dice(logits, empty, 1.0)}
    for (
        name,
        loss,
    ) in against_empty.items():  # sums over pairs, divided by the number of targets: 4 there, 3 here
        assert float(4 * released.parts[name] - 3 * ours.parts[name]) == pytest.approx(float(loss), rel=1e-4)

    floor = soft_dice(logits, empty).clamp(
        min=0.1
    )  # the released code teaches the matched query at least this
    scores = output.score_logits[NULL].detach()
    taught = torch.zeros_like(scores)
    taught[matched] = floor
    difference = F.binary_cross_entropy_with_logits(
        scores, taught, reduction="sum"
    ) - F.binary_cross_entropy_with_logits(scores, torch.zeros_like(scores), reduction="sum")
    assert float(15 * (released.parts["score"] - ours.parts["score"])) == pytest.approx(
        float(difference), abs=1e-4
    )
