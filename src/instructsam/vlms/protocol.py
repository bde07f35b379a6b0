"""The protocol of stock vision-language models: turns of text and images in, text out."""

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
    """One turn of a conversation; its images (RGB) precede its text.

    Raises:
        InputError: the role is unknown, `text` is not a string, or an image is not a PIL image.
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
    """The model's text; `cut` when it reached the limit of tokens."""

    text: str
    cut: bool = False


class VisionLanguageModel(Protocol):
    """A model on a server (`vlms.client`) or in this process (`vlms.local`)."""

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    def reply(self, turns: Sequence[Turn], max_new_tokens: int) -> VLMReply:
        """The next turn of the assistant, decoded greedily.

        Raises:
            InstructSAMError: there is no reply.
        """
        ...
