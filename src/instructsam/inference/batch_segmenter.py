"""`BatchSegmenter`: the forward passes of one call of the segmenter, and predictions from their outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from instructsam.inference.answers import notes, status_of
from instructsam.inference.requests import with_replies
from instructsam.inference.tasks import batches
from instructsam.model.kernels import no_cudnn_attention
from instructsam.model.released import generate_released
from instructsam.model.shared_prefix import query_states
from instructsam.processing.conversation import MAX_PHRASE_TOKENS
from instructsam.processing.tokens import encode_text
from instructsam.structures.instances import Instances
from instructsam.structures.outputs import concatenate
from instructsam.structures.predictions import Prediction

if TYPE_CHECKING:
    from torch import Tensor

    from instructsam.inference.encoded_images import EncodedImages
    from instructsam.inference.tasks import Task
    from instructsam.model.features import ImageFeatures
    from instructsam.model.generation import GenerationSettings, Reply
    from instructsam.model.instructsam import InstructSAMModel
    from instructsam.model.variants.base import Variant
    from instructsam.processing.processor import InstructSAMProcessor, Sample
    from instructsam.structures.outputs import ModelInputs, SegmentationOutput

PHRASES_AT_ONCE = 16  # of the detector; at SAM3's size each takes about 300 MB while it runs


@dataclass
class BatchSegmenter:
    """Answers tasks about the images of one call, in batches.

    Args:
        model: in evaluation mode.
        processor: of the same checkpoint.
        released_decoding: write phrases exactly as the released research code does.
        encoded: all images of the call.
        mask_threshold: binarisation of the mask logits.
        limits: of the replies.
        real_words: phrases of a model with a word list have only its words and those of the instruction.
    """

    model: InstructSAMModel
    processor: InstructSAMProcessor
    released_decoding: bool
    encoded: EncodedImages
    mask_threshold: float
    limits: GenerationSettings
    real_words: bool = True

    def run(self, tasks: Sequence[Task], batch_size: int) -> list[Prediction]:
        """One prediction per task, in order.

        Args:
            tasks: about images of the call.
            batch_size: tasks per forward pass.
        """
        self.encoded.expect(task.sample.image_index for task in tasks)
        predictions: dict[int, Prediction] = {}
        for batch in batches(tasks, batch_size):
            chosen = [tasks[index] for index in batch]
            predictions.update(zip(batch, self.segment(chosen), strict=True))
            self.encoded.release(task.sample.image_index for task in chosen)
        return [predictions[index] for index in range(len(tasks))]

    @no_cudnn_attention()
    @torch.inference_mode()
    def segment(self, tasks: Sequence[Task]) -> list[Prediction]:
        """One prediction per task: all of them have phrases, or none has."""
        samples = [task.sample for task in tasks]
        used = sorted({sample.image_index for sample in samples})
        local = [replace(sample, image_index=used.index(sample.image_index)) for sample in samples]
        prompts = [replace(sample, phrases=None) for sample in local] if self._form.counts else local
        features = self.encoded.features(used)
        inputs = self.processor.encode_conversations(features.grid_thw, prompts).to(self.model.device)
        sizes = [self._size(sample) for sample in samples]
        replies: list[Reply | None] = [None] * len(samples)
        if self._form.counts or samples[0].phrases is None:
            generated = self._generate(inputs, features, samples)
            replies = list(generated)
            inputs, states = with_replies(inputs, generated)
        else:
            states = query_states(self.model, inputs, features)
        if len(states):
            output = self._detect(inputs, states, features)
            thresholds = [task.score_threshold for task in tasks]
            found = self.processor.post_process(output, sizes, thresholds, self.mask_threshold)
        else:
            found = [Instances.empty(*size) for size in sizes]
        return [
            self._prediction(task, reply, instances)
            for task, reply, instances in zip(tasks, replies, found, strict=True)
        ]

    @property
    def _form(self) -> Variant:
        form: Variant = self.model.config.variant("instance_form")
        return form

    @property
    def _num_queries(self) -> int | None:
        """Instances that one phrase can have; None without a limit."""
        return self._form.most_instances(int(self.model.config.num_queries))

    def _size(self, sample: Sample) -> tuple[int, int]:
        """(height, width) in px of the sample's image."""
        image = self.encoded.images[sample.image_index].image
        return image.height, image.width

    def _generate(
        self, inputs: ModelInputs, features: ImageFeatures, samples: Sequence[Sample]
    ) -> Sequence[Reply]:
        """Let the VLM write its replies, or the blocks of phrases that are given."""
        if self.released_decoding:
            return generate_released(self.model, inputs, features, self.limits)
        limits = self.limits
        if self.real_words:
            limits = replace(limits, words=self.processor.phrase_words([one.instruction for one in samples]))
        named = [sample.phrases for sample in samples]
        given = [self.processor.encode_phrases(phrases) for phrases in named if phrases is not None]
        separator = self.processor.conversations.separator
        return self._form.generate(self.model, inputs, features, limits, separator, given or None)

    def _detect(self, inputs: ModelInputs, states: Tensor, features: ImageFeatures) -> SegmentationOutput:
        """The detector over all phrases, some at a time: each holds a copy of its image's features."""
        rows = inputs.image_index[inputs.phrase_sample]
        parts = [
            self.model.detect(
                states[chunk],
                inputs.phrase_ids[chunk],
                inputs.phrase_mask[chunk],
                features.detector.select(rows[chunk]),
            )
            for chunk in torch.arange(len(states), device=self.model.device).split(PHRASES_AT_ONCE)
        ]
        return replace(concatenate(parts), phrase_sample=inputs.phrase_sample, query_states=states)

    def _prediction(self, task: Task, reply: Reply | None, instances: Instances) -> Prediction:
        sample = task.sample
        image = self.encoded.images[sample.image_index]
        instances = self._form.instances(instances, reply)
        if reply is None or sample.phrases is not None:
            phrases, text = sample.phrases or (), ""
        else:
            tokenizer = self.processor.tokenizer
            phrases = tuple(tokenizer.decode(ids, skip_special_tokens=True).strip() for ids in reply.phrases)
            text = tokenizer.decode(reply.ids, skip_special_tokens=True).strip()
        return Prediction(
            instances=instances,
            phrases=phrases,
            text=text,
            status=status_of(instances, len(phrases), reply, self._num_queries),
            instruction=sample.instruction,
            original_size=self._size(sample),
            image=image.image,
            notes=(*notes(image, reply), *self._cut_phrases(phrases)),
            mode=task.mode,
            num_queries=self._num_queries,
            image_path=image.path,
        )

    def _cut_phrases(self, phrases: tuple[str, ...]) -> tuple[str, ...]:
        """A note where the detector, unlike the language model, receives only the start of a phrase."""
        lengths = [len(encode_text(self.processor.tokenizer, phrase)) for phrase in phrases]
        if max(lengths, default=0) <= MAX_PHRASE_TOKENS:
            return ()
        return (
            f"the detector reads the first {MAX_PHRASE_TOKENS} tokens of a phrase, one has {max(lengths)}",
        )
