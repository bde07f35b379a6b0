"""What is asked of a vision-language model that is not ours: turns of words and pictures in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from PIL import Image

from instructsam.errors import InputError
from instructsam.structures.checks import check_choice, check_text, describe

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation; its pictures (RGB) stand before its words.

    Raises:
        InputError: the role is unknown, the text is no text, or a picture is not one of Pillow's.
    """

    role: Role
    text: str
    images: tuple[Image.Image, ...] = ()

    def __post_init__(self) -> None:
        check_choice(self.role, "role", get_args(Role))
        check_text(self.text, "text")
        for index, image in enumerate(self.images):
            if not isinstance(image, Image.Image):
                raise InputError(f"images[{index}] must be a PIL image, got {describe(image)}")


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
