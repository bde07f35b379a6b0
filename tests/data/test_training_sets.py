"""Every published training set from a small folder in its own layout: found, read, and made into samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.config import build_config
from instructsam.data.formats.source import Tally
from instructsam.data.published import PUBLISHED
from instructsam.experiments.sources import open_source
from instructsam.training.data_settings import DataSettings

from .formats import (
    test_inst2seg,
    test_lisa_plus,
    test_mapillary,
    test_muse,
    test_reasonseg,
    test_refer,
    test_roborefit,
)
from .formats.helpers import block, picture, write
from .formats.test_coco import annotation, coco

TRAINING = [known for known in PUBLISHED if known.train]
COCO_2014, COCO_2017 = "COCO_train2014_000000000009.jpg", "000000000009.jpg"


def objects(folder: Path, file: str, images: str, name: str, category: str, **stated: Any) -> None:
    """A COCO-like file about one picture that lies at images/name."""
    top = coco(annotation(1, 9, 18, 1, 1, 2, 2))
    top["images"] = [{**top["images"][0], "file_name": name, **stated}]
    top["categories"] = [{"id": 18, "name": category}]
    write(folder / file, top)
    picture(folder / images)


def referring(folder: Path, data: str, file: str, images: str, name: str) -> None:
    objects(folder, f"{data}/instances.json", images, name, "mug")
    write(folder / data / file, [test_refer.ref(1, 9, 1, "train")])


def roborefit(folder: Path) -> None:
    split = folder / "roborefit/final_dataset/train"
    entry = test_roborefit.entry(0)
    places = {
        "rgb_path": "final_dataset/train/image/0.png",
        "mask_path": "final_dataset/train/image/mask.png",
    }
    write(split / "roborefit_train.json", [entry | places])
    picture(split / "image/0.png")
    Image.fromarray(block(1, 1, 3, 3)).save(split / "image/mask.png")


def reasonseg(folder: Path) -> None:
    shapes = [test_reasonseg.shape("target", 0, 0, 5, 4)]
    content = {"text": ["a mug"], "is_sentence": False, "shapes": shapes}
    write(folder / "reasonseg/train/1.json", content)
    picture(folder / "reasonseg/train/1.jpg")


def inst2seg(folder: Path) -> None:
    kinds = [{}, {"ann_type": "bbox", "ann": ["[1, 1, 3, 3]"]}, {"ann_type": "point", "ann": ["[1, 1]"]}]
    annotations = [test_inst2seg.annotation(**changes) for changes in kinds]
    write(folder / "inst2seg/inst2seg.json", [test_inst2seg.item(*annotations)])
    picture(folder / "inst2seg/images/a/1.jpg")


def muse(folder: Path) -> None:
    entry = test_muse.item([[test_muse.thing("a", 0, 0, 2, 2)]])
    entry.pop("coco_url", None)
    write(folder / "muse/MUSE_train.json", [entry | {"file_name": COCO_2014}])
    picture(folder / "coco/train2014" / COCO_2014)


def mapillary(folder: Path, config: str, maps: str) -> None:
    test_mapillary.save(folder, test_mapillary.street())
    base = folder / "mapillary"
    (base / maps).mkdir(parents=True)
    (folder / "config.json").rename(base / config)
    (folder / "maps/a.png").rename(base / maps / "a.png")
    picture(base / "training/images/a.jpg")


def lisa_plus(folder: Path, name: str) -> None:
    thing = {"7": test_lisa_plus.thing([[1, 1], [3, 1], [3, 3]])}
    if name == "LISA_Plus_COT":
        fields = {
            "image_path": COCO_2017,
            "info": thing,
            "English Answer": "<7|mug>",
            "English Question": "?",
        }
    else:
        fields = test_lisa_plus.entry(thing, img_path=COCO_2017)
    write(folder / "lisa_plus" / name / "data.json", [fields])
    picture(folder / "coco/train2017" / COCO_2017)


COCO_2017_FILE = f"coco/train2017/{COCO_2017}"
VOC = "pascal_part/VOCdevkit/VOC2010/JPEGImages/2008_000002.jpg"
SYNSET, PATCH = "n01440764_10026.JPEG", "patch8/objects365_v1_00420917.jpg"
JSON = "annotations"
LAYOUTS: dict[str, Callable[[Path], None]] = {
    "inst2seg/train": inst2seg,
    "reasonseg/train": reasonseg,
    "roborefit/train": roborefit,
    "muse/train": muse,
    **{
        f"{data}/train": lambda folder, data=data, file=file: referring(
            folder, data, file, f"coco/train2014/{COCO_2014}", COCO_2014
        )
        for data, file in (
            ("refcoco", "refs(unc).json"),
            ("refcoco+", "refs(unc).json"),
            ("refcocog", "refs(umd).json"),
            ("grefcoco", "grefs(unc).json"),
        )
    },
    **{
        f"{name}/train": lambda folder, split=split: referring(
            folder, "refclef", f"refs({split}).json", "saiapr_tc-12/00/images/9.jpg", "00/images/9.jpg"
        )
        for name, split in (("refclef", "unc"), ("refclef-berkeley", "berkeley"))
    },
    "coco/train": lambda folder: objects(
        folder, f"coco/{JSON}/instances_train2017.json", COCO_2017_FILE, COCO_2017, "mug"
    ),
    "lvis/train": lambda folder: objects(
        folder, "lvis/lvis_v1_train.json", COCO_2017_FILE, f"train2017/{COCO_2017}", "mug"
    ),
    "paco/train": lambda folder: objects(
        folder, f"paco/{JSON}/paco_lvis_v1_train.json", COCO_2017_FILE, f"train2017/{COCO_2017}", "mug:lid"
    ),
    "pascal-part/train": lambda folder: objects(
        folder, "pascal_part/train.json", VOC, "2008_000002.jpg", "dog:ear"
    ),
    "partimagenet/train": lambda folder: objects(
        folder, "partimagenet/train.json", f"partimagenet/train/n01440764/{SYNSET}", SYNSET, "Fish Fin"
    ),
    "objects365/train": lambda folder: objects(
        folder,
        f"objects365/{JSON}/zhiyuan_objv2_train.json",
        f"objects365/train/{PATCH}",
        f"images/v1/{PATCH}",
        "Cup",
    ),
    "mapillary/train": lambda folder: mapillary(folder, "config_v2.0.json", "training/v2.0/instances"),
    "mapillary-v1.2/train": lambda folder: mapillary(folder, "config_v1.2.json", "training/v1.2/instances"),
    "mapillary-v1.1/train": lambda folder: mapillary(folder, "config.json", "training/instances"),
    "lisa++/train": lambda folder: lisa_plus(folder, "LISA_Plus_Instance_Seg"),
    "lisa++-reasoning/train": lambda folder: lisa_plus(folder, "LISA_Plus_COT"),
}


def test_every_training_set_has_a_layout_here() -> None:
    assert set(LAYOUTS) == {known.name for known in TRAINING}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_training_set_is_found_read_and_made_into_samples(tmp_path: Path, name: str) -> None:
    known = next(known for known in TRAINING if known.name == name)
    assert known.missing(tmp_path)
    LAYOUTS[name](tmp_path)
    assert known.missing(tmp_path) == []
    records = list(known.read(tmp_path, Tally()))
    assert records
    assert all((tmp_path / record.image.file).is_file() for record in records)
    if not name.startswith(
        "refclef"
    ):  # its lists have identifiers only, and its folders differ between copies
        assert {record.image.file for record in records} <= set(known.image_files(tmp_path))
    data = build_config(DataSettings, {"source": name, "folder": str(tmp_path)}, prefix="data.")
    sample = open_source(data, seed=0, images_per_step=1)[0]
    assert sample.instructions
    assert any(phrase.instances for one in sample.instructions for phrase in one.phrases)
