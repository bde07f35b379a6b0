"""`Segmenter`: images and instructions in, predictions out."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from hashlib import sha256
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast, overload

import torch

from instructsam.checkpoints.fingerprint import weights_fingerprint
from instructsam.checkpoints.saving import save_model
from instructsam.checkpoints.scope import Scope, annotate
from instructsam.errors import InputError, InstructSAMError
from instructsam.inference.answers import answers
from instructsam.inference.batch_segmenter import BatchSegmenter
from instructsam.inference.encoded_images import EncodedImages, encoder_key
from instructsam.inference.requests import load_images, parse_request, taken_mode
from instructsam.inference.tasks import parse_jobs, tasks_of
from instructsam.inference.threads import check_process
from instructsam.model.generation import GenerationSettings
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.structures.answering import MODES, Mode
from instructsam.structures.checks import check_choice, check_count, check_fraction, check_number, check_path
from instructsam.structures.predictions import Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from typing_extensions import Unpack

    from instructsam.images.loader import LoadedImage
    from instructsam.inference.feature_cache import FeatureCache
    from instructsam.inference.jobs import ImageJob, JobResult
    from instructsam.inference.requests import Options
    from instructsam.model.instructsam import InstructSAMModel

    ImageSource: TypeAlias = str | Path | Image.Image | NDArray[np.uint8]


MAX_LOGIT = 1e6  # of a mask threshold
_numbers = count()  # of segmenters


class Segmenter:
    """A loaded model that answers instructions about images.

    Two modes (docs/model.md, "Decoding"): "generate" lets the VLM write the phrases and decodes them; "direct" takes
    the instruction as its own phrase, in one forward pass. "auto" is the mode in the model's configuration.

    Attributes:
        real_words: whether phrases have only words of the model's word list and of the instruction; may be set.
        calls: None, there is no log of calls (see `structures.answering`).
    """

    calls: ClassVar[None] = None

    def __init__(
        self,
        model: InstructSAMModel,
        processor: InstructSAMProcessor,
        released_decoding: bool = False,
        origin: tuple[str, ...] = (),
        scope: Scope | None = None,
        real_words: bool | None = None,
    ) -> None:
        """A model with its processor.

        Args:
            model: of a checkpoint.
            processor: of the same checkpoint.
            released_decoding: write phrases exactly as the released research code does.
            origin: the sources of the parts of a built model.
            scope: the things and words that the model was trained on.
            real_words: phrases that the model writes have only words of its word list and of the instruction; None is
                the model's default. Models without a word list, and released decoding, write any word.

        Raises:
            InputError: released decoding of an ablation variant.
        """
        if released_decoding and not model.config.variant("instance_form").released_decoding:
            raise InputError(
                "released_decoding reproduces the published model, and this one is an ablation with instance_form "
                f"{model.config.instance_form}: load it without"
            )
        self._model: InstructSAMModel | None = model.eval()
        self.processor = processor
        self.released_decoding = released_decoding
        self.origin, self.scope = origin, scope
        self.real_words = bool(model.config.real_words) if real_words is None else real_words
        self._number = next(_numbers)

    @property
    def model(self) -> InstructSAMModel:
        """The model itself.

        Raises:
            InstructSAMError: the segmenter was unloaded.
        """
        if self._model is None:
            raise InstructSAMError("this segmenter was unloaded; load the model again")
        return self._model

    def save(self, folder: str | Path) -> None:
        """Write model and processor to a folder that `instructsam.load` opens; all files or none.

        Raises:
            InputError: the model is quantized, an adapter was kept apart from its weights, or the folder cannot be
                written (no permission, a file of its name, a full disk).
        """
        if any("lora_" in name for name, _ in self.model.named_parameters()):
            raise InputError(
                "an adapter that was kept is not written: load with adapter='merge' to save the model"
            )
        if getattr(self.model, "is_quantized", False):
            raise InputError(
                "a quantized model is not written: save it as it was loaded, and give load(quantize=...) again"
            )
        save_model(self.model, self.processor, check_path(folder, "folder"), self.scope)

    def compile(self, **options: Any) -> None:
        """Compile both vision encoders and the detector's encoder with `torch.compile`; the first calls take minutes.

        Pays off for many images on a GPU. The detector's input always has one size; the VLM's encoder is compiled
        again for images of another size.

        Args:
            options: of `torch.compile`, e.g. `mode="max-autotune"`.
        """
        for module in (*self.model.vlm.vision_modules(), *self.model.detector.compiled_modules()):
            module.compile(**options)

    def unload(self) -> None:
        """Free the model's memory; the segmenter cannot be used afterwards."""
        self._model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.model.device)

    @property
    def num_parameters(self) -> int:
        """Of the whole model."""
        return int(self.model.num_parameters())

    @property
    def score_threshold(self) -> float:
        """Default selection threshold on scores, in [0, 1]."""
        return float(self.model.config.score_threshold)

    @property
    def word_list(self) -> str:
        """Twelve characters that differ between word lists that phrases are held to; "" where they are to none."""
        words = self.processor.words
        if words is None or not self.real_words or self.released_decoding:
            return ""
        return sha256("\n".join(sorted(words)).encode()).hexdigest()[:12]

    @property
    def default_mode(self) -> Mode:
        """The mode that "auto" stands for: "generate" or "direct"."""
        return cast("Mode", self.model.config.default_mode)

    @property
    def fingerprint(self) -> str:
        """Twelve characters that differ between trained models: a hash over the first values of every tensor.

        Of a quantized model only the part that kept its number format counts: the rest is packed on first use.
        """
        packed = "vlm." if getattr(self.model, "is_quantized", False) else "\0"
        state = self.model.state_dict()
        return weights_fingerprint({name: state[name] for name in state if not name.startswith(packed)})

    @overload
    def segment(
        self,
        image: ImageSource,
        instruction: str | None = None,
        *,
        phrases: Sequence[str] | None = None,
        **options: Unpack[Options],
    ) -> Prediction: ...

    @overload
    def segment(
        self,
        image: ImageSource,
        instruction: list[str] | tuple[str, ...],
        *,
        phrases: None = None,
        **options: Unpack[Options],
    ) -> list[Prediction]: ...

    @overload
    def segment(
        self,
        image: list[ImageSource] | tuple[ImageSource, ...],
        instruction: str | Sequence[str] | None = None,
        *,
        phrases: Sequence[str] | None = None,
        **options: Unpack[Options],
    ) -> list[Prediction]: ...

    def segment(
        self,
        image: ImageSource | list[ImageSource] | tuple[ImageSource, ...],
        instruction: str | Sequence[str] | None = None,
        *,
        phrases: Sequence[str] | None = None,
        mode: Mode = "auto",
        score_threshold: float | None = None,
        mask_threshold: float = 0.0,
        max_new_tokens: int = 128,
        max_phrases: int = 16,
        batch_size: int = 16,
    ) -> Prediction | list[Prediction]:
        """Segment every instance that the instruction means.

        Args:
            image: one image (path, PIL, uint8 [H, W, 3]) or a list of them.
            instruction: plain text. One image and a list of instructions: the image is encoded once. A list of
                images takes one instruction for all, or as many instructions as images.
            phrases: target phrases named by the caller, instead of letting the model write them: one forward pass,
                and one per 16 phrases of a longer list, each like a call of its own.
            mode: "generate", "direct" or "auto".
            score_threshold: keep instances of at least this score in [0, 1]; None is the model's default.
            mask_threshold: binarisation of the mask logits.
            max_new_tokens: limit of the reply in `generate` mode; a reply that reaches it is "truncated".
            max_phrases: limit of the phrases that a reply may name; a reply that names more is "truncated".
            batch_size: instructions per forward pass.

        Returns:
            One `Prediction` for one image and one instruction (or phrases), else a list in the order given.

        Raises:
            InputError: an image, instruction, phrase or option cannot be used; of a list, the index is named. Every
                text and option is checked before the first image is read.
            InstructSAMError: unloaded, or in a forked process that would hang (docs/benchmarks.md, "Threads").
        """
        check_choice(mode, "mode", MODES)
        check_count(batch_size, "batch_size")
        limits = GenerationSettings(max_new_tokens, max_phrases)
        given = self.score_threshold if score_threshold is None else score_threshold
        threshold = check_fraction(given, "score_threshold")
        binarisation = check_number(mask_threshold, "mask_threshold", -MAX_LOGIT, MAX_LOGIT)
        many_images = isinstance(image, (list, tuple))
        count = len(image) if isinstance(image, (list, tuple)) else 1
        if not count:
            return []
        check_process(self.device)
        request = parse_request(count, many_images, instruction, phrases, self.processor)
        taken = taken_mode(mode, self.default_mode, phrases)
        tasks = tasks_of(request, taken, threshold)
        images = load_images(image)
        passes = self._passes(images, [""] * len(images), binarisation, limits)
        answered = annotate(answers(passes.run(tasks, batch_size), request), self.scope)
        return answered if request.returns_list else answered[0]

    def segment_jobs(
        self,
        jobs: Sequence[ImageJob],
        *,
        batch_size: int = 16,
        cache: FeatureCache | None = None,
        mask_threshold: float = 0.0,
        max_new_tokens: int = 128,
        max_phrases: int = 16,
    ) -> list[JobResult]:
        """Answer several jobs together: the answers of `segment` for each, in batches across images.

        Jobs about one image (equal keys) share its features.

        Args:
            jobs: images with their instructions or phrases, mode and threshold.
            batch_size: instructions per forward pass.
            cache: keeps features for later calls, of jobs that have a key.
            mask_threshold: binarisation of the mask logits.
            max_new_tokens: as in `segment`.
            max_phrases: as in `segment`.

        Returns:
            Per job its predictions, in order, or the `InputError` that `segment` would raise; a bad job leaves the
            others as they are.

        Raises:
            InputError: an option cannot be used.
            InstructSAMError: as `segment`.
        """
        check_count(batch_size, "batch_size")
        limits = GenerationSettings(max_new_tokens, max_phrases)
        binarisation = check_number(mask_threshold, "mask_threshold", -MAX_LOGIT, MAX_LOGIT)
        check_process(self.device)
        parsed = parse_jobs(jobs, self.processor, self.default_mode, self.score_threshold)
        passes = self._passes(parsed.images, parsed.contents, binarisation, limits, cache)
        predictions = iter(passes.run(parsed.tasks, batch_size))
        return [
            request
            if isinstance(request, InputError)
            else annotate(answers(list(islice(predictions, sum(request.passes))), request), self.scope)
            for request in parsed.requests
        ]

    def _passes(
        self,
        images: Sequence[LoadedImage],
        contents: Sequence[str],
        mask_threshold: float,
        limits: GenerationSettings,
        cache: FeatureCache | None = None,
    ) -> BatchSegmenter:
        """The forward passes of one call; arguments as in `EncodedImages` and `BatchSegmenter`."""
        encoder = encoder_key(self._number, self.model, self.processor)
        encoded = EncodedImages(self.model, self.processor, images, contents, cache, encoder)
        return BatchSegmenter(
            self.model,
            self.processor,
            self.released_decoding,
            encoded,
            mask_threshold,
            limits,
            self.real_words,
        )
