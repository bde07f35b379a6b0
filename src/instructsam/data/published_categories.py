"""Published data sets of categories, parts and noun phrases."""

from __future__ import annotations

from instructsam.data.formats.coco import coco_images, read_categories, read_concepts
from instructsam.data.published_set import COCO_IMAGES, Published


def _categories(name: str, file: str, images: str, publisher: str) -> Published:
    return Published(
        name,
        (file,),
        images,
        publisher,
        lambda root, tally: read_categories(root / file, images, tally),
        lambda root: coco_images(root / file, images),
    )


def _gold(subset: str) -> Published:
    files = tuple(f"saco/gold/gold_{subset}_merged_{annotator}_release_test.json" for annotator in "abc")
    images = "saco/sa1b-images" if subset == "sa1b" else "saco/metaclip-images"
    return Published(
        f"saco-gold/{subset}",
        files,
        images,
        "SA-Co/Gold of the SAM 3 project (three annotators a, b, c); pictures of MetaCLIP and SA-1B",
        lambda root, tally: read_concepts([root / file for file in files], images, tally),
        lambda root: coco_images(root / files[0], images),
    )


def _silver(subset: str) -> Published:
    merged = "" if subset == "fathomnet" else "merged_"
    file, images = f"saco/silver/silver_{subset}_{merged}test.json", f"saco/silver-images/{subset}"
    return Published(
        f"saco-silver/{subset}",
        (file,),
        images,
        "SA-Co/Silver of the SAM 3 project; pictures of the data set that the subset is named after",
        lambda root, tally: read_concepts([root / file], images, tally),
        lambda root: coco_images(root / file, images),
    )


_GOLD = ("metaclip", "sa1b", "crowded", "fg_food", "fg_sports_equipment", "attributes", "wiki_common")
_SILVER = (
    *("bdd100k", "droid", "ego4d", "fathomnet", "food_rec", "geode", "inaturalist", "nga_art", "sav", "yt1b"),
)
_LVIS = f"LVIS v1 (Gupta et al. 2019); {COCO_IMAGES}"

CATEGORIES = (
    _categories("coco/val2017", "coco/annotations/instances_val2017.json", "coco/val2017", "MS COCO 2017"),
    _categories("coco/train", "coco/annotations/instances_train2017.json", "coco/train2017", "MS COCO 2017"),
    _categories("lvis/val", "lvis/lvis_v1_val.json", "coco", _LVIS),
    _categories("lvis/train", "lvis/lvis_v1_train.json", "coco", _LVIS),
)
CONCEPTS = (*(_gold(subset) for subset in _GOLD), *(_silver(subset) for subset in _SILVER))
