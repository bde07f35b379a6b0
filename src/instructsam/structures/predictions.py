"""`Prediction`, the answer to one instruction about one image. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.checks import check_choice, check_count, check_path, check_text, describe
from instructsam.structures.instances import MAX_SIDE, Instances
from instructsam.structures.saving import save_image
from instructsam.visualization.overlay import MAX_PIXELS, draw_overlay

Status = Literal["ok", "no_target", "saturated", "truncated", "malformed"]
TakenMode = Literal["", "generate", "direct", "phrases"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to one instruction about one image.

    Attributes:
        instances: all instances found, at the original size.
        phrases: the target phrases, written by the VLM or given by the caller.
        text: the reply of the VLM; empty when phrases were given.
        status: "ok"; "no_target": nothing matches; "saturated": every query was used, so there may be more;
            "truncated": the VLM's reply reached a limit before it had written every phrase; "malformed": the reply
            could not be parsed into phrases.
        instruction: the user's text.
        original_size: (height, width) px.
        image: the upright RGB image that was segmented; None when it was not kept.
        notes: conversions of the input (first frame of an animation, rotated by EXIF, ...).
        mode: how the answer was produced, never "auto": "generate" (the VLM wrote the phrases), "direct" (the
            instruction was its own phrase), "phrases" (the caller gave them); "" when unknown.
        num_queries: instances that the model can return per phrase; None when it has no such limit.
        image_path: the image file, as the caller gave it; None for an image in memory.
    """

    instances: Instances
    phrases: tuple[str, ...]
    text: str
    status: Status
    instruction: str
    original_size: tuple[int, int]
    image: Image.Image | None = None
    notes: tuple[str, ...] = ()
    mode: TakenMode = ""
    num_queries: int | None = None
    image_path: str | None = None

    def __post_init__(self) -> None:
        check_choice(self.status, "status", get_args(Status))
        if self.mode not in get_args(TakenMode):
            modes = ", ".join(map(repr, get_args(TakenMode)))
            raise InputError(f"mode must be one of {modes}, got {self.mode!r}")
        if self.num_queries is not None:
            check_count(self.num_queries, "num_queries")
        self._check_types()
        size = self.instances.size
        if size != tuple(self.original_size):
            raise InputError(f"masks must have the original size {self.original_size}, got {size}")
        if self.image is not None and self.image.size != (self.original_size[1], self.original_size[0]):
            size = (self.image.height, self.image.width)
            raise InputError(f"image must have the original size {self.original_size}, got {size}")
        ids = self.instances.phrase_ids
        if len(ids) and ids.max() >= len(self.phrases):
            count = len(self.phrases)
            raise InputError(f"phrase_ids must be below the number of phrases {count}, got {ids.max()}")
        if self.status == "no_target" and len(self.instances):
            raise InputError(f"status no_target must come without instances, got {len(self.instances)}")

    def _check_types(self) -> None:
        if not isinstance(self.instances, Instances):
            raise InputError(f"instances must be Instances, got {describe(self.instances)}")
        if self.image is not None and not isinstance(self.image, Image.Image):
            raise InputError(f"image must be a PIL image or None, got {describe(self.image)}")
        for name in ("phrases", "notes"):
            texts = getattr(self, name)
            if not isinstance(texts, (tuple, list)):
                raise InputError(f"{name} must be a tuple of texts, got {describe(texts)}")
            for index, text in enumerate(texts):
                check_text(text, f"{name}[{index}]")
        check_text(self.text, "text")
        check_text(self.instruction, "instruction")
        if self.image_path is not None and not isinstance(self.image_path, str):
            raise InputError(f"image_path must be text or None, got {describe(self.image_path)}")
        if not isinstance(self.original_size, (tuple, list)) or len(self.original_size) != 2:
            raise InputError(f"original_size must be (height, width), got {describe(self.original_size)}")
        for side, length in zip(("height", "width"), self.original_size, strict=True):
            check_count(length, f"original_size {side}", low=0, high=MAX_SIDE)

    @property
    def queries_used(self) -> tuple[int, ...]:
        """Instances per phrase; as many as `num_queries` means that there may be more."""
        counts = np.bincount(self.instances.phrase_ids, minlength=len(self.phrases))
        return tuple(int(count) for count in counts)

    @property
    def looked_for(self) -> str:
        """The phrases in one line; they may differ from the words of the instruction."""
        return ", ".join(self.phrases)

    @property
    def remark(self) -> str:
        """One sentence on a status other than "ok" and "no_target"; else empty."""
        if self.status == "truncated":
            return "the reply of the model was cut at its limit, there may be more"
        if self.status == "malformed":
            return "the reply of the model could not be parsed"
        if self.status != "saturated":
            return ""
        limit = self.num_queries
        full = [
            phrase
            for phrase, used in zip(self.phrases, self.queries_used, strict=True)
            if limit is not None and used >= limit
        ]
        if not full:
            return "every slot for instances is used, there may be more"
        of_phrase = f" for {', '.join(map(repr, full))}" if len(self.phrases) > 1 else ""
        return f"{limit} of {limit} slots used{of_phrase}, there may be more"

    def overlay(self, max_pixels: int | None = MAX_PIXELS) -> Image.Image:
        """The image with the instances in their own colours, outlined and numbered, and a strip with the legend.

        Args:
            max_pixels: larger images are shrunk to this many pixels; None draws at the size of the image.

        Raises:
            InputError: the prediction has no image, or max_pixels is not a positive number.
        """
        if self.image is None:
            raise InputError("this prediction has no image to draw on: pass image= to Prediction")
        return draw_overlay(
            self.image,
            masks=self.instances.masks,
            boxes_xyxy=self.instances.boxes_xyxy,
            scores=self.instances.scores,
            phrase_ids=self.instances.phrase_ids,
            phrases=self.phrases,
            instruction=self.instruction,
            note=self.remark,
            mode=self.mode,
            max_pixels=None if max_pixels is None else check_count(max_pixels, "max_pixels"),
        )

    def save(self, path: str | Path, max_pixels: int | None = MAX_PIXELS) -> Path:
        """Write the overlay as an image file; the suffix decides the format (.png, .jpg, .webp).

        Args:
            path: the file.
            max_pixels: see `overlay`; .jpg is the smallest at full size.

        Returns:
            The path written.

        Raises:
            InputError: the folder is missing or cannot be written to, or the suffix is not one of these.
        """
        return save_image(lambda: self.overlay(max_pixels), check_path(path, "path"))

    def to_coco(self, image_id: int = 1) -> list[dict[str, Any]]:
        """COCO results: RLE at the original size, bbox x y width height px, category_id = phrase id + 1.

        Raises:
            InputError: `image_id` is not a whole number.
        """
        check_count(image_id, "image_id", low=-(2**63), high=2**63 - 1)
        results: list[dict[str, Any]] = self.export("coco", image_id=image_id)
        return results

    def to_supervision(self) -> Any:
        """The same instances as `supervision.Detections`.

        Raises:
            MissingExtraError: supervision is not installed.
        """
        return self.export("supervision")

    def export(self, format: str, path: str | Path | None = None, **options: Any) -> Any:
        """Write the instances to `path` in a format of another tool, or convert them in memory.

        Args:
            format: such as "coco", "yolo" or "label_studio"; a key of `instructsam.exports.FORMATS`.
            path: the file or folder; None returns an object, such as the results of `to_coco`.
            options: of `instructsam.exports.export` and of the format (docs/exports.md).

        Returns:
            With a path the paths written; without one the format's object.

        Raises:
            InputError: there is no such format or option, or the path cannot be written.
            MissingExtraError: the library of the format is not installed.
        """
        from instructsam.exports.export_call import export

        return export(self, format, path, **options)

    def table(self) -> list[dict[str, Any]]:
        """One row per instance: number (as drawn, from 1), phrase, score, box_xyxy px, area px."""
        found = self.instances
        columns = zip(found.phrase_ids, found.scores, found.boxes_xyxy, found.areas, strict=True)
        return [
            {
                "number": number,
                "phrase": self.phrases[phrase],
                "score": float(score),
                "box_xyxy": [float(v) for v in box],
                "area": int(area),
            }
            for number, (phrase, score, box, area) in enumerate(columns, start=1)
        ]

    def to_dict(self) -> dict[str, Any]:
        """All fields except the image and its path, ready for JSON; masks as COCO run-length encoding."""
        rows = self.table()
        for row, rle in zip(rows, self.instances.encode_rles(), strict=True):
            row["segmentation"] = rle
        return {
            "instruction": self.instruction,
            "status": self.status,
            "text": self.text,
            "phrases": list(self.phrases),
            "looked_for": self.looked_for,
            "mode": self.mode,
            "num_queries": self.num_queries,
            "queries_used": list(self.queries_used),
            "original_size": [int(v) for v in self.original_size],
            "notes": list(self.notes),
            "instances": rows,
        }
