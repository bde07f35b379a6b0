"""Types of the fields of a record, and checks of values that depend on each other: sizes, masks, boxes, paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import ConfigDict, Field, Strict, with_config
from typing_extensions import TypedDict

from instructsam.errors import InputError, RecordError
from instructsam.structures.checks import shorten
from instructsam.structures.masks import check_mask_size, rle_area
from instructsam.structures.validation import Expected, place_of

_LONGEST_PATH = 4096
BOX_SLACK = 1.0  # pixels that a box may lie outside the image, for boxes that were rounded elsewhere

# Values keep their types (Strict), while lists of JSON become tuples and objects become these classes.
Word: TypeAlias = Annotated[str, Strict(), Field(pattern="")]  # any pattern refuses lone surrogates
Text: TypeAlias = Annotated[str, Strict(), Field(pattern=r"\S"), Expected("text that is not empty")]
Side: TypeAlias = Annotated[int, Strict(), Field(ge=1), Expected("a positive whole number of pixels")]
Number: TypeAlias = Annotated[float, Strict()]
Box: TypeAlias = Annotated[
    tuple[Number, Number, Number, Number], Expected("four finite numbers [x, y, width, height]")
]
Point: TypeAlias = Annotated[tuple[Number, Number], Expected("two finite numbers [x, y]")]

if TYPE_CHECKING:
    Rle: TypeAlias = dict[str, Any]
else:

    @with_config(ConfigDict(extra="forbid"))
    class Rle(TypedDict):
        """COCO's run-length code as COCO stores it; `size` is compared with the image's."""

        size: Any
        counts: Text


Place: TypeAlias = tuple[str | int, ...]


def check_image(file: str, height: int, width: int, where: str) -> None:
    """The path and size of a record's image.

    Raises:
        RecordError: the path leaves the folder or is no path, or there are too many pixels.
    """
    if leaves_folder(file):
        expected = "a path with forward slashes inside the folder of the records"
        raise wrong(where, ("image", "file"), expected, file)
    if not is_path(file):
        expected = f"a path of at most {_LONGEST_PATH} letters without control characters"
        raise wrong(where, ("image", "file"), expected, file)
    try:
        check_mask_size(height, width, f"{where}, field image: [height, width]")
    except InputError as error:
        raise RecordError(str(error)) from error


def leaves_folder(file: str) -> bool:
    """Whether a path is absolute, has a drive, backslashes or a step upwards."""
    return file.startswith("/") or ".." in file.split("/") or "\\" in file or file[1:2] == ":"


def is_path(text: str) -> bool:
    """Whether a file could have this name: printable, and no longer than any system allows."""
    return len(text) <= _LONGEST_PATH and text.isprintable()


def check_rle(rle: Rle, size: tuple[int, int], where: str, place: Place) -> None:
    """A run-length code of the image's (height, width) with at least one pixel.

    Raises:
        RecordError: it is not.
    """
    if not has_size(rle, size):
        raise wrong(where, (*place, "size"), f"the image's [height, width] = {list(size)}", rle["size"])
    try:
        area = rle_area(rle)
    except InputError as error:
        raise RecordError(f"{where}, field {place_of((*place, 'counts'))}: {error}") from error
    if not area:
        raise wrong(where, (*place, "counts"), "a mask with at least one pixel", rle["counts"])


def has_size(rle: Rle, size: tuple[int, int]) -> bool:
    """Whether a run-length code has this (height, width), in whole numbers."""
    return rle["size"] == list(size) and all(type(side) is int for side in rle["size"])


def check_box(box_xywh: Box, size: tuple[int, int], where: str, place: Place) -> None:
    """A box with an area, inside the image of (height, width).

    Raises:
        RecordError: it is not.
    """
    x, y, width, height = box_xywh
    if width <= 0 or height <= 0:
        raise wrong(where, place, "a positive width and height", list(box_xywh))
    right, bottom = size[1] + BOX_SLACK, size[0] + BOX_SLACK
    if x < -BOX_SLACK or y < -BOX_SLACK or x + width > right or y + height > bottom:
        raise wrong(where, place, f"a box inside the {size[1]} x {size[0]} image", list(box_xywh))


def check_point(point_xy: Point, size: tuple[int, int], where: str, place: Place) -> None:
    """A point inside the image of (height, width), edges included.

    Raises:
        RecordError: it is not.
    """
    x, y = point_xy
    if not (0 <= x <= size[1] and 0 <= y <= size[0]):
        raise wrong(where, place, f"a point inside the {size[1]} x {size[0]} image", list(point_xy))


def wrong(where: str, place: Place, expected: str, value: Any) -> RecordError:
    """The error that names a field of a record."""
    return RecordError(f"{where}, field {place_of(place)}: expected {expected}, got {shorten(value)}")
