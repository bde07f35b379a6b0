"""The forward pass equals every tensor of the recorded teacher-forced case."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.reference import assert_near, fields, needs_reference, published_model, tensors

pytestmark = needs_reference


@pytest.fixture(scope="module")
def reference() -> dict[str, torch.Tensor]:
    return tensors("n5/teacher_forced")


def record(module: Any, store: dict[str, torch.Tensor], name: str) -> None:
    """Keep what `module` returns under `name`."""

    def hook(_: Any, __: Any, output: Any) -> None:
        value = output[0] if isinstance(output, tuple) else output
        store.setdefault(name, value if isinstance(value, torch.Tensor) else value.last_hidden_state)

    module.register_forward_hook(hook)


def block_ids(input_ids: torch.Tensor, query: int, mask_start: int) -> torch.Tensor:
    ids = torch.where(input_ids == mask_start, 1, 0).cumsum(1) - 1
    return torch.where(input_ids == query, ids, -1)


def phrase_rows(
    case: dict[str, torch.Tensor], infer_style: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Phrase ids, mask and owner: without the markers (training) or with them (released inference)."""
    if infer_style:
        ids = torch.cat([case[f"sample{i}.infer_style.phrase_ids"] for i in range(2)])
        mask = torch.cat([case[f"sample{i}.infer_style.text_mask"] for i in range(2)])
        owners = [i for i in range(2) for _ in case[f"sample{i}.infer_style.phrase_ids"]]
        return ids, mask, torch.tensor(owners)
    rows, owners = [], []
    for sample, flat in enumerate(fields("n5/teacher_forced")["phrase_ids"]):
        for token in flat:
            if token == 995:
                rows.append([])
                owners.append(sample)
            else:
                rows[-1].append(token)
    ids = torch.zeros(len(rows), 32, dtype=torch.int64)
    mask = torch.zeros(len(rows), 32, dtype=torch.bool)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = True
    return ids, mask, torch.tensor(owners)


def run(
    case: dict[str, torch.Tensor], infer_style: bool, kernel: str = "sdpa", trained: bool = False
) -> tuple[Any, Any, dict[str, Any]]:
    model = published_model(kernel).requires_grad_(trained)
    tokens = model.config.token_ids
    seen: dict[str, Any] = {}
    record(model.query_projector, seen, "query_embed")
    for name, modules in {
        "lm.layer": model.vlm.language_model.layers,
        "sam.vit.layer": model.detector.vision_encoder.backbone.layers,
        "vision.block": model.vlm.visual.blocks,
        "detr_encoder.layer": model.detector.detr_encoder.layers,
    }.items():
        for i, module in enumerate(modules):
            record(module, seen, f"{name}{i}")
    ids, mask, owners = phrase_rows(case, infer_style)
    output = model(
        input_ids=case["in.input_ids"],
        attention_mask=case["in.attention_mask"].long(),
        block_ids=block_ids(case["in.input_ids"], tokens["query"], tokens["mask_start"]),
        image_index=torch.arange(2),
        phrase_ids=ids,
        phrase_mask=mask,
        phrase_sample=owners,
        pixel_values=case["in.pixel_values"],
        image_grid_thw=case["in.image_grid_thw"],
        detector_pixel_values=case["in.sam_pixel_values"],
        text_logits=True,
        auxiliary=True,
    )
    return model, output, seen


def xyxy(boxes: torch.Tensor) -> torch.Tensor:
    centre, size = boxes[..., :2], boxes[..., 2:]
    return torch.cat([centre - size / 2, centre + size / 2], dim=-1)


def stacked(case: dict[str, torch.Tensor], name: str, dim: int = 0) -> torch.Tensor:
    return torch.cat([case[f"sample{i}.{name}"] for i in range(2)], dim=dim)


