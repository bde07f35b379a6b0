"""Positions of Qwen3-VL equal those of transformers."""

from __future__ import annotations

from dataclasses import fields

import torch
from transformers import Qwen3VLModel

from instructsam.model.presets import get_preset, preset_config
from instructsam.model.vlm.registry import vlm_class
from instructsam.processing.tokens import TokenIds


def test_positions_equal_those_of_transformers() -> None:
    ids = {field.name: 0 for field in fields(TokenIds)}
    config = preset_config(
        get_preset("tiny"), 300, ids | {"image": 7, "vision_start": 8, "vision_end": 9}
    ).vlm_config
    with torch.device("meta"):
        vlm = vlm_class("qwen3_vl")(config)
    assert isinstance(vlm, Qwen3VLModel)
    merge = config.vision_config.spatial_merge_size
    generator = torch.Generator().manual_seed(0)
    for case in range(40):
        rows, grids, masks = [], [], []
        for _ in range(3):
            height, width = (int(side) for side in torch.randint(1, 9, (2,), generator=generator))
            before, after = (int(count) for count in torch.randint(0, 12, (2,), generator=generator))
            image = [7] * (height * width)
            rows.append([5] * before + image + [6] * (after + 1))
            grids.append((1, height * merge, width * merge))
        length = max(len(row) for row in rows)
        for number, row in enumerate(rows):
            padding = length - len(row)
            left = case % 2 == 1
            masks.append([0] * padding + [1] * len(row) if left else [1] * len(row) + [0] * padding)
            rows[number] = [0] * padding + row if left else row + [0] * padding
        ids_, mask, grid = torch.tensor(rows), torch.tensor(masks), torch.tensor(grids)
        stock, _ = vlm.get_rope_index(
            ids_, mm_token_type_ids=(ids_ == 7).int(), image_grid_thw=grid, attention_mask=mask
        )
        assert torch.equal(vlm.positions(ids_, mask, grid), stock)
