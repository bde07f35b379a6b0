"""A cache of image features in memory: further instructions about an image need no vision encoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from instructsam.structures.checks import check_count

if TYPE_CHECKING:
    from instructsam.model.features import ImageFeatures


class FeatureKey(NamedTuple):
    """Everything that decides the features of an image.

    Attributes:
        encoder: the model, its number format and device, and the sizes that it resizes images to.
        content: a hash of the image's content.
        size: (height, width) in px of the upright image.
    """

    encoder: Hashable
    content: str
    size: tuple[int, int]


@dataclass(frozen=True)
class CacheStatistics:
    """Counts of a cache since it was made, and its size now.

    Attributes:
        hits, misses: images that were found, and that were not.
        evictions: images removed to make room.
        images, nbytes: held now.
    """

    hits: int = 0
    misses: int = 0
    evictions: int = 0
    images: int = 0
    nbytes: int = 0


class FeatureCache:
    """Features by image; the least recently used ones make room for new ones.

    Holds tensors on the device of the model. Several threads and segmenters may share one.

    Args:
        max_bytes: of all features; 0 keeps none. Features of one image above it are not kept.

    Raises:
        InputError: max_bytes is not a whole number of at least 0.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = check_count(max_bytes, "max_bytes", low=0, high=2**63 - 1)
        self._entries: OrderedDict[FeatureKey, tuple[ImageFeatures, int]] = OrderedDict()
        self._lock = Lock()
        self._nbytes = self._hits = self._misses = self._evictions = 0

    def get(self, key: FeatureKey) -> ImageFeatures | None:
        """The features of an image, which is now the most recently used one; None if they are not held."""
        with self._lock:
            if key not in self._entries:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return self._entries[key][0]

    def put(self, key: FeatureKey, features: ImageFeatures) -> None:
        """Keep the features of one image, copied out of any larger memory."""
        nbytes = features.nbytes
        if nbytes > self.max_bytes:
            return
        owned = features.owned()
        with self._lock:
            self._remove(key)
            while self._nbytes + nbytes > self.max_bytes:
                self._remove(next(iter(self._entries)))
                self._evictions += 1
            self._entries[key] = owned, nbytes
            self._nbytes += nbytes

    def clear(self) -> None:
        """Remove everything, for example after running out of memory; the counts stay."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0

    @property
    def statistics(self) -> CacheStatistics:
        """Counts and size."""
        with self._lock:
            return CacheStatistics(
                self._hits, self._misses, self._evictions, len(self._entries), self._nbytes
            )

    def _remove(self, key: FeatureKey) -> None:
        _, nbytes = self._entries.pop(key, (None, 0))
        self._nbytes -= nbytes
