"""The group `data` of a run's configuration: where samples come from and how batches are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.data.templates import DEFAULT_TEMPLATES, check_templates
from instructsam.structures.validation import Expected
from instructsam.training.augmentation.settings import AugmentSettings

SOURCE = "a name, or names with weights in (0, 1000000] such as {world: 1, refcoco/train: 3}"
FOLDERS = "a folder, or folders by source such as {shop/instances.json: shop/photos}"
FILES = "a file, or files by source such as {shop/instances.json: shop/instructions.csv}"
Name = Annotated[str, Field(min_length=1)]
Weight = Annotated[float, Field(gt=0, le=1_000_000)]


class DataSettings(Config):
    """Sample source and batches.

    Attributes:
        source: "world" (drawn scenes, without end); a path, whose format is found from its content (docs/own_data.md);
            a path with a split, shop:val; hf:ORG/NAME or hf:ORG/NAME:SPLIT of the Hugging Face hub; or the training
            split of a published data set such as refcoco/train. Several of them with numbers are a mixture,
            {world: 1, refcoco/train: 3}.
        mixture: what the numbers of a mixture are: "weights", shares of all samples, or "repeats", passes over each
            source in one pass over all of them.
        folder: the data folder that holds the files of published data sets.
        exclude: images that are not trained on: names of published test sets, "known" for all that are in `folder`,
            files of Inst2Seg records, or folders of images; [] for none. Left out: "known", for published sources only.
        exclude_by_pixels: whether excluded images are also found in another size or compression (docs/data.md).
        images: the folder of a path's images, or a mapping from sources to their folders; "" to find them from the
            annotations.
        instructions: file of (image, instruction, annotation ids) for a COCO file, or a mapping from sources to such
            files; "" for instructions.json, .jsonl or .csv beside the annotations, if there is one.
        templates: wordings that turn a category into an instruction, with {category} or {plural}.
        columns: names of a table's columns, by what they hold (docs/own_data.md).
        negatives_per_positive: instructions without target that are drawn for each instruction with one, from
            categories that are absent from the image.
        negatives_from: "exhaustive": only in sources that annotate each of their categories in every image; "all": also
            in others, where what an image's records do not name is then taken as absent.
        world: options of the drawn world (`world.source.WorldSourceSettings`).
        images_per_batch: images of one batch and process.
        instructions_per_image: at most so many instructions share an image and its vision passes.
        direct_fraction: share of instructions in [0, 1] that are given as their own phrase, without decoding.
        color_jitter: in [0, 0.9], how far an image's brightness may be from 1, contrast and colours less far
            (`training.augmentation.color`); 0 leaves images as they are.
        max_side: images on disk are loaded with sides of at most so many pixels, and masks with them; 0 for their own
            size. Large JPEG files are then not decoded in full.
        augment: crops, flips and other random changes (`training.augmentation.settings`); off by default.
        on_error: "stop" ends the run at a sample that cannot be used; "skip" counts it, names it once and takes another
            sample in its place (docs/augmentation.md).
        workers: processes that make batches; 0 makes them in the training process.
        prefetch: batches that each worker keeps ready.
    """

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "scenes_per_batch": "images_per_batch",
        "instructions_per_scene": "instructions_per_image",
        "light": "color_jitter",
        "short_sides": "world.short_sides",
        "min_objects": "world.min_objects",
        "max_objects": "world.max_objects",
        "families": "world.families",
        "family_shares": "world.family_shares",
        "nouns": "world.nouns",
        "layouts": "world.layouts",
        "invented_words": "world.invented_words",
        "captions": "world.captions",
    }

    source: Annotated[Name | dict[Name, Weight], Expected(SOURCE), Field(min_length=1)] = "world"
    mixture: Literal["weights", "repeats"] = "weights"
    folder: str = ""
    exclude: tuple[Name, ...] | None = None
    exclude_by_pixels: bool = True
    images: Annotated[str | dict[Name, Name], Expected(FOLDERS)] = ""
    instructions: Annotated[str | dict[Name, Name], Expected(FILES)] = ""
    templates: tuple[Name, ...] = DEFAULT_TEMPLATES
    columns: dict[Name, str] = Field(default_factory=dict)
    negatives_per_positive: float = Field(default=0.5, ge=0, le=100)
    negatives_from: Literal["exhaustive", "all"] = "exhaustive"
    world: dict[str, Any] = Field(default_factory=dict)
    images_per_batch: int = Field(default=4, ge=1, le=4096)
    instructions_per_image: int = Field(default=8, ge=1, le=1000)
    direct_fraction: float = Field(default=0.3, ge=0, le=1)
    color_jitter: float = Field(default=0.0, ge=0, le=0.9)
    max_side: int = Field(default=0, ge=0, le=65_536)
    augment: AugmentSettings = Field(default_factory=AugmentSettings)
    on_error: Literal["stop", "skip"] = "stop"
    workers: int = Field(default=0, ge=0, le=256)
    prefetch: int = Field(default=2, ge=1, le=1024)

    @model_validator(mode="after")
    def _check(self) -> DataSettings:
        check_templates(self.templates, "templates")
        return self

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every source by its name."""
        return {self.source: 1.0} if isinstance(self.source, str) else self.source
