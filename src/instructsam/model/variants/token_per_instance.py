"""One `[SEG]` per instance, left to right: the language model decides how many instances there are.

`<|object_ref_start|>phrase<|object_ref_end|>` and then `<|mask_start|>[SEG]<|mask_end|>` once or more. The first block
follows every phrase, as in the method, and its score says whether there is anything; after each block the model writes
another `<|mask_start|>` or continues with text. So phrases that are given are decoded too: only the model knows how
many blocks they take. Decoding equals one teacher-forced forward over the finished sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from instructsam.model.generation import Decoder, GenerationSettings, Reply
from instructsam.model.variants.one_query import OneQuery
from instructsam.structures.instances import Instances

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from instructsam.model.features import ImageFeatures
    from instructsam.model.generation import DecodingModel
    from instructsam.model.variants.base import Blocks
    from instructsam.structures.outputs import ModelInputs

MAX_INSTANCES = 32  # blocks of one phrase; a model that knows no end is stopped there and counts as truncated


@dataclass
class InstanceReply(Reply):
    """A `Reply` with several blocks per phrase.

    Attributes:
        owners: of each block the phrase that it belongs to.
        after_block: the last thing written is a block, so that another may follow.
        given: phrases still to be written for the model, None where it writes them itself.
    """

    owners: list[int] = field(default_factory=list)
    after_block: bool = False
    given: list[list[int]] | None = None

    def feed(self, token: int, ids: dict[str, int], settings: GenerationSettings, stops: set[int]) -> bool:
        """As `Reply.feed`; the first block of a phrase opens by itself, each further one by `<|mask_start|>`."""
        again = self.after_block and token == ids["mask_start"]
        if again and (
            self.owners.count(self.owners[-1]) == MAX_INSTANCES or len(self.ids) >= settings.max_new_tokens
        ):
            self.truncated = self.finished = True
            return False
        if again:
            self.ids.append(token)
        opens = again or super().feed(token, ids, settings, stops)
        self.after_block = opens
        if opens:
            self.owners.append(len(self.phrases) - 1)
        return opens


class InstanceDecoder(Decoder):
    """`Decoder` for one block per instance."""

    def __init__(
        self,
        model: DecodingModel,
        inputs: ModelInputs,
        images: ImageFeatures,
        settings: GenerationSettings,
        separator: Sequence[int] = (),
        given: Sequence[Sequence[Sequence[int]]] | None = None,
    ) -> None:
        self.separator = list(separator)
        super().__init__(model, inputs, images, settings)
        for reply, phrases in zip(self.replies, given or (), strict=given is not None):
            reply.given = [list(phrase) for phrase in phrases]

    def open_replies(self, count: int) -> list[Any]:
        return [InstanceReply() for _ in range(count)]

    def step_ids(self, reply: Any, token: int) -> list[int]:
        """As `Decoder.step_ids`; a given phrase is written whole, once the model opens no further block."""
        again = reply.after_block and token == self.ids["mask_start"]
        if reply.finished or (reply.given is None and not again):
            return super().step_ids(reply, token)
        if again:
            opens = reply.feed(token, self.ids, self.settings, self.stops)
            return self.block() if opens else []
        if not reply.given:
            reply.finished = True
            return []
        phrase = reply.given.pop(0)
        separator = self.separator if reply.phrases else []
        reply.phrases.append(phrase)
        reply.owners.append(len(reply.phrases) - 1)
        reply.after_block = True
        return [*separator, self.ids["ref_start"], *phrase, self.ids["ref_end"], *self.block()]

    def detector_phrases(self, reply: Any) -> list[list[int]]:
        return [reply.phrases[owner] for owner in reply.owners]


@torch.no_grad()
def generate_instances(
    model: DecodingModel,
    inputs: ModelInputs,
    images: ImageFeatures,
    settings: GenerationSettings | None = None,
    separator: Sequence[int] = (),
    given: Sequence[Sequence[Sequence[int]]] | None = None,
) -> list[InstanceReply]:
    """`generation.generate` for one block per instance.

    Args:
        model, inputs, images, settings: as in `generation.generate`.
        separator: ids that stand between two given phrases.
        given: per sample the token ids of its phrases; None lets the model write them.
    """
    limits = settings or GenerationSettings()
    replies: list[Any] = InstanceDecoder(model, inputs, images, limits, separator, given).run()
    return replies


def regroup(instances: Instances, owners: Sequence[int]) -> Instances:
    """Instances whose `phrase_ids` are numbers of query blocks, under the phrases of these blocks, best first.

    Args:
        instances: of one sample.
        owners: of each block its phrase.
    """
    phrases = np.array(owners, dtype=np.int64)[instances.phrase_ids]
    named = Instances(instances.masks, instances.boxes_xyxy, instances.scores, phrases)
    return named[np.lexsort((-named.scores, phrases))]


class TokenPerInstance(OneQuery):
    """`instance_form: token_per_instance`."""

    value = "token_per_instance"
    counts = True

    def training_blocks(
        self, instances: tuple[tuple[int, ...], ...], boxes_cxcywh: NDArray[np.float32]
    ) -> Blocks:
        """One block per instance, left to right.

        A phrase without target still has one block, without instance: its score learns to be low.
        """
        places = boxes_cxcywh[:, :2].tolist()
        rows = [sorted(named, key=lambda index: places[index]) for named in instances]
        blocks: list[list[tuple[int, ...]]] = [[(index,) for index in row] or [()] for row in rows]
        return tuple(len(row) for row in blocks), tuple(block for row in blocks for block in row)

    def generate(
        self,
        model: DecodingModel,
        inputs: ModelInputs,
        images: ImageFeatures,
        settings: GenerationSettings,
        separator: Sequence[int],
        given: Sequence[Sequence[Sequence[int]]] | None,
    ) -> Sequence[Reply]:
        return generate_instances(model, inputs, images, settings, separator, given)

    def instances(self, found: Instances, reply: Reply | None) -> Instances:
        return regroup(found, reply.owners) if isinstance(reply, InstanceReply) else found
