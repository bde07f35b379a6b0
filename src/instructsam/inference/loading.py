"""`load`: a `Segmenter` from the shipped default, a folder, or a hub id."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from instructsam.checkpoints.adapted import load_adapted
from instructsam.checkpoints.adapters import Adapter, is_adapter
from instructsam.checkpoints.devices import pick_device, pick_dtype
from instructsam.checkpoints.processors import load_processor
from instructsam.checkpoints.quantize import Quantize
from instructsam.checkpoints.resolve import resolve
from instructsam.checkpoints.scope import read_scope
from instructsam.errors import InputError
from instructsam.structures.checks import check_choice, check_flag, check_path, check_text

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter

LARGE = 500_000_000  # parameters; from this size on there is a warning on a CPU


def load(
    name_or_path: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    released_decoding: bool = False,
    adapter: Adapter = "merge",
    quantize: Quantize | None = None,
    real_words: bool | None = None,
) -> Segmenter:
    """Load a model, ready to segment.

    Args:
        name_or_path: a folder written by `save_pretrained` or in the published layout (docs/weights.md), a hub id
            such as "CircleRadon/InstructSAM-2B", or None for the shipped default.
        device: "auto" (cuda, else mps, else cpu, with a warning for large models) or a torch device name.
        dtype: "auto" (bfloat16 on cuda, else float32) or "float32", "bfloat16", "float16".
        revision: of a hub id; one revision for all its parts.
        released_decoding: write phrases exactly as the released research code does, to reproduce published results
            (docs/model.md, "Decoding"); phrases that are given are encoded as usual.
        adapter: for the folder of a LoRA adapter, whose base is loaded too (from the hub if it names a hub id):
            "merge" adds it to the weights, "keep" leaves it as separate layers.
        quantize: "int8" or "int4" keeps the VLM's weights in that many bits (docs/weights.md, "Memory").
        real_words: True lets phrases have only words of the model's `words.txt` and of the instruction, False any; None
            is the model's default. Without effect on models without the file (docs/model.md, "Decoding").

    Raises:
        CheckpointError: the model does not exist, a file is missing or damaged, or tensors do not fit.
        InputError: an argument is not one of the values above.
        MissingExtraError: an adapter without peft, quantize without bitsandbytes.
        InstructSAMError: this is a forked process that would hang (docs/benchmarks.md, "Threads").
    """
    if name_or_path is not None:
        check_path(name_or_path, "name_or_path")
    if revision is not None:
        check_text(revision, "revision")
    check_flag(released_decoding, "released_decoding")
    check_choice(adapter, "adapter", get_args(Adapter))
    if real_words is not None:
        check_flag(real_words, "real_words")
    folder = resolve(name_or_path, revision)
    from instructsam.inference.segmenter import Segmenter
    from instructsam.inference.threads import check_process

    target = pick_device(device)
    check_process(target)
    if is_adapter(folder) and quantize is not None and adapter == "merge":
        raise InputError("an adapter loses precision when merged into quantized weights: use adapter='keep'")
    kind = pick_dtype(dtype, target)
    model, base = load_adapted(folder, kind, device=target, quantize=quantize, adapter=adapter)
    processor = load_processor(base, folder)
    model.config.token_ids = processor.token_ids.as_dict()
    if device == "auto" and target.type == "cpu" and model.num_parameters() > LARGE:
        logging.getLogger(__name__).warning(
            "no GPU was found: %.1f B parameters run on the CPU in %s, which takes a while for each image",
            model.num_parameters() / 1e9,
            quantize or str(model.dtype).removeprefix("torch."),
        )
    return Segmenter(model, processor, released_decoding, scope=read_scope(folder), real_words=real_words)
