"""What is asked of a vision-language model that is not ours: turns of words and pictures in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from PIL import Image


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation; its pictures (RGB) stand before its words."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[Image.Image, ...] = ()


@dataclass(frozen=True)
class VLMReply:
    """What the model wrote; `cut` when it reached the limit of tokens first."""

    text: str
    cut: bool = False


class VisionLanguageModel(Protocol):
    """A model behind a server (`vlm_client`) or in this process (`vlm_local`)."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def reply(self, turns: Sequence[Turn], max_new_tokens: int) -> VLMReply:
        """The next turn of the assistant, decoded greedily.

        Raises:
            InstructSAMError: no answer is to be had.
        """
        ...
