"""A config.json with sizes that no model has, or values of a wrong type, is refused before anything is built."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.limits import require_sane
from instructsam.checkpoints.published_sizes import PUBLISHED_2B
from instructsam.checkpoints.resolve import DEFAULT_FOLDER
from instructsam.errors import CheckpointError, ConfigError
from instructsam.inference.loading import load
from instructsam.model.configuration import InstructSAMConfig

TEXT, DECODER = ("vlm_config", "text_config"), ("detector_config", "detr_decoder_config")
BACKBONE = ("detector_config", "vision_config", "backbone_config")


def changed(file: str, place: tuple[str | int, ...], value: Any) -> str:
    """The default's file with one field changed; Ellipsis removes it."""
    fields = json.loads((DEFAULT_FOLDER / file).read_text())
    inner = fields
    for key in place[:-1]:
        inner = inner[key]
    if value is ...:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return json.dumps(fields)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ((*TEXT, "hidden_size"), 10**9),
        ((*TEXT, "num_hidden_layers"), 10**9),
        ((*TEXT, "num_hidden_layers"), -1),
        ((*TEXT, "vocab_size"), "2048"),
        ((*TEXT, "head_dim"), 0),
        ((*TEXT, "rms_norm_eps"), float("nan")),
        ((*TEXT, "rope_parameters"), "x"),
        ((*TEXT, "rope_parameters", "mrope_section"), [0] * 5000),
        ((*DECODER, "num_queries"), True),
        ((*DECODER, "dropout"), 2),
        ((*BACKBONE, "image_size"), 10**6),
        ((*BACKBONE, "patch_size"), 0.5),
        ((*BACKBONE, "global_attn_indexes"), [10**9]),
        ((*TEXT, "output_hidden_states"), [[]]),
        ((*TEXT, "hidden_size"), [128]),
        (("vlm_config",), [1]),
        (("num_queries",), 10**25),
        (("score_threshold",), 50),
        (("max_pixels",), -5),
        (("token_ids", "query"), -1),
        (("tie_word_embeddings",), "no"),
    ],
)
def test_sizes_that_no_model_has(tmp_path: Path, place: tuple[str, ...], value: Any) -> None:
    path = tmp_path / "config.json"
    path.write_text(changed("config.json", place, value))
    with pytest.raises(CheckpointError, match=r"(must be|must have|is not read)") as caught:
        read_config(tmp_path)
    assert ".".join(place) in str(caught.value)
    assert "config.json" in str(caught.value)


def test_the_published_sizes_are_sane() -> None:
    require_sane(Path("config.json"), PUBLISHED_2B)
    require_sane(Path("config.json"), json.loads((DEFAULT_FOLDER / "config.json").read_text()))


def test_deep_nesting() -> None:
    fields: dict[str, Any] = {}
    for _ in range(50):
        fields = {"a": fields}
    with pytest.raises(CheckpointError, match="nested too deep"):
        require_sane(Path("config.json"), fields)


@pytest.mark.parametrize(
    "values",
    [
        {"default_mode": "guess"},
        {"score_threshold": 1.5},
        {"min_pixels": 0},
        {"min_pixels": 100, "max_pixels": 99},
        {"max_instruction_tokens": 0},
    ],
)
def test_limits_of_a_configuration(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        InstructSAMConfig(**values)


@pytest.fixture
def default(tmp_path: Path) -> Path:
    """A copy of the shipped default whose files may be replaced."""
    shutil.copytree(DEFAULT_FOLDER, tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("file", "place", "value"),
    [
        ("config.json", (*TEXT, "hidden_size"), 60_000),
        ("config.json", (*TEXT, "num_attention_heads"), 3),
        ("config.json", (*TEXT, "hidden_act"), "x"),
        ("config.json", (*BACKBONE, "num_hidden_layers"), 500),
        ("processor_config.json", ("settings", "image_size"), 99),
        ("processor_config.json", ("settings", "patch_size"), "x"),
        ("processor_config.json", ("settings", "max_pixels"), ...),
        ("tokenizer_config.json", ("eos_token",), 5),
        ("tokenizer.json", ("model",), {}),
        ("tokenizer.json", ("added_tokens",), "x"),
        ("tokenizer.json", ("added_tokens", 0, "id"), 10**18),
    ],
)
def test_one_wrong_field_is_our_error_or_harmless(
    default: Path, file: str, place: tuple[str | int, ...], value: Any
) -> None:
    (default / file).write_text(changed(file, place, value))
    try:
        load(default, device="cpu")
    except CheckpointError as error:
        caught = str(error)
    else:
        caught = ""
    assert "\n" not in caught
