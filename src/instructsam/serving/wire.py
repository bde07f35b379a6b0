"""Jobs and answers between the server and its worker processes; both ends are processes of one server.

Images travel as raw bytes. Answers travel without their image, which the server has, and with eight pixels of a mask
per byte.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import ImageError, InputError, InstructSAMError
from instructsam.serving.errors import OutOfMemoryError

if TYPE_CHECKING:
    from PIL import Image

    from instructsam.serving.service import ServedModel
    from instructsam.serving.statistics import WorkerStatistics
    from instructsam.structures.predictions import Prediction

# The kinds of errors that routes tell apart; the first that fits is used.
_KINDS = (OutOfMemoryError, ImageError, InputError, InstructSAMError)


@dataclass(frozen=True)
class PackedPrediction:
    """A prediction without its image and masks.

    Attributes:
        rest: everything else; its instances have masks without height.
        size: (height, width) of the masks.
        bits: their pixels, row by row.
    """

    rest: Prediction
    size: tuple[int, int]
    bits: NDArray[np.uint8]

    @classmethod
    def of(cls, prediction: Prediction) -> PackedPrediction:
        """Pack a prediction."""
        found = prediction.instances
        empty = replace(found, masks=np.zeros((len(found), 0, 0), dtype=np.bool_))
        rest = replace(prediction, instances=empty, original_size=(0, 0), image=None)
        return cls(rest, found.size, np.packbits(found.masks))

    def unpack(self, image: Image.Image) -> Prediction:
        """The prediction about an image."""
        height, width = self.size
        count = len(self.rest.instances)
        pixels = np.unpackbits(self.bits, count=count * height * width).view(np.bool_)
        instances = replace(self.rest.instances, masks=pixels.reshape(count, height, width))
        return replace(self.rest, instances=instances, original_size=self.size, image=image)


@dataclass(frozen=True)
class WireError:
    """An error of a worker process.

    Attributes:
        kind: place in the list of kinds; None for an error that this package does not raise on purpose.
        message: of the error.
    """

    kind: int | None
    message: str

    @classmethod
    def of(cls, error: BaseException) -> WireError:
        """Describe an error."""
        kinds = [place for place, kind in enumerate(_KINDS) if isinstance(error, kind)]
        return cls(kinds[0], str(error)) if kinds else cls(None, f"{type(error).__name__}: {error}")

    def error(self) -> InstructSAMError | RuntimeError:
        """The error."""
        return RuntimeError(self.message) if self.kind is None else _KINDS[self.kind](self.message)


@dataclass(frozen=True)
class Reply:
    """The answer of a worker process to one request.

    Attributes:
        value: of the request; an error that concerns all of it.
        statistics: of the worker, after the request.
    """

    value: ServedModel | list[list[PackedPrediction] | WireError] | WireError | None
    statistics: WorkerStatistics


Request = tuple[Literal["open", "run"], str, object]
"""Of a worker process: what to do, the name of the model, and the jobs."""
