"""CVAT's detection function: labels, thresholds, polygons, and models behind a server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from instructsam.errors import InputError, MissingExtraError, ServiceError
from instructsam.serving import cvat_models
from instructsam.serving.cvat_agent import create
from instructsam.serving.errors import BusyError
from instructsam.serving.settings import ServeSettings
from tests.serving.fakes import FakeService
from tests.serving.live import live_server

IMAGE = Image.new("RGB", (80, 64))


def context(threshold: float | None = None, polygons: bool = False) -> Any:
    return SimpleNamespace(frame_name="a.png", conf_threshold=threshold, conv_mask_to_poly=polygons)


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of cvat_sdk that the function uses; the real ones are tested by `make test-clients`."""
    package, module, masks = (ModuleType(f"cvat_sdk{name}") for name in ("", ".auto_annotation", ".masks"))
    module.DetectionFunctionSpec = lambda labels: SimpleNamespace(labels=labels)  # type: ignore[attr-defined]
    module.label_spec = lambda name, id, type: SimpleNamespace(name=name, id=id, type=type)  # type: ignore[attr-defined]
    for kind in ("mask", "polygon"):
        setattr(module, kind, lambda label, points, kind=kind, **more: (kind, label, points, more))
    masks.encode_mask = lambda mask: int(mask.sum())  # type: ignore[attr-defined]
    package.auto_annotation = module  # type: ignore[attr-defined]
    for name, value in (("", package), (".auto_annotation", module), (".masks", masks)):
        monkeypatch.setitem(sys.modules, f"cvat_sdk{name}", value)


@pytest.fixture
def server() -> Iterator[str]:
    with live_server(FakeService()) as url:
        yield url


@pytest.mark.usefixtures("sdk")
def test_labels_have_the_instances_of_their_instructions(server: str, tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("mug: the mugs that are not red\nabsent: nothing\n")
    function = create(classes=str(classes), labels="plate", url=server)
    assert [(label.name, label.type) for label in function.spec.labels] == [
        ("mug", "mask"), ("absent", "mask"), ("plate", "mask"),
    ]  # fmt: skip
    area = 64 * 40 - 1
    assert function.detect(context(), IMAGE) == [("mask", 0, area, {}), ("mask", 2, area, {})]
    assert function.detect(context(0.95), IMAGE) == []


@pytest.mark.usefixtures("sdk")
def test_polygons_are_returned_where_cvat_or_the_user_wants_them(server: str) -> None:
    for function, polygons in (
        (create(labels="mug", url=server, tolerance=0.0), True),
        (create(labels="mug", url=server, shape="polygon", tolerance=0.0), False),
    ):
        ((kind, label, points, more),) = function.detect(context(polygons=polygons), IMAGE)
        assert (kind, label, more) == ("polygon", 0, {})
        assert max(points[::2]) == 40
        assert len(points) > 8  # the hole is joined to the outline


@pytest.mark.usefixtures("sdk")
def test_parts_of_an_instance_have_a_group(monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    function = create(labels="mug", url=server, shape="polygon")
    mask = np.zeros((64, 80), dtype=np.bool_)
    mask[2:20, 2:20] = mask[30:50, 30:50] = True
    monkeypatch.setattr(function._model, "find", lambda *_: [[(mask, 0.5)]])
    assert [entry[3] for entry in function.detect(context(), IMAGE)] == [{"group": 1}] * 2


@pytest.mark.usefixtures("sdk")
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "there is no label"),
        ({"labels": "mug,mug", "url": "http://127.0.0.1:1"}, "mug"),
        ({"labels": "mug", "shape": "circle"}, "shape must be one of"),
        ({"labels": "mug", "url": "ftp://127.0.0.1"}, "url must be such as"),
        ({"labels": "mug", "url": "http://user:secret@127.0.0.1"}, "url must be such as"),
        ({"labels": "mug", "api_key_file": "key"}, "give url"),
        ({"classes": "absent.yaml"}, "cannot be read"),
        ({"labels": "mug", "tolerance": -1.0, "url": "http://127.0.0.1:1"}, "tolerance"),
    ],
)
def test_bad_parameters_are_refused(parameters: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        create(**parameters)


def test_the_missing_sdk_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvat_sdk", None)
    with pytest.raises(MissingExtraError, match="pip install cvat-sdk"):
        create(labels="mug", url="http://127.0.0.1:1")


def test_a_server_with_a_key_and_its_refusals(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a-key-of-sixteen-letters\n")
    with live_server(FakeService(), ServeSettings(api_key_file=key)) as url:
        assert len(cvat_models.RemoteModel(url, "default", str(key)).find(IMAGE, ["mug"] * 20, None)) == 20
        with pytest.raises(ServiceError, match="status 401: a key is required"):
            cvat_models.RemoteModel(url).find(IMAGE, ["mug"], None)
        with pytest.raises(ServiceError, match="status 404: model must be one of"):
            cvat_models.RemoteModel(url, "other", str(key)).find(IMAGE, ["mug"], None)


def test_a_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    service, pauses = FakeService(error=BusyError("the queue is full", 7)), []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        service.error = None

    with live_server(service) as url:
        monkeypatch.setattr(cvat_models, "time", SimpleNamespace(sleep=sleep))
        assert len(cvat_models.RemoteModel(url).find(IMAGE, ["mug"], 0.5)[0]) == 1
    assert pauses == [7.0]


def test_an_unreachable_server_is_reported() -> None:
    with pytest.raises(ServiceError, match="cannot be reached"):
        cvat_models.RemoteModel("http://127.0.0.1:1").find(IMAGE, ["mug"], None)
