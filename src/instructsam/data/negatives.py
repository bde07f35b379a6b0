"""Instructions without target, made on purpose: categories that an image does not show, look-alikes first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from instructsam.data.record_source import RecordSource
from instructsam.data.sample import SampleInstruction, SamplePhrase, TrainingSample
from instructsam.data.templates import Wording
from instructsam.data.vocabulary import Vocabulary

LOOK_ALIKES = 0.7  # share of negatives that are look-alikes, where an image has any
_STREAM = 0x4E6_A71E  # keeps the draws apart from all others of a seed


def positives_per_image(instructions: int, per_positive: float) -> int:
    """Instructions of a source that share an image, so that with their negatives they are about `instructions`."""
    return max(1, round(instructions / (1 + per_positive)))


class WithNegatives:
    """A source of records with instructions for absent categories; others in every pass.

    In a sample without any target, whose instructions only state that something is absent, they are drawn, too.

    Args:
        source: the records.
        vocabulary: the categories that each of its images shows.
        per_positive: negatives for each instruction with a target, on average.
        most: instructions that share an image; above it, some of them are left out at random.
        wording: of the instructions.
        seed: of the draws.
    """

    def __init__(
        self,
        source: RecordSource,
        vocabulary: Vocabulary,
        per_positive: float,
        most: int,
        wording: Wording,
        seed: int,
    ) -> None:
        self.source, self.vocabulary, self.per_positive = source, vocabulary, per_positive
        self.most, self.wording, self.seed = most, wording, seed
        self.name, self.attributes = source.name, source.attributes
        shown = sorted((image, sorted(names)) for image, names in vocabulary.shown.items())
        parts = [source.fingerprint, per_positive, most, seed, wording.templates, shown]
        self.fingerprint = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """Number of samples in a pass."""
        return self.source.size

    def __getitem__(self, index: int) -> TrainingSample:
        return self.sample_of_pass(index, 0)

    def sample_of_pass(self, index: int, number: int) -> TrainingSample:
        """A sample as it is in a pass, a pure function of both and the seed."""
        sample = self.source[index]
        image = self.source.groups[index][0].image.file
        rng = np.random.default_rng([self.seed, _STREAM, index, number])
        positive = sum(any(phrase.instances for phrase in one.phrases) for one in sample.instructions)
        if positive:
            expected = positive * self.per_positive
            count = int(expected) + int(rng.random() < expected - int(expected))
            kept = sample.instructions
        else:
            count, kept = len(sample.instructions), ()
        named = {text for one in kept for text in (one.text, *(phrase.text for phrase in one.phrases))}
        drawn = self._draw(image, count, named, rng)
        if not drawn:
            return sample
        both = [*kept, *(self._negative(image, name, rng) for name in drawn)]
        chosen = sorted(rng.permutation(len(both))[: self.most])
        return replace(sample, instructions=tuple(both[place] for place in chosen))

    def _draw(self, image: str, count: int, named: set[str], rng: np.random.Generator) -> Sequence[str]:
        """At most `count` absent categories, each once."""
        if not count:
            return ()
        absent = [name for name in self.vocabulary.absent(image) if name not in named]
        alike = set(self.vocabulary.alike(image))
        first = [name for name in absent if name in alike]
        rest = [name for name in absent if name not in alike]
        drawn: list[str] = []
        while len(drawn) < count and (first or rest):
            some = first if first and (not rest or rng.random() < LOOK_ALIKES) else rest
            drawn.append(some.pop(int(rng.integers(len(some)))))
        return drawn

    def _negative(self, image: str, name: str, rng: np.random.Generator) -> SampleInstruction:
        text = self.wording.instruction(f"{image}/{int(rng.integers(1 << 32))}", name)
        phrases = self.vocabulary.phrases.get(name, (name,))
        return SampleInstruction(text, tuple(SamplePhrase(phrase, ()) for phrase in phrases))

    def texts(self, count: int) -> Iterator[str]:
        """Those of the records."""
        return self.source.texts(count)
