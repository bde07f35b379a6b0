"""Images of an engine run, and their objects."""

from __future__ import annotations

from pydantic import Field

from instructsam.config import Config


class SourceSettings(Config):
    """The group `source`.

    Attributes:
        data: as `data.source` of a training run (a COCO file, YOLO folder, records.jsonl, hf:ORG/NAME, a published
            set); world/SPLIT for drawn scenes; or a folder of images without objects, which may be a URL of fsspec
            such as s3://bucket/photos.
        images: folder of the images, which may be a URL, too; "" to find it from the annotations.
        folder: data folder of published sets.
        columns: names of a table's columns, by what they hold (docs/own_data.md).
        licence: of images whose source states none.
        limit: number of rows, or of drawn scenes; 0 for all.
        detector: model that proposes objects where the source has none: a model folder, a hub id, sam3:FOLDER; "" for
            sources with objects.
        concepts: noun phrases that the detector looks for; empty: the VLM names them for each image.
        score_threshold: of detected objects.
        max_overlap: largest IoU of two detected objects; of two that overlap more, the better one stays.
    """

    data: str
    images: str = ""
    folder: str = ""
    columns: dict[str, str] = Field(default_factory=dict)
    licence: str = ""
    limit: int = Field(default=0, ge=0)
    detector: str = ""
    concepts: tuple[str, ...] = ()
    score_threshold: float = Field(default=0.5, ge=0, le=1)
    max_overlap: float = Field(default=0.7, ge=0, le=1)
