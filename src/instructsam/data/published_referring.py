"""Published data sets of instructions: referring expressions, reasoning, and Inst2Seg."""

from __future__ import annotations

from instructsam.data.formats.inst2seg import inst2seg_images, read_inst2seg
from instructsam.data.formats.lisa_plus import lisa_plus_images, read_lisa_plus
from instructsam.data.formats.muse import muse_images, read_muse
from instructsam.data.formats.reasonseg import (
    read_reasonseg_folder,
    read_reasonseg_list,
    reasonseg_images,
    reasonseg_list_images,
)
from instructsam.data.formats.refer import coco_image, gref_images, read_grefs, read_refs, ref_images
from instructsam.data.formats.roborefit import read_roborefit, roborefit_images
from instructsam.data.published_set import COCO_IMAGES, Published, as_spelled

REFER = "refcoco, refcoco+ and refcocog of the REFER project (Kazemzadeh et al., Yu et al., Mao et al.)"


def _refer(data: str, splitter: str, split: str) -> Published:
    return Published(
        f"{data}/{split}",
        (f"{data}/refs({splitter}).p", f"{data}/instances.json"),
        "coco/train2014",
        f"{REFER}; {COCO_IMAGES}",
        lambda root, tally: read_refs(root / data, splitter, split, "coco/train2014", tally),
        lambda root: map(coco_image, ref_images(root / data, splitter, split)),
    )


def _refclef(name: str, splitter: str, split: str) -> Published:
    images = "saiapr_tc-12"
    return Published(
        f"{name}/{split}",
        (f"refclef/refs({splitter}).p", "refclef/instances.json"),
        images,
        "RefCLEF of the REFER project (Kazemzadeh et al. 2014); pictures saiapr_tc-12 of ImageCLEF",
        lambda root, tally: read_refs(root / "refclef", splitter, split, images, tally),
        lambda root: (f"{images}/{number}.jpg" for number in ref_images(root / "refclef", splitter, split)),
        borrowed=("refclef/instances.json",) if splitter != "unc" else (),
    )


def _grefcoco(split: str) -> Published:
    return Published(
        f"grefcoco/{split}",
        ("grefcoco/grefs(unc).json", "grefcoco/instances.json"),
        "coco/train2014",
        f"gRefCOCO of the GRES project (Liu et al. 2023); {COCO_IMAGES}",
        lambda root, tally: read_grefs(root / "grefcoco", split, "coco/train2014", tally),
        lambda root: map(coco_image, gref_images(root / "grefcoco", split)),
    )


def _reasonseg(split: str) -> Published:
    return Published(
        f"reasonseg/{split}",
        (f"reasonseg/{split}",),
        f"reasonseg/{split}",
        "ReasonSeg of the LISA project (Lai et al. 2023)",
        lambda root, tally: read_reasonseg_folder(root / "reasonseg" / split, root, tally),
        lambda root: reasonseg_images(root / "reasonseg" / split, root),
    )


def _reasonseg_list(split: str) -> Published:
    file, images = f"reasonseg/{split}.json", "reasonseg/images"
    return Published(
        f"reasonseg-list/{split}",
        (file,),
        images,
        "ReasonSeg as one list, with masks written out, of the InstructSAM project",
        lambda root, tally: read_reasonseg_list(root / file, images, tally),
        lambda root: reasonseg_list_images(root / file, images),
    )


def _roborefit(split: str) -> Published:
    file = f"roborefit/final_dataset/{split}/roborefit_{split}.json"
    return Published(
        f"roborefit/{split}",
        (file,),
        f"roborefit/final_dataset/{split}/image",
        "RoboRefIt of the VL-Grasp project (Lu et al. 2023)",
        lambda root, tally: read_roborefit(root / file, root / "roborefit", root, tally),
        lambda root: roborefit_images(root / file, root / "roborefit", root),
    )


def _muse(split: str) -> Published:
    file = f"muse/muse_{split}.json"
    return Published(
        f"muse/{split}",
        (file,),
        "coco",
        f"MUSE of the PixelLM project (Ren et al. 2023); {COCO_IMAGES}",
        lambda root, tally: read_muse(as_spelled(root / file), "coco", tally),
        lambda root: muse_images(as_spelled(root / file), "coco"),
    )


def _lisa_plus(name: str, folder: str) -> Published:
    file, images = f"lisa_plus/{folder}/data.json", "coco/train2017"
    return Published(
        f"{name}/train",
        (file,),
        images,
        f"LISA++ of the LISA project (Yang et al. 2023); {COCO_IMAGES}",
        lambda root, tally: read_lisa_plus(root / file, images, root, tally),
        lambda root: lisa_plus_images(root / file, images),
    )


def _inst2seg(name: str, file: str) -> Published:
    images = "inst2seg/images"
    return Published(
        name,
        (file,),
        images,
        "Inst2Seg and Inst2Seg-Bench of the InstructSAM project (arXiv 2605.26102)",
        lambda root, tally: read_inst2seg(root / file, images, tally),
        lambda root: inst2seg_images(root / file, images),
    )


INST2SEG = (
    _inst2seg("inst2seg/train", "inst2seg/inst2seg.json"),
    _inst2seg("inst2seg-bench", "inst2seg/inst2seg_bench.json"),
)
REASONING = (
    *(_reasonseg(split) for split in ("val", "test", "train")),
    *(_reasonseg_list(split) for split in ("val", "test")),
)
REFERRING = (
    *(_refer(data, "unc", s) for data in ("refcoco", "refcoco+") for s in ("val", "testA", "testB", "train")),
    *(_refer("refcocog", "umd", split) for split in ("val", "test", "train")),
    *(_grefcoco(split) for split in ("val", "testA", "testB", "train")),
    *(_refclef("refclef", "unc", split) for split in ("val", "testA", "testB", "testC", "train")),
    *(_refclef("refclef-berkeley", "berkeley", split) for split in ("val", "test", "train")),
    *(_roborefit(split) for split in ("testA", "testB", "train")),
)
LISA_PLUS = (
    _lisa_plus("lisa++", "LISA_Plus_Instance_Seg"),
    _lisa_plus("lisa++-reasoning", "LISA_Plus_COT"),
)
MUSE = tuple(_muse(split) for split in ("val", "test_less", "test_many", "train"))
