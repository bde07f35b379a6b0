"""From a model to the module that a run trains: adapters, frozen parts, gradient checkpointing, objectives."""

from __future__ import annotations

from instructsam.data.sources import SampleSource
from instructsam.losses.criterion import Criterion
from instructsam.model.instructsam import InstructSAMModel
from instructsam.training import state_tensors
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
    """
    if config.lora.rank:
        add_adapters(model, config.lora)
    if not processes.sharded:  # sharding moves the shards alone
        model = model.to(processes.device)
    model.train()
    state_tensors.align(model)
    if config.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    context = ObjectiveContext(model, criterion, config.loss, source.attributes, source.name)
    stage, bfloat16 = STAGES[config.stage], uses_bfloat16(config, processes.device)
    trainable = Trainable(context, stage, stage.weights(config.loss.objectives), bfloat16)
    if not processes.sharded:
        trainable = trainable.to(processes.device)
    trainable.freeze(config.trained_in_full)
    return trainable
