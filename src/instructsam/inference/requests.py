"""A caller's request as checked samples, and the phrases of replies as inputs of the detector."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

import torch

from instructsam.errors import ImageError, InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.processing.padding import pad_phrases
from instructsam.processing.processor import InstructSAMProcessor, Sample
from instructsam.processing.tokens import encode_text
from instructsam.structures.checks import check_text, describe

if TYPE_CHECKING:
    from torch import Tensor

    from instructsam.model.generation import Reply
    from instructsam.structures.answering import Mode
    from instructsam.structures.outputs import ModelInputs
    from instructsam.structures.predictions import TakenMode

PHRASES_PER_PASS = 16  # given phrases that share one conversation


class Options(TypedDict, total=False):
    """Options of `Segmenter.segment`, for type checkers; described in its docstring."""

    mode: Mode
    score_threshold: float | None
    mask_threshold: float
    max_new_tokens: int
    max_phrases: int
    batch_size: int


def load_images(image: object) -> list[LoadedImage]:
    """One image, or every image of a list or tuple.

    Raises:
        ImageError: one cannot be read; of a list, its index is named.
    """
    if not isinstance(image, (list, tuple)):
        return [load_image(image)]  # type: ignore[arg-type]
    loaded = []
    for index, source in enumerate(image):
        try:
            loaded.append(load_image(source))
        except ImageError as error:
            raise ImageError(f"images[{index}]: {error}") from error
    return loaded


@dataclass(frozen=True)
class Request:
    """The samples of one call, and how they make up its answers.

    Attributes:
        samples: one per forward pass of one answer, answers in the caller's order.
        passes: samples of each answer; more than one for a long list of phrases.
        returns_list: the caller receives a list.
        instruction: the instruction of an answer of several passes.
    """

    samples: list[Sample]
    passes: list[int]
    returns_list: bool
    instruction: str = ""


def taken_mode(mode: Mode, default: Mode, phrases: Sequence[str] | None) -> TakenMode:
    """The mode that a call takes: given phrases need none, and "auto" is the model's default."""
    chosen = default if mode == "auto" else mode
    return "phrases" if phrases is not None else "direct" if chosen == "direct" else "generate"


def parse_request(
    num_images: int, many_images: bool, instruction: object, phrases: object, processor: InstructSAMProcessor
) -> Request:
    """Which instruction goes with which image, and whether the answer is a list. Every text is checked here.

    Raises:
        InputError: a text or a container of texts cannot be used, counts do not match, or neither an instruction nor
            phrases were given.
    """
    if phrases is not None:
        given = _phrases(phrases, processor)
        if instruction is not None and not isinstance(instruction, str):
            raise InputError(
                f"with phrases, instruction must be one text or None, got {describe(instruction)}: "
                "call segment once per instruction"
            )
        text = None if instruction is None else _words(instruction, "instruction", processor)
        parts = _split(given, text is None, processor)
        samples = [Sample(i, text or ", ".join(part), part) for i in range(num_images) for part in parts]
        whole = ", ".join(given) if text is None else text
        return Request(samples, [len(parts)] * num_images, many_images, whole)
    if instruction is None:
        raise InputError("say what to segment: give an instruction, or phrases=[...]")
    if isinstance(instruction, str):
        text = _words(instruction, "instruction", processor)
        return Request([Sample(i, text) for i in range(num_images)], [1] * num_images, many_images)
    texts = _texts(instruction, "instruction", processor)
    if many_images and len(texts) != num_images:
        raise InputError(
            f"a list of {num_images} images needs one instruction or {num_images} of them, got {len(texts)}"
        )
    samples = [Sample(i if many_images else 0, text) for i, text in enumerate(texts)]
    return Request(samples, [1] * len(texts), True)


def _phrases(phrases: object, processor: InstructSAMProcessor) -> tuple[str, ...]:
    if isinstance(phrases, str):
        raise InputError(
            f"phrases must be a list of phrases, got the string {phrases!r}; write phrases=[{phrases!r}]"
        )
    given = tuple(phrase.strip() for phrase in _texts(phrases, "phrase", processor))
    if not given:
        raise InputError("phrases must be a list of non-empty phrases, e.g. phrases=['red mug', 'plate']")
    return given


def _texts(values: object, kind: str, processor: InstructSAMProcessor) -> list[str]:
    """Every text of a list, a tuple, an array or a generator; a set has no order."""
    wrong = (
        isinstance(values, (bytes, bytearray, memoryview, Mapping, Set)) or getattr(values, "ndim", 1) != 1
    )
    if wrong or not isinstance(values, Iterable):
        either = "text or " if kind == "instruction" else ""
        name = kind if kind == "instruction" else "phrases"
        raise InputError(f"{name} must be {either}a list of texts, got {describe(values)}")
    return [_words(text, f"{kind}s[{index}]", processor) for index, text in enumerate(values)]


def _words(value: object, name: str, processor: InstructSAMProcessor) -> str:
    text = check_text(value, name)
    if not any(letter.isprintable() and not letter.isspace() for letter in text):
        raise InputError(f"{name} is empty; say in words what to segment, e.g. 'the red mugs'")
    processor.encode_words(text, name)
    return text


def _split(phrases: tuple[str, ...], joined: bool, processor: InstructSAMProcessor) -> list[tuple[str, ...]]:
    """Phrases in groups that one pass takes: few enough and, where they are the instruction, short enough.

    Args:
        phrases: all of them.
        joined: the instruction of a pass is its phrases, joined by commas.
        processor: counts tokens.
    """
    limit = processor.settings.max_instruction_tokens
    parts: list[tuple[str, ...]] = [()]
    for phrase in phrases:
        longer = (*parts[-1], phrase)
        full = len(longer) > PHRASES_PER_PASS
        if parts[-1] and (
            full or (joined and len(encode_text(processor.tokenizer, ", ".join(longer))) > limit)
        ):
            parts.append((phrase,))
        else:
            parts[-1] = longer
    return parts


def with_replies(inputs: ModelInputs, replies: Sequence[Reply]) -> tuple[ModelInputs, Tensor]:
    """Inputs with the phrases that the model wrote itself, and their query states [P, Q, D]."""
    states = [state for reply in replies for state in reply.states]
    owners = [row for row, reply in enumerate(replies) for _ in reply.states]
    ids, mask = pad_phrases([phrase for reply in replies for phrase in reply.detector_phrases])
    device = inputs.input_ids.device
    written = replace(
        inputs,
        phrase_ids=ids.to(device),
        phrase_mask=mask.to(device),
        phrase_sample=torch.tensor(owners, dtype=torch.int64, device=device),
    )
    return written, torch.stack(states) if states else torch.zeros(0)
