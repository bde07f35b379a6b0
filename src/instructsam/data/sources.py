"""Where training samples come from: the protocol, endless passes over a finite source, and mixtures.

Sample `index` of a source never changes, so the position in the data is one number: a run resumes there, with any
number of worker processes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from instructsam.data.sample import ObjectAttribute, TrainingSample
from instructsam.errors import ConfigError

MIXTURE_BLOCK = 1000  # samples in which a mixture keeps its weights exactly
_SHUFFLE_STREAM, _MIXTURE_STREAM = 0x5_0FF1E, 0x3_1C57  # keep their draws apart from all others of a seed


class SampleSource(Protocol):
    """Training samples by number."""

    @property
    def name(self) -> str:
        """The name for messages."""

    @property
    def size(self) -> int | None:
        """Number of samples, None for an endless source."""

    @property
    def attributes(self) -> tuple[ObjectAttribute, ...]:
        """Of every object in its images, the columns of `TrainingSample.classes`; empty where none are known."""

    @property
    def fingerprint(self) -> str:
        """Differs between sources with different samples."""

    def __getitem__(self, index: int) -> TrainingSample:
        """A pure function of `index`."""

    def texts(self, count: int) -> Iterator[str]:
        """At most `count` instructions and phrases, to train a tokenizer on."""


class Shuffled:
    """A finite source without end: every pass over it in another order, which is a function of the seed."""

    size = None

    def __init__(self, source: SampleSource, seed: int) -> None:
        if source.size is None:
            raise ValueError(f"{source.name} is endless already")
        self.source = source
        self.length = source.size
        self.seed = seed
        self.name = source.name
        self.attributes = source.attributes
        self.fingerprint = source.fingerprint

    def __getitem__(self, index: int) -> TrainingSample:
        epoch, position = divmod(index, self.length)
        return self.source[int(_order(self.seed, epoch, self.length)[position])]

    def texts(self, count: int) -> Iterator[str]:
        """Those of the source."""
        return self.source.texts(count)


def pass_length(source: SampleSource) -> int | None:
    """Samples of one pass over a source; None for one without end, whose samples never repeat."""
    length: int | None = getattr(source, "length", source.size)
    return length


def endless(source: SampleSource, seed: int) -> SampleSource:
    """The source itself, or, where it has an end, pass after pass over it."""
    return source if source.size is None else Shuffled(source, seed)


class Mixture:
    """Several sources, by weight: in every `MIXTURE_BLOCK` samples each has its share, and is gone through in order."""

    size = None

    def __init__(self, parts: Sequence[tuple[SampleSource, float]], seed: int) -> None:
        self.sources = [endless(source, seed) for source, _ in parts]
        lengths = [pass_length(source) for source in self.sources]
        self.length = None if None in lengths else sum(length or 0 for length in lengths)
        self.counts = _block_counts([source.name for source, _ in parts], [weight for _, weight in parts])
        self.seed = seed
        self.name = " + ".join(source.name for source in self.sources)
        known = {source.attributes for source in self.sources}
        self.attributes = known.pop() if len(known) == 1 else ()
        parts_text = json.dumps([[source.fingerprint for source in self.sources], self.counts])
        self.fingerprint = hashlib.sha256(parts_text.encode()).hexdigest()[:16]

    def __getitem__(self, index: int) -> TrainingSample:
        block, position = divmod(index, MIXTURE_BLOCK)
        order = _block_order(self.seed, block, self.counts)
        part = int(order[position])
        before = block * self.counts[part] + int((order[:position] == part).sum())
        return self.sources[part][before]

    def texts(self, count: int) -> Iterator[str]:
        """From every source, in proportion to its weight."""
        for source, share in zip(self.sources, self.counts, strict=True):
            yield from source.texts(-(-count * share // MIXTURE_BLOCK))


def _block_counts(names: Sequence[str], weights: Sequence[float]) -> tuple[int, ...]:
    """Samples of each source in a block: proportional to the weights, by largest remainder."""
    exact = [weight / sum(weights) * MIXTURE_BLOCK for weight in weights]
    counts = [int(value) for value in exact]
    by_remainder = sorted(range(len(exact)), key=lambda part: counts[part] - exact[part])
    for part in by_remainder[: MIXTURE_BLOCK - sum(counts)]:
        counts[part] += 1
    for name, count in zip(names, counts, strict=True):
        if not count:
            raise ConfigError(
                f"data.source: the weight of {name} is less than 1/{MIXTURE_BLOCK} of all, so it would never be drawn: "
                "raise it or leave the source out"
            )
    return tuple(counts)


@lru_cache(maxsize=4)
def _block_order(seed: int, block: int, counts: tuple[int, ...]) -> NDArray[np.int64]:
    parts = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng([seed, _MIXTURE_STREAM, block]).permutation(parts)


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, length: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, _SHUFFLE_STREAM, epoch]).permutation(length)
