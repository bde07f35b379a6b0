"""What a run starts with: a fresh or a saved model with its processor, and the criterion."""

from __future__ import annotations

from pathlib import Path

import torch

from instructsam.errors import ConfigError
from instructsam.inference.loading import load_model
from instructsam.inference.locating import resolve
from instructsam.losses.criterion import Criterion, CriterionConfig
from instructsam.model.build import build_small
from instructsam.model.instructsam import InstructSAMModel
from instructsam.model.recipes import get_recipe, recipe_config
from instructsam.processing.processor import InstructSAMProcessor, ProcessorSettings
from instructsam.processing.tokens import TokenIds, train_tokenizer
from instructsam.training.settings import LossSettings, ModelSettings
from instructsam.world.stream import all_texts


def start_model(
    settings: ModelSettings, attention: str = "sdpa"
) -> tuple[InstructSAMModel, InstructSAMProcessor]:
    """The model to train, in float32, and its processor.

    Raises:
        ConfigError: the recipe or one of its overrides is unknown, or both a path and overrides are given.
        CheckpointError: `settings.path` holds no usable model.
    """
    if settings.path:
        if settings.overrides:
            raise ConfigError("model.overrides change a fresh model; give them without model.path")
        return open_model(Path(settings.path), attention)
    recipe = get_recipe(settings.recipe, settings.overrides)
    tokenizer = train_tokenizer(all_texts(settings.tokenizer_texts), settings.vocab_size)
    token_ids = TokenIds.from_tokenizer(tokenizer).as_dict()
    config = recipe_config(recipe, len(tokenizer), token_ids)
    return build_small(config, recipe.embedding_std, attention), InstructSAMProcessor(
        tokenizer, ProcessorSettings.from_config(config)
    )


def open_model(folder: Path, attention: str = "sdpa") -> tuple[InstructSAMModel, InstructSAMProcessor]:
    """A saved model in float32 and its processor.

    Raises:
        CheckpointError: the folder holds no usable model.
    """
    folder = resolve(folder)
    return load_model(folder, torch.float32, attention), InstructSAMProcessor.from_pretrained(folder)


def start_criterion(settings: LossSettings) -> Criterion:
    """The criterion of a preset with some fields changed.

    Raises:
        ConfigError: an override names no field or holds a wrong value.
    """
    return Criterion(CriterionConfig.preset(settings.preset, settings.overrides))
