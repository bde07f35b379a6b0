"""What a caller asked, as samples, and what a model asked its detector: who goes with whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from instructsam.errors import InputError
from instructsam.processing.processor import Sample, pad_phrases

if TYPE_CHECKING:
    from torch import Tensor

    from instructsam.model.generation import Reply
    from instructsam.structures.instances import TakenMode
    from instructsam.structures.outputs import ModelInputs


def taken_mode(mode: str, default: str, phrases: Sequence[str] | None) -> TakenMode:
    """The mode that a call takes: given phrases need none, and "auto" is the model's default."""
    chosen = default if mode == "auto" else mode
    return "phrases" if phrases is not None else "direct" if chosen == "direct" else "generate"


def direct(sample: Sample) -> Sample:
    """The instruction as its own phrase."""
    return replace(sample, phrases=(sample.instruction.strip(),))


def plan(
    num_images: int, many_images: bool, instruction: str | Sequence[str] | None, phrases: Sequence[str] | None
) -> tuple[list[Sample], bool]:
    """Which instruction goes with which image, and whether the answer is a list.

    Raises:
        InputError: counts do not match, or neither an instruction nor phrases were given.
    """
    if isinstance(phrases, str):
        raise InputError(
            f"phrases must be a list of phrases, got the string {phrases!r}; write phrases=[{phrases!r}]"
        )
    if phrases is not None:
        given = tuple(phrase.strip() for phrase in phrases)
        if not given or not all(given):
            raise InputError("phrases must be a list of non-empty phrases, e.g. phrases=['red mug', 'plate']")
        if instruction is not None and not isinstance(instruction, str):
            raise InputError(
                "give one instruction, or none, together with phrases; got a list of instructions"
            )
        text = instruction if instruction is not None else ", ".join(given)
        return [Sample(i, text, given) for i in range(num_images)], many_images
    if instruction is None:
        raise InputError("say what to segment: give an instruction, or phrases=[...]")
    if isinstance(instruction, str):
        return [Sample(i, instruction) for i in range(num_images)], many_images
    texts = list(instruction)
    if not many_images:
        return [Sample(0, text) for text in texts], True
    if len(texts) != num_images:
        raise InputError(
            f"a list of {num_images} images needs one instruction or {num_images} of them, got {len(texts)}"
        )
    return [Sample(i, text) for i, text in enumerate(texts)], True


def as_read(inputs: ModelInputs, replies: Sequence[Reply]) -> tuple[ModelInputs, Tensor]:
    """Inputs with the phrases that the model wrote itself, and their query states [P, Q, D]."""
    states = [state for reply in replies for state in reply.states]
    owners = [row for row, reply in enumerate(replies) for _ in reply.states]
    ids, mask = pad_phrases([phrase for reply in replies for phrase in reply.heard])
    device = inputs.input_ids.device
    written = replace(
        inputs,
        phrase_ids=ids.to(device),
        phrase_mask=mask.to(device),
        phrase_sample=torch.tensor(owners, dtype=torch.int64, device=device),
    )
    return written, torch.stack(states) if states else torch.zeros(0)
