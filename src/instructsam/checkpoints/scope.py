"""A note for images and instructions that differ from the training data of a small model.

`scope.json` beside the weights describes the training data: a linear score of a few image statistics that separates
photographs from drawn scenes, and the vocabulary of the instructions. Models without the file get no note.
`benchmarks/scope.py` fits and measures it.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instructsam.errors import CheckpointError
from instructsam.structures.files import write_text
from instructsam.structures.model_files import read_object
from instructsam.structures.predictions import Prediction

SCOPE_FILE = "scope.json"
FEATURES = 12
_SIDE = 96  # px of the reduced image: removes sensor noise and paper grain, keeps textures
_THINNED = 20  # times that side: images of more than 1,920 px are subsampled first, which limits the time
_LUMA = np.array((0.299, 0.587, 0.114), dtype=np.float32)
_WORD = re.compile(r"[^\W\d_]+")
_SHORT = 3  # letters; shorter words carry no meaning
_TYPO = 5  # letters; from this length on one typing error is accepted
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        """
        the all and any are can could does each for from has have her his how its just let like may near next not now
        one ones only other out over own please than that their them then there these they this those very want was
        what when where which who will with would you your show find mark segment select outline highlight image
        picture photo everything every some something thing things
        """
    )
)


@dataclass(frozen=True)
class Scope:
    """A description of the training data of a model.

    Attributes:
        trained_on: short text for the note.
        means, scales, weights: [FEATURES] each; an image's score is the sum of weights * (feature - mean) / scale.
        bias: added to the score.
        limit: an image with a higher score counts as a photograph.
        unknown_share: an instruction gets a note when at least this share of its words that carry meaning is unknown.
        vocabulary: lower-case words of the training instructions.
    """

    trained_on: str
    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    limit: float
    unknown_share: float
    vocabulary: frozenset[str]

    def is_photograph(self, image: Image.Image) -> bool:
        """Whether the statistics of an RGB image are those of a photograph; about 1 ms for 512 px."""
        return self.score(image) > self.limit

    def score(self, image: Image.Image) -> float:
        """The score of an image; higher means less like the training images."""
        scaled = (image_features(image) - np.array(self.means)) / np.array(self.scales)
        return float(scaled @ np.array(self.weights)) + self.bias

    def unknown_words(self, text: str) -> tuple[str, ...]:
        """Unknown words of a text, if they are at least `unknown_share` of the words that carry meaning; else empty."""
        words = list(dict.fromkeys(content_words(text)))
        unknown = tuple(word for word in words if not self._is_known(word))
        return unknown if words and unknown and len(unknown) >= self.unknown_share * len(words) else ()

    def _is_known(self, word: str) -> bool:
        if word in self.vocabulary:
            return True
        near = (
            known for known in self.vocabulary if len(known) >= _TYPO and abs(len(known) - len(word)) <= 1
        )
        return len(word) >= _TYPO and any(differs_by_one_edit(word, known) for known in near)

    def note(self, photograph: bool, words: tuple[str, ...]) -> str | None:
        """The note, None when there is no reason for one."""
        reasons = ["the image looks like a photograph"] if photograph else []
        if words:
            listed = ", ".join(words[:5]) + (", ..." if len(words) > 5 else "")
            reasons.append(f"unknown words: {listed}")
        if not reasons:
            return None
        return f"outside what this model was trained on ({self.trained_on}): {'; '.join(reasons)}"


def save_scope(scope: Scope | None, folder: str | Path) -> None:
    """Write `scope.json` into a model folder; does nothing for None."""
    if scope is not None:
        fields = {**asdict(scope), "vocabulary": sorted(scope.vocabulary)}
        write_text(Path(folder) / SCOPE_FILE, json.dumps(fields, indent=1, ensure_ascii=False) + "\n")


def read_scope(folder: str | Path) -> Scope | None:
    """The scope of a model's folder; None without the file.

    Raises:
        CheckpointError: the file is damaged.
    """
    path = Path(folder) / SCOPE_FILE
    if not path.is_file():
        return None
    try:
        fields = read_object(path)
        numbers = {
            name: tuple(float(value) for value in fields[name]) for name in ("means", "scales", "weights")
        }
        if any(len(values) != FEATURES for values in numbers.values()):
            raise ValueError(f"means, scales and weights must have {FEATURES} numbers each")
        return Scope(
            trained_on=str(fields["trained_on"]),
            bias=float(fields["bias"]),
            limit=float(fields["limit"]),
            unknown_share=float(fields["unknown_share"]),
            vocabulary=frozenset(str(word) for word in fields["vocabulary"]),
            **numbers,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error}; download it again, or delete it to disable notes"
        ) from error


def annotate(predictions: list[Prediction], scope: Scope | None) -> list[Prediction]:
    """The predictions, with a note for those outside the scope; each image is scored once."""
    if scope is None:
        return predictions
    photographs: dict[int, bool] = {}
    annotated = []
    for prediction in predictions:
        key = id(prediction.image)
        if key not in photographs:
            photographs[key] = prediction.image is not None and scope.is_photograph(prediction.image)
        words = scope.unknown_words(prediction.instruction or ", ".join(prediction.phrases))
        note = scope.note(photographs[key], words)
        notes = prediction.notes if note is None else (*prediction.notes, note)
        annotated.append(replace(prediction, notes=notes))
    return annotated


def image_features(image: Image.Image) -> NDArray[np.float64]:
    """Statistics [FEATURES] of an RGB image, nearly independent of size, brightness and JPEG compression.

    Shares of flat, textured and sharp neighbours, mean and spread of brightness steps, quartiles of brightness, and
    shares of pale and dark pixels, after the brightest pixels were scaled to white.
    """
    pixels = _reduced(image)
    brightness = pixels @ _LUMA
    *quartiles, bright = np.percentile(brightness, (10, 25, 50, 75, 98))
    white = max(float(bright), 1.0)
    brightness = brightness * (255 / white)
    pale = pixels.min(axis=2) > 120 * white / 255
    steps = np.abs(np.concatenate((np.diff(brightness, axis=1).ravel(), np.diff(brightness, axis=0).ravel())))
    return np.array(
        [
            (steps < 2).mean(),
            (steps < 5).mean(),
            ((steps >= 5) & (steps < 25)).mean(),
            (steps >= 60).mean(),
            np.log(steps.mean() + 1),
            brightness.std() / 64,
            *(value / white for value in quartiles),
            pale.mean(),
            (brightness < 50).mean(),
        ]
    )


def _reduced(image: Image.Image) -> NDArray[np.float32]:
    """The image with a longer side of `_SIDE` px, at least 2 x 2; large images are subsampled first."""
    scale = _SIDE / max(image.size)

    def size(factor: float) -> tuple[int, int]:
        return max(2, round(image.width * scale * factor)), max(2, round(image.height * scale * factor))

    if scale < 1 / _THINNED:
        image = image.resize(size(_THINNED), Image.Resampling.NEAREST)
    reduced = image.resize(size(1), Image.Resampling.BOX)
    return np.asarray(reduced, dtype=np.float32)


def content_words(text: str) -> list[str]:
    """The words of a text that carry meaning, in lower case, in order."""
    words = _WORD.findall(text.casefold())
    return [
        word for word in words if not word.isascii() or (len(word) >= _SHORT and word not in _FUNCTION_WORDS)
    ]


def differs_by_one_edit(word: str, known: str) -> bool:
    """Whether two words differ by one inserted, deleted or changed letter, or by two swapped neighbours."""
    if len(word) == len(known):
        wrong = [place for place, letter in enumerate(word) if letter != known[place]]
        if len(wrong) == 2 and wrong[1] == wrong[0] + 1:
            return word[wrong[0]] == known[wrong[1]] and word[wrong[1]] == known[wrong[0]]
        return len(wrong) <= 1
    short, long = sorted((word, known), key=len)
    same = next((place for place, letter in enumerate(short) if letter != long[place]), len(short))
    return len(long) == len(short) + 1 and short[same:] == long[same + 1 :]
