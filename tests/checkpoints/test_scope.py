"""The note on pictures and words outside the training data: which get it, once, and from which models."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from instructsam.checkpoints.scope import (
    FEATURES,
    SCOPE_FILE,
    Scope,
    annotate,
    content_words,
    differs_by_one_edit,
    image_features,
    read_scope,
    save_scope,
)
from instructsam.errors import CheckpointError
from instructsam.images.loader import load_image
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction
from instructsam.world.splits.stream import WorldSettings, world_sample

ASSETS = Path(str(resources.files("instructsam"))) / "assets"


@pytest.fixture(scope="module")
def shipped() -> Scope:
    scope = read_scope(ASSETS / "default")
    assert scope is not None, "the shipped default has no scope.json"
    return scope


def outdoors(height: int = 300, width: int = 400) -> Image.Image:
    """A stand-in for a photograph: clouds of noise on every scale, dark below, with grain."""
    rng = np.random.default_rng(5)
    field = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 24, 48, 96):
        noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        field += (
            np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC), float)
            / cells**0.4
        )
    field *= np.linspace(1.0, 0.3, height)[:, None, None]
    return Image.fromarray((255 * field / field.max()).astype(np.uint8))


def prediction(image: Image.Image, instruction: str, phrases: tuple[str, ...] = ()) -> Prediction:
    size = (image.height, image.width)
    return Prediction(
        instances=Instances.empty(*size),
        phrases=phrases,
        text="",
        status="no_target",
        instruction=instruction,
        original_size=size,
        image=image,
        notes=("an earlier note",),
    )


def test_the_shipped_examples_are_inside(shipped: Scope) -> None:
    for path in sorted((ASSETS / "examples").glob("*.png")):
        assert not shipped.is_photograph(load_image(path).image), path.name


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.3])
def test_drawn_scenes_are_inside_in_any_light_and_size(shipped: Scope, factor: float) -> None:
    for index, side in enumerate((160, 256, 512)):
        settings = WorldSettings((side,), 1, split="test")
        image = Image.fromarray(world_sample(3, index, settings).rendered.image)
        assert not shipped.is_photograph(ImageEnhance.Brightness(image).enhance(factor))


@pytest.mark.parametrize("size", [(40, 30), (400, 300), (3000, 2250)])
def test_textures_on_every_scale_are_a_photograph(shipped: Scope, size: tuple[int, int]) -> None:
    assert shipped.is_photograph(outdoors().resize(size))


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_every_picture_has_finite_features(size: tuple[int, int]) -> None:
    for color in ("black", "white"):
        features = image_features(Image.new("RGB", size, color))
        assert features.shape == (FEATURES,)
        assert np.isfinite(features).all()


def test_one_note_gives_both_reasons_and_keeps_the_others(shipped: Scope) -> None:
    image = outdoors()
    first, second = annotate([prediction(image, "the elephant"), prediction(image, "the red mugs")], shipped)
    reason = "outside what this model was trained on (drawn scenes of 40 kinds of things, and their words): "
    assert first.notes == (
        "an earlier note",
        f"{reason}the image looks like a photograph; unknown words: elephant",
    )
    assert second.notes == ("an earlier note", f"{reason}the image looks like a photograph")


def test_each_picture_is_judged_once(shipped: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    monkeypatch.setattr(Scope, "is_photograph", lambda _, image: bool(judged.append(image)))
    image = Image.new("RGB", (8, 8))
    annotate([prediction(image, "the mugs"), prediction(image, "the hats")], shipped)
    assert len(judged) == 1


def test_given_phrases_are_looked_up_when_there_is_no_instruction(shipped: Scope) -> None:
    white = Image.new("RGB", (64, 64), "white")
    (answer,) = annotate([prediction(white, "", ("helicopter", "giraffe"))], shipped)
    assert "unknown words: helicopter, giraffe" in answer.notes[-1]


@pytest.mark.parametrize(
    "text",
    [
        "the red mugs",
        "Outline every striped teapot, please!",
        "the teapto",
        "the two largest umbrelas",
        "",
        "123",
        "all of it",
    ],
)
def test_words_of_the_world_and_slips_are_known(shipped: Scope, text: str) -> None:
    assert shipped.unknown_words(text) == ()


@pytest.mark.parametrize(
    "text", ["the elephant", "a fire hydrant", "die roten Tassen", "красные кружки", "杯子"]
)
def test_other_words_are_unknown(shipped: Scope, text: str) -> None:
    assert shipped.unknown_words(text)


def test_words_without_meaning_do_not_count() -> None:
    assert content_words("Could you please find the ELEPHANT in this picture, or an ox 3?") == ["elephant"]


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("mgu", "mug", True),
        ("mugg", "mug", True),
        ("mu", "mug", True),
        ("mag", "mug", True),
        ("mug", "mug", True),
        ("gum", "mug", False),
        ("mugger", "mug", False),
        ("ab", "", False),
    ],
)
def test_one_slip(word: str, known: str, expected: bool) -> None:
    assert differs_by_one_edit(word, known) is differs_by_one_edit(known, word) is expected


def test_a_folder_without_the_file_has_no_scope(tmp_path: Path) -> None:
    assert read_scope(tmp_path) is None
    save_scope(None, tmp_path)
    assert list(tmp_path.iterdir()) == []
    answers = [prediction(outdoors(), "the elephant")]
    assert annotate(answers, None) == answers


def test_saved_and_read_again(tmp_path: Path, shipped: Scope) -> None:
    changed = replace(shipped, vocabulary=frozenset({"mug", "чашка"}))
    save_scope(changed, tmp_path)
    assert read_scope(tmp_path) == changed


@pytest.mark.parametrize(
    "change",
    [
        {"weights": [1]},
        {"bias": None},
        {"limit": "x"},
        {"means": "abc"},
        {"vocabulary": 3},
        {"trained_on": ...},
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, shipped: Scope, change: dict[str, object]) -> None:
    save_scope(shipped, tmp_path)
    fields = json.loads((tmp_path / SCOPE_FILE).read_text(encoding="utf-8"))
    fields.update(change)
    fields = {name: value for name, value in fields.items() if value is not ...}
    (tmp_path / SCOPE_FILE).write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(CheckpointError, match=rf"{SCOPE_FILE} is damaged"):
        read_scope(tmp_path)
    for content, problem in ((b"\xff{", "damaged"), (b"version https://git-lfs", "a Git LFS pointer")):
        (tmp_path / SCOPE_FILE).write_bytes(content)
        with pytest.raises(CheckpointError, match=rf"{SCOPE_FILE} is .*{problem}"):
            read_scope(tmp_path)


def test_the_default_says_it_and_keeps_it_when_saved(tmp_path: Path, shipped: Scope) -> None:
    import instructsam

    segmenter = instructsam.load()
    answers = segmenter.segment(outdoors(), ["the red mugs", "the elephant"])
    assert ["photograph" in answer.notes[-1] for answer in answers] == [True, True]
    scene = Image.fromarray(world_sample(3, 0, WorldSettings((160,), 1)).rendered.image)
    assert segmenter.segment(scene, "the red mugs").notes == ()
    segmenter.save(tmp_path / "copy")
    assert read_scope(tmp_path / "copy") == shipped
