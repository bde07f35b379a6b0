"""Tokenizer, image settings and word list of a model folder, checked against the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instructsam.checkpoints.folder import read_config
from instructsam.errors import CheckpointError

if TYPE_CHECKING:
    from instructsam.model.configuration import InstructSAMConfig
    from instructsam.processing.processor import InstructSAMProcessor
    from instructsam.processing.settings import ProcessorSettings

FIXED = (
    "num_queries", "image_size", "patch_size", "merge_size", "temporal_patch_size", "instance_form", "vlm", "square",
)  # fmt: skip


def load_processor(folder: Path, adapter: Path | None = None) -> InstructSAMProcessor:
    """Tokenizer, image settings and word list of a folder in either layout.

    Args:
        folder: of a whole model.
        adapter: of an adapter on it, whose word list, if it has one, replaces the model's.

    Raises:
        CheckpointError: the tokenizer is missing, damaged or not the model's.
    """
    from instructsam.processing.processor import InstructSAMProcessor
    from instructsam.processing.settings import ProcessorSettings
    from instructsam.processing.tokenizer_files import load_tokenizer
    from instructsam.processing.word_list import read_words

    config, published = read_config(folder)
    if published:
        settings = ProcessorSettings.from_config(config)
        processor = InstructSAMProcessor(load_tokenizer(folder), settings, read_words(folder))
    else:
        processor = InstructSAMProcessor.from_pretrained(folder)
        require_same_sizes(folder, processor.settings, ProcessorSettings.from_config(config))
    require_same_tokens(folder, processor, config)
    words = None if adapter is None else read_words(adapter)
    return processor if words is None else processor.with_words(words)


def require_same_sizes(folder: Path, found: ProcessorSettings, expected: ProcessorSettings) -> None:
    """Refuse a processor_config.json of another model; pixel and token limits are the user's to change.

    Raises:
        CheckpointError: names the fields that differ.
    """
    wrong = [
        f"{name} {getattr(found, name)}, config.json {getattr(expected, name)}"
        for name in FIXED
        if getattr(found, name) != getattr(expected, name)
    ]
    if wrong:
        raise CheckpointError(
            f"processor_config.json in {folder} is not this model's: it has {', '.join(wrong)}"
        )


def require_same_tokens(folder: Path, processor: InstructSAMProcessor, config: InstructSAMConfig) -> None:
    """Refuse a tokenizer whose structural tokens are not where the model's configuration has them.

    Raises:
        CheckpointError: it is another model's.
    """
    found = processor.token_ids.as_dict()
    expected = {**processor.vlm.config_token_ids(config.vlm_config), **(config.token_ids or {})}
    wrong = [name for name, number in expected.items() if number is not None and found.get(name) != number]
    if wrong:
        listed = ", ".join(f"{name} {found.get(name)}, config.json {expected[name]}" for name in wrong)
        raise CheckpointError(f"the tokenizer in {folder} is not this model's: it has {listed}")
