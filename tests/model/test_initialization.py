"""Fresh models start where learning is possible."""

from __future__ import annotations

import pytest
import torch

from instructsam.errors import ConfigError
from instructsam.model.initial_weights import sine_table
from instructsam.model.initialization import build_small
from instructsam.model.presets import get_preset, preset_config
from instructsam.processing.tokens import TokenIds
from tests.tiny import tiny_tokenizer


def test_positions_can_be_told_apart() -> None:
    table = sine_table(256, 128)
    assert table.shape == (256, 128)
    near = torch.cdist(table, table)
    assert near.add(torch.eye(256) * 10).min() > 0.3
    assert near[0, 1] < near[0, 8]  # a neighbour is more alike than a far cell of the same row


def test_slots_and_queries_start_as_the_preset_says() -> None:
    tokenizer = tiny_tokenizer()
    ids = TokenIds.from_tokenizer(tokenizer).as_dict()
    for changes, spread, alike in (
        ({}, True, False),
        ({"spread_slots": False, "query_std": 0.0}, False, True),
    ):
        preset = get_preset("tiny", changes)
        model = build_small(preset, preset_config(preset, len(tokenizer), ids))
        boxes = model.detector.detr_decoder.reference_points.weight.sigmoid()
        assert bool((boxes[:, :2].std(0) > 0.1).all()) is spread
        assert bool((model.query_bank() == model.query_bank()[:1]).all()) is alike


def test_attention_starts_inside_the_box() -> None:
    tokenizer = tiny_tokenizer()
    ids = TokenIds.from_tokenizer(tokenizer).as_dict()
    preset = get_preset("tiny", {"image_size": 128})
    decoder = build_small(preset, preset_config(preset, len(tokenizer), ids)).detector.detr_decoder
    box = torch.tensor([[[0.25, 0.25, 0.3, 0.3]]])
    with torch.no_grad():
        bias = decoder._get_rpb_matrix(box, (torch.tensor(16), torch.tensor(16)))[0, :, 0].unflatten(
            -1, (16, 16)
        )
    for head in bias:
        assert head[4, 4] > head[4, 10] + 0.5
        assert head[4, 4] > head[10, 4] + 0.5
        assert head[10, 10] > head[15, 15]


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("huge", {}, "model.preset must be one of default, tiny, got 'huge'"),
        ("tiny", {"depth": 3}, "unknown key model.overrides.depth"),
    ],
)
def test_presets_that_are_not(name: str, overrides: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get_preset(name, overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"image_size": 70}, r"image_size must be a multiple of patch_size \(8\), got 70"),
        ({"patch_size": 64}, "patch_size must divide image_size .64. into 2 to 512 cells a side, got 64"),
        ({"vlm_patch": 100}, "vlm_patch must divide image_size"),
        ({"image_size": 8192, "patch_size": 1}, "into 2 to 512 cells"),
        ({"detector_width": 12}, "detector_width must be a multiple of 8 with heads 2, got 12"),
        ({"vlm_width": 12}, "vlm_width must be a multiple of 8 with heads 2, got 12"),
        ({"heads": 3}, "detector_width must be a multiple of 24 with heads 3, got 32"),
        ({"heads": 0}, r"heads must lie in \[1, 256\], got 0"),
        ({"mask_stages": 3}, r"mask_stages must lie in \[0, 2\]"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": float("nan")}, "dropout must be a finite number"),
        ({"num_queries": 0}, "num_queries"),
        ({"text_layers": 0}, "text_layers"),
        ({"embedding_std": -1.0}, "embedding_std"),
        ({"default_mode": "ask"}, "default_mode must be one of 'generate', 'direct', got str 'ask'"),
        ({"query_attention": "full"}, "query_attention"),
        ({"instance_form": "token"}, "instance_form"),
        ({"projectors": "no"}, "model.overrides.projectors must be true or false, got str 'no'"),
        ({"heads": 2.5}, "heads must be a whole number"),
    ],
    ids=str,
)
def test_sizes_must_fit(overrides: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        get_preset("tiny", overrides)


def test_the_default_stays_small() -> None:
    ids = TokenIds.from_tokenizer(tiny_tokenizer()).as_dict()
    with torch.device("meta"):
        from instructsam.model.instructsam import InstructSAMModel

        model = InstructSAMModel(preset_config(get_preset("default"), 2048, ids))
    assert sum(parameter.numel() for parameter in model.parameters()) <= 16_000_000


def test_patches_are_heard_beside_their_positions() -> None:
    tokenizer = tiny_tokenizer()
    preset = get_preset("default")
    ids = TokenIds.from_tokenizer(tokenizer).as_dict()
    model = build_small(preset, preset_config(preset, len(tokenizer), ids))
    embeddings = model.detector.vision_encoder.backbone.embeddings
    with torch.no_grad():
        grey = torch.full((1, 3, preset.image_size, preset.image_size), 0.6)
        content = embeddings.patch_embeddings(grey)
        vlm = model.vlm.visual.patch_embed(torch.full((4, 3 * preset.vlm_patch**2), 0.6))
    for rows, positions in (
        (content, embeddings.position_embeddings),
        (vlm, model.vlm.visual.pos_embed.weight),
    ):
        assert 0.5 < rows.std() / positions.std() < 2
