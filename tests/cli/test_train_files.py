"""`instructsam train --data FILE --images DIR` and `instructsam.train` on a small COCO file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import instructsam
from instructsam.cli.main import run
from instructsam.errors import ConfigError, InputError
from instructsam.experiments.validation import open_validate
from instructsam.structures.locks import FolderLock
from instructsam.training.settings import ModelSettings
from instructsam.training.start import start_model
from instructsam.world.splits.stream import all_texts

FAST = ["device=cpu", "precision=float32", "data.images_per_batch=1", "data.instructions_per_image=2"]
FAST += ["schedule.log_seconds=0", "schedule.export_dtype=float32", "schedule.checkpoint_minutes=100"]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    made, processor = start_model(
        ModelSettings(preset="tiny", vocab_size=400, tokenizer_texts=300), all_texts
    )
    made.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def write_coco(folder: Path, images: int = 8, objects: int = 2) -> Path:
    """Grey pictures with squares: `instances.json`, and the images in `photos`."""
    (folder / "photos").mkdir(parents=True)
    document: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 1, "name": "square"}, {"id": 2, "name": "cup"}],
    }
    for number in range(images):
        pixels = np.full((48, 64, 3), 90, np.uint8)
        name = f"{number}.png"
        document["images"].append({"id": number, "file_name": name, "width": 64, "height": 48})
        for index in range(objects):
            x, y = 2 + 5 * index, 3 + number
            pixels[y : y + 4, x : x + 4] = (200, 20 * number, 40)
            corners = [x, y, x + 4, y, x + 4, y + 4, x, y + 4]
            document["annotations"].append(
                {
                    "id": len(document["annotations"]) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": [corners],
                    "bbox": [x, y, 4, 4],
                    "area": 16,
                    "iscrowd": 0,
                }
            )
        Image.fromarray(pixels).save(folder / "photos" / name)
    (folder / "instances.json").write_text(json.dumps(document))
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "shop")


def command(shop: Path, model: Path, *more: str) -> list[str]:
    files = ["--data", str(shop / "instances.json"), "--images", str(shop / "photos"), "--model", str(model)]
    return ["train", *files, *FAST, *more]


def log(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    kept = ("step", "parts", "lr", "validation")
    return [{key: line[key] for key in kept if key in line} for line in lines]


def test_a_dry_run_prints_the_plan_and_writes_nothing(
    shop: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert run(command(shop, model, "--output-dir", str(folder), "--epochs", "3", "--dry-run")) == 0
    out = capsys.readouterr().out
    assert "preset: finetune, because 0.3 M parameters are few enough to train all of them" in out
    assert "part detector: " in out
    assert "memory: about " in out
    assert "data: 7 samples in one pass" in out, "one of eight images is held out"
    assert "steps of 1 samples, 3 epochs" in out
    assert "validation: on held-out images" in out
    assert not folder.exists()


def test_train_stop_resume_and_load_what_came_out(
    shop: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = ["--max-steps", "6", "validation.every_steps=2", "validation.mode=direct"]
    whole, sliced = (
        command(shop, model, *changes, "--output-dir", str(tmp_path / name)) for name in ("whole", "sliced")
    )
    assert run(whole) == 0
    shown = capsys.readouterr()
    assert f"trained model: {tmp_path / 'whole' / 'last'}" in shown.out
    assert f"best model: {tmp_path / 'whole' / 'best'} (gIoU " in shown.out
    assert run([*sliced, "--max-minutes", "1e-9"]) == 0
    assert [line["step"] for line in log(tmp_path / "sliced")] == [0, 1]
    assert run([*sliced, "--resume"]) == 0
    assert log(tmp_path / "sliced") == log(tmp_path / "whole")
    assert [line["step"] for line in log(tmp_path / "whole") if "validation" in line] == [0, 2, 4, 6]
    for name in ("best", "last", "model"):
        segmenter = instructsam.load(tmp_path / "whole" / name, device="cpu")
        assert segmenter.segment(shop / "photos" / "0.png", phrases=["square"]).phrases == ("square",)


@pytest.mark.slow
def test_the_default_model_resumes_exactly(shop: Path, tmp_path: Path) -> None:
    """The real command on the shipped model: 6 steps, and 1 + 5."""
    changes = ["--max-steps", "6", "data.instructions_per_image=1", "validation.share=0"]
    files = [
        "train",
        "--data",
        str(shop / "instances.json"),
        "--images",
        str(shop / "photos"),
        *FAST,
        *changes,
    ]
    whole, sliced = ([*files, "--output-dir", str(tmp_path / name)] for name in ("whole", "sliced"))
    assert run(whole) == 0
    assert run([*sliced, "--max-minutes", "1e-9"]) == 0
    assert run([*sliced, "--resume"]) == 0
    assert log(tmp_path / "sliced") == log(tmp_path / "whole")
    assert len(log(tmp_path / "whole")) == 6


def test_python_returns_a_result_and_resumes(shop: Path, model: Path, tmp_path: Path) -> None:
    settings = {
        "device": "cpu",
        "precision": "float32",
        "data.images_per_batch": 2,
        "optim": {"lr": 1e-3},
        "schedule": {"export_dtype": "float32"},
        "validation": {"mode": "direct", "every_steps": 2},
    }
    files = {"images": shop / "photos", "output_dir": tmp_path / "run"}
    result = instructsam.train(model, shop / "instances.json", **files, max_steps=2, resume=True, **settings)
    assert (result.steps, result.finished) == (2, True)
    assert result.folder == tmp_path / "run"
    assert (result.last / "model.safetensors").is_file()
    assert (result.best / "model.safetensors").is_file()
    assert set(result.metrics) >= {"giou", "n_acc"}
    with pytest.raises(ConfigError, match="already holds a run"):
        instructsam.train(model, shop / "instances.json", **files, max_steps=2, **settings)
    longer = instructsam.train(model, shop / "instances.json", **files, max_steps=4, resume=True, **settings)
    assert longer.steps == 4
    with pytest.raises(ConfigError, match="train has no argument lerning_rate"):
        instructsam.train(model, shop / "instances.json", lerning_rate=1)
    with pytest.raises(ConfigError, match=r"optim\.lerning_rate"):
        instructsam.train(model, shop / "instances.json", optim={"lerning_rate": 1})
    with pytest.raises(InputError, match="both lengths of the run"):
        instructsam.train(model, shop / "instances.json", epochs=2, schedule={"total_steps": 3})
    with pytest.raises(InputError, match="train needs data"):
        instructsam.train(model)


def test_held_out_images_are_not_trained_on(shop: Path, model: Path) -> None:
    from instructsam.experiments.finetune import choose, load_run, option_changes
    from instructsam.experiments.fit import record_sources
    from instructsam.experiments.sources import open_source
    from instructsam.training.run_source import open_run_source

    options = option_changes(model, shop / "instances.json", shop / "photos", None, 4, None)
    config = load_run(choose("finetune", options)[0], [*options, "validation.share=0.3", "device=cpu"])
    (source,) = record_sources(open_run_source(config, open_source))
    trained = {record.image.file for group in source.groups for record in group}
    validate = open_validate(config)
    assert validate is not None
    held_out = {record.image.file for record in validate.benchmark.records()}  # type: ignore[attr-defined]
    assert len(held_out) == 2
    assert len(trained) == 6
    assert not held_out & trained


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--preset", "finetune_lore"], "did you mean finetune_lora?"),
        (["--epochs", "2", "--max-steps", "3"], "epochs and max steps are both lengths"),
        (["--epochs", "0"], "--epochs must be a number above 0, got 0"),
        (["validation.metric=iou"], "validation.metric must be one of giou, ciou"),
        (["validation.source=nowhere", "validation.share=0"], "there is no file or folder 'nowhere'"),
        (["--resume"], "holds no checkpoint; start without --resume"),
        (["--data", "world", "validation.share=0"], "has no end: set schedule.total_steps"),
        (["--data", "world", "--images", ""], "holds out images of files, and the drawn world has none"),
        (["--model", "nowhere/at/all"], "neither an existing folder nor a hub id"),
        (["--images", "nowhere"], "data.images must be the folder of the images"),
        (["optim.learning_rate=1"], "unknown key optim.learning_rate; known keys"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused_in_one_line(
    shop: Path, model: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    given = command(shop, model, "--output-dir", str(shop / "run"))
    replaced = {word for word in more if word.startswith("--")} & {"--data", "--images", "--model"}
    for option in replaced:
        place = given.index(option)
        del given[place : place + 2]
    assert run([*given, *more]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert not (shop / "run" / "checkpoints").exists()


def test_data_that_cannot_be_trained_on_is_named(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = write_coco(tmp_path / "shop")
    (shop / "photos" / "3.png").unlink()
    assert run(command(shop, model, "--output-dir", str(tmp_path / "run"))) == 2
    assert "1 of 7 images are missing" in capsys.readouterr().err.splitlines()[-1]
    (shop / "empty.json").write_text('{"images": [], "annotations": [], "categories": []}')
    assert run(["train", "--data", str(shop / "empty.json"), "--model", str(model), *FAST]) == 2
    assert str(shop / "empty.json") in capsys.readouterr().err.splitlines()[-1]
    assert run(["train"]) == 2
    assert "expected --data FILE to train on, or a YAML file" in capsys.readouterr().err


def test_more_instances_than_queries_are_counted(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crowded = write_coco(tmp_path / "shop", images=3, objects=6)
    assert run(command(crowded, model, "validation.share=0", "--dry-run")) == 0
    note = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("note"))
    assert "phrases have more instances than the model's 4 queries, the most 6" in note
    assert note.startswith("note: 3 of ")


def test_a_folder_in_use_is_refused(
    shop: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    with FolderLock(tmp_path / "run"):
        assert run(command(shop, model, "--max-steps", "1", "--output-dir", str(tmp_path / "run"))) == 2
    assert "already writing there; choose another folder" in capsys.readouterr().err


@pytest.mark.parametrize("preset", ["finetune_lora", "finetune_detector", "finetune_full"])
def test_every_preset_trains_and_its_model_loads(
    shop: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], preset: str
) -> None:
    changes = ["--max-steps", "1", "optim.gradient_accumulation_steps=1", "validation.mode=direct"]
    folder = tmp_path / "run"
    assert run(command(shop, model, "--preset", preset, *changes, "--output-dir", str(folder))) == 0
    assert f"preset: {preset}" in capsys.readouterr().err
    for name in ("last", "best"):
        prediction = instructsam.load(folder / name, device="cpu").segment(
            shop / "photos" / "0.png", phrases=["square"]
        )
        assert prediction.phrases == ("square",)
