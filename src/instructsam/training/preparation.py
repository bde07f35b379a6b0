"""From a model to the module that a run trains: adapters, frozen parts, gradient checkpointing, objectives."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from torch import nn
from torch.utils.checkpoint import checkpoint

from instructsam.data.sources import SampleSource
from instructsam.losses.criterion import Criterion
from instructsam.model.instructsam import InstructSAMModel
from instructsam.training import state_tensors
from instructsam.training.compile import compile_blocks
from instructsam.training.feature_cache import CacheFolder
from instructsam.training.image_encoders import ImageEncoders
from instructsam.training.lora import add_adapters
from instructsam.training.objectives import ObjectiveContext
from instructsam.training.precision import uses_bfloat16
from instructsam.training.processes import Processes
from instructsam.training.settings import RunConfig
from instructsam.training.stage_table import STAGES
from instructsam.training.trainable import Trainable


def prepare(
    config: RunConfig,
    source: SampleSource,
    model: InstructSAMModel,
    criterion: Criterion,
    processes: Processes,
) -> Trainable:
    """The module to train, on the device of its process unless the processes share it in shards.

    Raises:
        ConfigError: `lora.target_modules` fits no layer, or the stage cannot train this variant of the model.
        MissingExtraError: adapters without peft.
        InputError: the folder of cached features cannot be written.
    """
    if config.lora.rank:
        add_adapters(model, config.lora)
    if not processes.sharded:  # sharding moves the shards alone
        model = model.to(processes.device)
    model.train()
    state_tensors.align(model)
    if config.gradient_checkpointing:
        checkpoint_blocks(model)
    if config.compile:
        compile_blocks(model)
    context = ObjectiveContext(model, criterion, config.loss, source.attributes, source.name)
    stage, bfloat16 = STAGES[config.stage], uses_bfloat16(config, processes.device)
    trainable = Trainable(context, stage, stage.weights(config.loss.objectives), bfloat16)
    if not processes.sharded:
        trainable = trainable.to(processes.device)
    trainable.reaches_all = processes.sharded
    trainable.freeze(config.trained_in_full)
    if config.cache_features:
        number_format = "bfloat16" if bfloat16 else "float32"
        folder = CacheFolder(Path(config.cache_features), config.cache_gigabytes, processes.count)
        trainable.encode_images = ImageEncoders(model, folder, number_format)
    return trainable


def checkpoint_blocks(model: nn.Module) -> None:
    """Let every transformer block compute its states again in the backward pass."""
    run = partial(checkpoint, use_reentrant=False)
    for module in model.modules():
        if hasattr(
            module, "gradient_checkpointing"
        ):  # as transformers' own switch, whose name its versions change
            module._gradient_checkpointing_func = run  # type: ignore[assignment]
            module.gradient_checkpointing = True  # type: ignore[assignment]
