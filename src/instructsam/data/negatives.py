"""Instructions without target, made on purpose: categories that an image does not show, look-alikes first."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from instructsam.data.record import PhraseRecord, Record
from instructsam.data.record_source import RecordSource
from instructsam.data.sample import SampleInstruction, SamplePhrase, TrainingSample
from instructsam.data.templates import Wording
from instructsam.data.vocabulary import Vocabulary

LOOK_ALIKES = 0.7  # share of negatives that are look-alikes, where an image has any
FAMILY = "absent category"
_STREAM, _RECORD_STREAM = 0x4E6_A71E, 0x4E6_2EC0  # keep the draws apart from all others of a seed


@dataclass(frozen=True)
class Absent:
    """An instruction about a category that an image does not show, and its phrases."""

    text: str
    phrases: tuple[str, ...]


@dataclass(frozen=True)
class Negatives:
    """Draws instructions for absent categories.

    Attributes:
        vocabulary: the categories that each image shows.
        per_positive: negatives for each instruction with a target, on average.
        wording: of the instructions.
    """

    vocabulary: Vocabulary
    per_positive: float
    wording: Wording

    def draw(self, image: str, positives: int, named: set[str], rng: np.random.Generator) -> list[Absent]:
        """The negatives of an image, each category once.

        Args:
            positives: instructions with a target.
            named: texts that are not drawn.
        """
        expected = positives * self.per_positive
        count = int(expected) + int(rng.random() < expected - int(expected))
        return self.draw_count(image, count, named, rng)

    def draw_count(self, image: str, count: int, named: set[str], rng: np.random.Generator) -> list[Absent]:
        """At most `count` negatives."""
        if not count:
            return []
        absent = [name for name in self.vocabulary.absent(image) if name not in named]
        alike = set(self.vocabulary.alike(image))
        first = [name for name in absent if name in alike]
        rest = [name for name in absent if name not in alike]
        drawn: list[Absent] = []
        while len(drawn) < count and (first or rest):
            some = first if first and (not rest or rng.random() < LOOK_ALIKES) else rest
            name = some.pop(int(rng.integers(len(some))))
            text = self.wording.instruction(f"{image}/{int(rng.integers(1 << 32))}", name)
            drawn.append(Absent(text, self.vocabulary.phrases.get(name, (name,))))
        return drawn


def positives_per_image(instructions: int, per_positive: float) -> int:
    """Instructions of a source that share an image, so that with their negatives they are about `instructions`."""
    return max(1, round(instructions / (1 + per_positive)))


def with_negative_records(records: Iterable[Record], negatives: Negatives, seed: int) -> list[Record]:
    """The records, and after those of each image its negatives: always the same ones, to be scored on."""
    of_image: dict[str, list[Record]] = {}
    for record in records:
        of_image.setdefault(record.image.file, []).append(record)
    result: list[Record] = []
    for image, group in of_image.items():
        digest = hashlib.blake2b(image.encode(errors="surrogatepass"), digest_size=8).digest()
        rng = np.random.default_rng([seed, _RECORD_STREAM, int.from_bytes(digest, "big")])
        named = {
            text for one in group for text in (one.instruction, *(phrase.text for phrase in one.phrases))
        }
        positives = sum(any(phrase.instances for phrase in one.phrases) for one in group)
        result += group
        for number, absent in enumerate(negatives.draw(image, positives, named, rng)):
            phrases = tuple(PhraseRecord(text, ()) for text in absent.phrases)
            result.append(
                Record(f"{group[0].id}/absent-{number}", group[0].image, absent.text, phrases, FAMILY)
            )
    return result


class WithNegatives:
    """A source of records with instructions for absent categories; others in every pass.

    In a sample without any target, whose instructions only state that something is absent, they are drawn, too.

    Args:
        source: the records.
        negatives: draws the instructions.
        most: instructions that share an image; above it, some of them are left out at random.
        seed: of the draws.
    """

    def __init__(self, source: RecordSource, negatives: Negatives, most: int, seed: int) -> None:
        self.source, self.negatives, self.most, self.seed = source, negatives, most, seed
        self.name, self.attributes = source.name, source.attributes
        shown = sorted((image, sorted(names)) for image, names in negatives.vocabulary.shown.items())
        parts = [source.fingerprint, negatives.per_positive, most, seed, negatives.wording.templates, shown]
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
        kept: Sequence[SampleInstruction] = sample.instructions
        positives = sum(any(phrase.instances for phrase in one.phrases) for one in kept)
        if positives:
            named = {text for one in kept for text in (one.text, *(phrase.text for phrase in one.phrases))}
            drawn = self.negatives.draw(image, positives, named, rng)
        else:
            drawn = self.negatives.draw_count(image, len(kept), set(), rng)
            kept = () if drawn else kept
        if not drawn:
            return sample
        made = (
            SampleInstruction(one.text, tuple(SamplePhrase(text, ()) for text in one.phrases))
            for one in drawn
        )
        both = [*kept, *made]
        chosen = sorted(rng.permutation(len(both))[: self.most])
        return replace(sample, instructions=tuple(both[place] for place in chosen))

    def texts(self, count: int) -> Iterator[str]:
        """Those of the records."""
        return self.source.texts(count)

    def phrases(self) -> Iterator[str]:
        """Those of the records."""
        return self.source.phrases()
