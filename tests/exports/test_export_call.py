"""`export` streams, groups predictions by image, checks options, and leaves nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError
from instructsam.exports import LabelledImage, export
from instructsam.exports.export_call import open_exports
from instructsam.exports.grouping import labelled_images
from instructsam.exports.names import UniqueNames
from instructsam.structures.instances import Instances
from instructsam.structures.predictions import Prediction
from tests.exports.made import prediction


def test_consecutive_predictions_of_one_image_are_grouped() -> None:
    picture = Image.new("RGB", (6, 4))
    given = [
        prediction(image_path="a/1.jpg", phrases=("mug",), masks=1),
        prediction(image_path="a/1.jpg", phrases=("plate",), masks=2),
        prediction(image_path="b/1.jpg", masks=0),
        prediction(image=picture, masks=1),
        prediction(image=picture, masks=1),
        prediction(masks=1),
        prediction(masks=1),
    ]
    found = list(labelled_images(given))
    assert [(image.name, len(image.instances)) for image in found] == [
        ("a/1.jpg", 3),
        ("b/1.jpg", 0),
        ("image_000003.png", 2),
        ("image_000004.png", 1),
        ("image_000005.png", 1),
    ]
    assert found[0].labels == ("mug", "plate", "plate")
    assert found[0].path == Path("a/1.jpg")
    assert found[3].image is None


def test_labels_come_from_phrases_instructions_or_the_caller() -> None:
    given = prediction(phrases=("mug", "red plate"), instruction="dishes", masks=1)
    for labels, expected in (("phrases", "mug"), ("instructions", "dishes"), ({"dishes": "dish"}, "dish")):
        (image,) = labelled_images([given], labels)
        assert image.labels == (expected,)
    (image,) = labelled_images([given])
    assert image.classes == ("mug", "red plate")
    with pytest.raises(InputError, match="labels must be 'phrases', 'instructions' or a label for each"):
        list(labelled_images([given], "names"))


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a/x.jpg", "a/x.jpg", "a/X.JPG"], ["a/x.jpg", "a/x-2.jpg", "a/X-3.JPG"]),
        (["/data/in/x.jpg", "/data/out/x.jpg"], ["in/x.jpg", "x.jpg"]),
        (["../../etc/passwd", ".."], ["etc/passwd", "image"]),
        (["caf\u00e9.png", "cafe\u0301.png"], ["caf\u00e9.png", "cafe\u0301-2.png"]),
        (['a"b<c>\n.png', "\udcff.png", "图/🦊.png"], ["a_b_c__.png", "_.png", "图/🦊.png"]),
        ([None, None], ["image_000001.png", "image_000002.png"]),
    ],
)
def test_names_are_safe_and_unique(paths: list[str | None], expected: list[str]) -> None:
    names = UniqueNames()
    assert [
        names.name(path, Path("/data") if path and "/in/" in path else None) for path in paths
    ] == expected


def test_very_long_names_fit_and_stay_different() -> None:
    names = UniqueNames()
    found = [names.name("x" * 400 + end) for end in ("a.png", "b.png", "b.png")]
    assert len(set(found)) == 3
    assert all(len(name.encode()) <= 255 and name.endswith(".png") for name in found)


def test_stems_of_equal_names_differ() -> None:
    names = UniqueNames()
    assert [names.stem(name) for name in ("a.jpg", "a.png", "b/a.jpg")] == ["a", "a-2", "b/a"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image": 1}, "the format coco has no option 'image'; its options: .*image_id"),
        ({"image_id": "x"}, "option image_id of the format coco must be a whole number, got str 'x'"),
    ],
)
def test_unfit_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        export(prediction(), "coco", **options)


@pytest.mark.parametrize("given", [3, None, ["x"], [None]])
def test_other_inputs_are_refused(given: Any) -> None:
    with pytest.raises(InputError, match="must be a Prediction"):
        export(given, "coco")


def test_memory_formats_refuse_a_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the format supervision exists in memory only.* or choose coco"):
        export(prediction(), "supervision", tmp_path / "x")
    with pytest.raises(InputError, match="in memory only"), open_exports(["supervision"], tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_changed_or_missing_image_is_reported(tmp_path: Path) -> None:
    Image.new("RGB", (5, 4)).save(tmp_path / "a.png")
    (changed,) = labelled_images([prediction(image_path=str(tmp_path / "a.png"))])
    with pytest.raises(InputError, match="it has changed since it was segmented"):
        changed.pixels()
    (missing,) = labelled_images([prediction()])
    with pytest.raises(InputError, match="the image was not kept and has no file"):
        missing.pixels()


def test_labels_and_instances_must_agree() -> None:
    with pytest.raises(InputError, match="labels must have one entry per instance"):
        LabelledImage("a", Instances.empty(4, 6), ("x",), (), ())


def endless() -> Iterator[Prediction]:
    yield prediction()
    raise RuntimeError("stop")


def test_masks_of_a_group_need_one_size() -> None:
    other = Prediction(Instances.empty(9, 9), (), "", "no_target", "x", (9, 9), image_path="a.jpg")
    with pytest.raises(InputError, match="one image size"):
        list(labelled_images([prediction(image_path="a.jpg"), other]))
    assert np.array_equal(other.instances.size, (9, 9))