@pytest.mark.parametrize("kernel", ["sdpa", "eager"])
def test_teacher_forced(reference: dict[str, torch.Tensor], kernel: str) -> None:
    _, output, seen = run(reference, infer_style=False, kernel=kernel)
    real = reference["in.attention_mask"]
    for i in range(4):
        assert_near(seen[f"lm.layer{i}"][real], reference[f"lm.layer{i}.output"][real])
        assert_near(seen[f"sam.vit.layer{i}"], reference[f"sam.vit.layer{i}.output"])
    for i in range(2):
        assert_near(seen[f"vision.block{i}"], reference[f"vision.block{i}.output"])
        assert_near(seen[f"detr_encoder.layer{i}"], stacked(reference, f"detr_encoder.layer{i}.output"))
    assert_near(seen["query_embed"], stacked(reference, "query_embed"))
    assert_near(output.score_logits, stacked(reference, "pred_logits"))
    assert_near(xyxy(output.boxes_cxcywh), stacked(reference, "pred_boxes"))
    assert_near(output.mask_logits, stacked(reference, "pred_masks"))
    assert_near(output.semantic_logits, stacked(reference, "semantic_seg").squeeze(1))
    assert_near(output.text_logits[1, -12:], reference["lm.logits_sample1_tail"])


def test_infer_style_phrases(reference: dict[str, torch.Tensor]) -> None:
    _, output, _ = run(reference, infer_style=True)
    assert_near(output.score_logits, stacked(reference, "infer_style.pred_logits"))
    assert_near(xyxy(output.boxes_cxcywh), stacked(reference, "infer_style.pred_boxes"))
    assert_near(output.mask_logits, stacked(reference, "infer_style.pred_masks"))


def test_intermediate_tensors(reference: dict[str, torch.Tensor]) -> None:
    model = published_model()
    case = reference
    tokens = model.config.token_ids
    blocks = block_ids(case["in.input_ids"], tokens["query"], tokens["mask_start"])
    mask = case["in.attention_mask"].long()
    images = model.encode_images(
        case["in.pixel_values"], case["in.image_grid_thw"], case["in.sam_pixel_values"]
    )
    assert_near(torch.cat(images.vlm.embeds), case["vision.image_embeds"])
    assert_near(torch.cat(images.vlm.deepstack[0]), case["vision.deepstack.0"])
    for i, level in enumerate(images.detector.levels):
        assert_near(level, case[f"sam.fpn.{i}"])
    assert_near(images.detector.positions[:1], case["sam.fpn_pos.2"])
    index = torch.arange(2)
    rows, _ = images.vlm.select(index.tolist(), model.get_input_embeddings().weight)
    embeds = model.embed(case["in.input_ids"], blocks, rows)
    real = case["in.attention_mask"]
    assert_near(embeds[real], case["lm.inputs_embeds"][real])
    positions = model.positions(case["in.input_ids"], mask, images.grid_thw)
    assert torch.equal(positions[:, real], case["in.position_ids"][:, real])
    from instructsam.model.attention import hybrid_mask

    made = hybrid_mask(model.vlm.language_model.config, embeds, mask, blocks)
    rows = real[:, None, :, None].expand_as(made)
    assert torch.equal(made[rows], case["lm.attention_mask_4d"][rows])
    hidden = model.encode(case["in.input_ids"], mask, blocks, positions, images, index)
    assert_near(hidden[real], case["lm.last_hidden_state"][real])
    assert_near(model.query_projector(hidden)[real], case["mask_hidden_fcs.out_all_positions"][real])
    ids, phrase_mask, owners = phrase_rows(case, infer_style=False)
    text = model.phrase_projector(model.get_input_embeddings()(ids)) * phrase_mask.unsqueeze(-1)
    assert_near(text, stacked(case, "text_embeds"))
    assert torch.equal(phrase_mask, stacked(case, "text_mask"))
    features = images.detector.select(owners)
    encoded = model.detector.detr_encoder(
        vision_features=[features.levels[-1]],
        text_features=text,
        vision_pos_embeds=[features.positions],
        text_mask=phrase_mask,
    )
    assert_near(encoded.last_hidden_state, stacked(case, "detr_encoder.last_hidden_state"))
    queries = model.query_projector(hidden[blocks >= 0].unflatten(0, (-1, model.config.num_queries)))
    decoded = model.detector.decode(queries, encoded, text, phrase_mask)
    assert_near(decoded.states, stacked(case, "detr_decoder.intermediate_hidden_states", dim=1))
    assert_near(decoded.reference_boxes, stacked(case, "detr_decoder.reference_boxes", dim=1))
