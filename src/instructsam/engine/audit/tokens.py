"""Tokens of pictures and texts, estimated without the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from instructsam.engine.stages.base import Question

CHARACTERS_PER_TOKEN = 4.0  # of English text, as the usual rule of thumb has it
_PER_TURN = 4  # tokens of a turn's frame
_PER_IMAGE = 2  # the tokens before and after an image


@dataclass(frozen=True)
class PictureRules:
    """How a model makes tokens of a picture; lengths in pixels.

    Attributes:
        side: of the square that one token stands for.
        min_pixels, max_pixels: area limits of a resize that keeps the aspect ratio.
    """

    side: int
    min_pixels: int
    max_pixels: int

    def tokens(self, width: int, height: int) -> int:
        """Tokens of a picture of this size."""
        side = self.side
        rows, columns = max(1, round(height / side)), max(1, round(width / side))
        if rows * columns * side * side > self.max_pixels:
            factor = math.sqrt(self.max_pixels / (height * width)) / side
            rows, columns = max(1, math.floor(height * factor)), max(1, math.floor(width * factor))
        elif rows * columns * side * side < self.min_pixels:
            factor = math.sqrt(self.min_pixels / (height * width)) / side
            rows, columns = math.ceil(height * factor), math.ceil(width * factor)
        return rows * columns + _PER_IMAGE


QWEN3_VL = PictureRules(side=32, min_pixels=256 * 256, max_pixels=4096 * 4096)
"""Of the published Qwen3-VL models: patches of 16 px, of which 2 x 2 are one token."""


def text_tokens(text: str) -> int:
    """Tokens of a text, by its length."""
    return math.ceil(len(text) / CHARACTERS_PER_TOKEN)


def question_tokens(question: Question, rules: PictureRules = QWEN3_VL) -> int:
    """Input tokens of a question."""
    return sum(
        _PER_TURN
        + text_tokens(turn.text)
        + sum(rules.tokens(image.width, image.height) for image in turn.images)
        for turn in question.turns
    )
