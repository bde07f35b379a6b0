"""Published data sets of categories, parts and noun phrases."""

from __future__ import annotations

from instructsam.data.formats.coco import coco_images, coco_licences, read_categories, read_concepts
from instructsam.data.formats.mapillary import mapillary_images, read_mapillary
from instructsam.data.formats.names import COCO, OBJECTS365, PART_IMAGE_NET, PARTS, CocoStyle
from instructsam.data.published_set import COCO_IMAGES, Published


def _categories(
    name: str, file: str, images: str, publisher: str, style: CocoStyle = COCO, is_exhaustive: bool = False
) -> Published:
    return Published(
        name,
        (file,),
        images,
        publisher,
        lambda root, tally: read_categories(root / file, images, tally, style),
        lambda root: coco_images(root / file, images, style),
        (lambda root, tally, seen: read_categories(root / file, images, tally, style, seen))
        if is_exhaustive
        else None,
        list_licences=lambda root: coco_licences(root / file, images, style),
    )


def _mapillary(name: str, version: str) -> Published:
    """Versions v2.0 and v1.2 share a folder; the files of v1.1 have no version in their names."""
    config = f"mapillary/config_{version}.json" if version else "mapillary/config.json"
    maps = f"mapillary/training/{version}/instances" if version else "mapillary/training/instances"
    images = "mapillary/training/images"
    return Published(
        f"{name}/train",
        (config, maps),
        images,
        "Mapillary Vistas (Neuhold et al. 2017)",
        lambda root, tally: read_mapillary(root / config, root / maps, images, tally),
        lambda root: mapillary_images(root / maps, images),
        read_seeing=lambda root, tally, seen: read_mapillary(root / config, root / maps, images, tally, seen),
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
_COCO = "MS COCO 2017"
_LVIS = f"LVIS v1 (Gupta et al. 2019); {COCO_IMAGES}"
_PACO = f"PACO-LVIS v1 (Ramanathan et al. 2023); {COCO_IMAGES}"
_PASCAL_PART = "Pascal-Part (Chen et al. 2014) as JSON of the VLPart project; pictures of PASCAL VOC 2010"
_VOC = "pascal_part/VOCdevkit/VOC2010/JPEGImages"

CATEGORIES = (
    _categories("coco/val2017", "coco/annotations/instances_val2017.json", "coco/val2017", _COCO),
    _categories(
        "coco/train", "coco/annotations/instances_train2017.json", "coco/train2017", _COCO, is_exhaustive=True
    ),
    _categories("lvis/val", "lvis/lvis_v1_val.json", "coco", _LVIS),
    _categories("lvis/train", "lvis/lvis_v1_train.json", "coco", _LVIS),
    *(
        _categories(f"paco/{split}", f"paco/annotations/paco_lvis_v1_{split}.json", "coco", _PACO, PARTS)
        for split in ("val", "test", "train")
    ),
    *(
        _categories(f"pascal-part/{split}", f"pascal_part/{split}.json", _VOC, _PASCAL_PART, PARTS)
        for split in ("val", "train")
    ),
    *(
        _categories(
            f"partimagenet/{split}",
            f"partimagenet/{split}.json",
            f"partimagenet/{split}",
            "PartImageNet (He et al. 2022); pictures of ImageNet, in folders by synset",
            PART_IMAGE_NET,
        )
        for split in ("val", "test", "train")
    ),
    _categories(
        "objects365/train",
        "objects365/annotations/zhiyuan_objv2_train.json",
        "objects365/train",
        "Objects365 v2 (Shao et al. 2019); pictures in the folders patch0 to patch50",
        OBJECTS365,
        is_exhaustive=True,
    ),
)
STREETS = (
    _mapillary("mapillary", "v2.0"),
    _mapillary("mapillary-v1.2", "v1.2"),
    _mapillary("mapillary-v1.1", ""),
)
CONCEPTS = (*(_gold(subset) for subset in _GOLD), *(_silver(subset) for subset in _SILVER))
