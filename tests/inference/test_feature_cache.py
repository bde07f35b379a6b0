"""The cache of image features: its bytes are exact and limited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from instructsam.errors import InputError
from instructsam.inference.feature_cache import FeatureCache, FeatureKey
from instructsam.model.detector.sam3 import Sam3Features
from instructsam.model.features import ImageFeatures
from instructsam.model.vlm.base import ImageEmbeds


def key(name: str) -> FeatureKey:
    return FeatureKey("model", name, (8, 8))


def features(images: int = 1) -> ImageFeatures:
    """Of 4 * (8 + 8 + 16 + 4) + 24 = 168 bytes per image; positions are shared."""
    rows = torch.arange(images * 8.0).view(2 * images, 4)
    embeds = ImageEmbeds(rows.split(2), (rows.split(2),))
    level = torch.arange(images * 16.0).view(images, 1, 4, 4)
    return ImageFeatures(
        embeds, torch.ones(images, 3, dtype=torch.int64), Sam3Features((level,), torch.ones(1, 1, 2, 2))
    )


def bytes_in_memory(one: ImageFeatures) -> int:
    tensors = (one.grid_thw, *one.vlm.tensors(), *one.detector.tensors())
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def test_bytes_are_exact_for_images_encoded_together() -> None:
    cache, together = FeatureCache(10**6), features(3)
    for place in range(3):
        cache.put(key(str(place)), together.of_image(place))
    held = [cache.get(key(str(place))) for place in range(3)]
    assert cache.statistics.nbytes == 3 * 168
    for place, one in enumerate(held):
        assert one is not None
        assert bytes_in_memory(one) == 168
        assert torch.equal(one.detector.levels[0], together.detector.levels[0][place : place + 1])
        assert torch.equal(one.vlm.deepstack[0][0], together.vlm.deepstack[0][place])


def test_parts_make_the_whole() -> None:
    whole = features(3)
    joined = ImageFeatures.concatenate([whole.of_image(place) for place in range(3)])
    for one, other in zip(joined.vlm.tensors(), whole.vlm.tensors(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(joined.detector.levels[0], whole.detector.levels[0])
    assert torch.equal(joined.grid_thw, whole.grid_thw)
    assert len(joined) == 3


def test_the_least_recently_used_image_goes_first() -> None:
    cache = FeatureCache(2 * 168)
    for name in "ab":
        cache.put(key(name), features())
    cache.get(key("a"))
    cache.put(key("c"), features())
    assert cache.get(key("b")) is None
    assert cache.get(key("a")) is not None
    found = cache.statistics
    assert (found.hits, found.misses, found.evictions, found.entries, found.nbytes) == (2, 1, 1, 2, 336)
    cache.put(key("a"), features())  # again: replaced, not counted twice
    assert cache.statistics.nbytes == 336
    cache.clear()
    assert (cache.statistics.entries, cache.statistics.nbytes) == (0, 0)


def test_features_above_the_limit_are_not_kept() -> None:
    cache = FeatureCache(167)
    cache.put(key("a"), features())
    assert cache.statistics.entries == 0
    with pytest.raises(InputError, match="max_bytes"):
        FeatureCache(-1)


def test_threads_share_a_cache() -> None:
    cache = FeatureCache(5 * 168)

    def use(number: int) -> None:
        for step in range(200):
            name = key(str((number * 7 + step) % 11))
            if cache.get(name) is None:
                cache.put(name, features())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    found = cache.statistics
    assert found.hits + found.misses == 800
    assert found.nbytes == 168 * found.entries <= cache.max_bytes
