"""Where training samples come from: the protocol, endless passes over a finite source, and mixtures.

Sample `index` of a source never changes, so the position in the data is one number: a run resumes there, with any
number of worker processes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from instructsam.data.sample import ObjectAttribute, TrainingSample
from instructsam.errors import ConfigError

MIXTURE_BLOCK = 1000  # samples in which a mixture keeps its weights exactly
MOST_IN_PASS = 100_000_000  # samples of a source in one pass over a mixture by repeats
Numbers = Literal["weights", "repeats"]
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

    def phrases(self) -> Iterator[str]:
        """Phrases whose words a model with a word list may write after training; may repeat."""


@runtime_checkable
class VaryingSource(Protocol):
    """A source whose samples differ from pass to pass."""

    def sample_of_pass(self, index: int, number: int) -> TrainingSample:
        """A pure function of the sample's index and the number of the pass."""


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
        place = int(_order(self.seed, epoch, self.length)[position])
        if isinstance(self.source, VaryingSource):
            return self.source.sample_of_pass(place, epoch)
        return self.source[place]

    def texts(self, count: int) -> Iterator[str]:
        """Those of the source."""
        return self.source.texts(count)

    def phrases(self) -> Iterator[str]:
        """Those of the source."""
        return self.source.phrases()


def endless(source: SampleSource, seed: int) -> SampleSource:
    """The source itself, or, where it has an end, pass after pass over it."""
    return source if source.size is None else Shuffled(source, seed)


def pass_length(source: SampleSource) -> int | None:
    """Samples of one pass over a source or mixture; None for sources without end.

    One pass over a mixture by weights ends when its last source with an end has been gone through.
    """
    if isinstance(source, Shuffled):
        return source.length
    return source.pass_length if isinstance(source, Mixture) else source.size


class Mixture:
    """Several sources in blocks of fixed counts, each source in its own order; it has no end.

    By weights a block is `MIXTURE_BLOCK` samples, in which each source has its share. By repeats a block is one pass:
    all samples of each source as often as its number says, of 0.5 every second one in turn.
    """

    size = None

    def __init__(
        self, parts: Sequence[tuple[SampleSource, float]], seed: int, numbers: Numbers = "weights"
    ) -> None:
        names, values = [source.name for source, _ in parts], [value for _, value in parts]
        if numbers == "weights":
            self.counts = _block_counts(names, values)
        else:
            self.counts = tuple(_repeated(source, value) for source, value in parts)
        self.sources = [endless(source, seed) for source, _ in parts]
        self.block = sum(self.counts)
        passes = [
            -(-source.size * self.block // count)
            for (source, _), count in zip(parts, self.counts, strict=True)
            if source.size is not None
        ]
        self.pass_length = self.block if numbers == "repeats" else max(passes, default=None)
        self.seed = seed
        self.name = " + ".join(source.name for source in self.sources)
        known = {source.attributes for source in self.sources}
        self.attributes = known.pop() if len(known) == 1 else ()
        parts_text = json.dumps([[source.fingerprint for source in self.sources], self.counts])
        self.fingerprint = hashlib.sha256(parts_text.encode()).hexdigest()[:16]

    def __getitem__(self, index: int) -> TrainingSample:
        block, position = divmod(index, self.block)
        parts, places = _block_order(self.seed, block, self.counts)
        part = int(parts[position])
        return self.sources[part][block * self.counts[part] + int(places[position])]

    def texts(self, count: int) -> Iterator[str]:
        """From every source, in proportion to its share."""
        for source, share in zip(self.sources, self.counts, strict=True):
            yield from source.texts(-(-count * share // self.block))

    def phrases(self) -> Iterator[str]:
        """From every source."""
        for source in self.sources:
            yield from source.phrases()


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


def _repeated(source: SampleSource, repeats: float) -> int:
    """Samples of a source in one pass over a mixture."""
    if source.size is None:
        raise ConfigError(
            f"data.mixture=repeats counts passes over each source, and {source.name} has no end: use "
            "data.mixture=weights, or leave it out"
        )
    count = round(source.size * repeats)
    if not 0 < count <= MOST_IN_PASS:
        raise ConfigError(
            f"data.source: {source.name} holds {source.size} samples, and {repeats:g} passes over them are {count}: "
            f"expected 1 to {MOST_IN_PASS} samples in one pass over the mixture"
        )
    return count


@lru_cache(maxsize=2)
def _block_order(
    seed: int, block: int, counts: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each position of a block its source, and how many samples of that source come before it in the block."""
    parts = np.random.default_rng([seed, _MIXTURE_STREAM, block]).permutation(
        np.repeat(np.arange(len(counts)), counts)
    )
    places = np.empty_like(parts)
    for part, count in enumerate(counts):
        places[parts == part] = np.arange(count)
    return parts, places


@lru_cache(maxsize=64)  # one for each source of a large mixture
def _order(seed: int, epoch: int, length: int) -> NDArray[np.int32]:
    return np.random.default_rng([seed, _SHUFFLE_STREAM, epoch]).permutation(length).astype(np.int32)
