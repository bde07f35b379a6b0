"""The instances that an exporter receives. Exporters know this protocol only, so that results can depend on them."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class ExportedInstances(Protocol):
    """N instances of one image; `structures.instances.Instances` is one."""

    @property
    def masks(self) -> NDArray[np.bool_]:
        """bool [N, H, W]."""
        ...

    @property
    def boxes_xyxy(self) -> NDArray[np.float32]:
        """float32 [N, 4] px."""
        ...

    @property
    def boxes_xywh(self) -> NDArray[np.float32]:
        """float32 [N, 4] px: x, y, width, height."""
        ...

    @property
    def scores(self) -> NDArray[np.float32]:
        """float32 [N] in [0, 1]."""
        ...

    @property
    def phrase_ids(self) -> NDArray[np.int64]:
        """int64 [N], index of the phrase of each instance."""
        ...

    @property
    def areas(self) -> NDArray[np.int64]:
        """int64 [N], pixels of each mask."""
        ...

    def encode_rles(self) -> list[dict[str, Any]]:
        """COCO run-length encoding of each mask."""
        ...
