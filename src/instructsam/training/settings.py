"""Settings of a training run: the models behind a YAML file in `configs/`.

Every value has a default, so a YAML file names only the others; an unknown key is an error.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from instructsam.config import Config
from instructsam.errors import ConfigError
from instructsam.structures.checks import check_choices
from instructsam.structures.file_names import safe_file_name
from instructsam.training.data_settings import DataSettings
from instructsam.training.part_settings import (
    LoraSettings,
    Part,
    PartSettings,
    check_parts,
    trained_in_full,
)
from instructsam.training.stage_table import STAGES, Stage, StageName
from instructsam.training.validation_settings import ValidationSettings

Scalar = bool | int | float | str | tuple[float, ...] | None
Value = Scalar | dict[str, Scalar]
DEFAULT_WARMUP = 200


class ModelSettings(Config):
    """Where the model comes from.

    Attributes:
        path: folder or hub id of a saved model to continue with as it is, "default" for the shipped one; empty for a
            new one.
        init_from: the same of a saved model whose tokenizer a new model uses and whose tensors initialize it wherever
            name and shape are the same; the log lists the others, which keep their random initialization.
        reinitialize: beginnings of names of tensors that are not taken from `init_from`, such as [instance_queries].
        preset: name of a new model's size preset (`instructsam.model.presets`).
        overrides: changes to the preset's values.
        vocab_size: largest size of a new model's tokenizer, which is trained on texts of the data source.
        tokenizer_texts: instructions and phrases that a tokenizer is trained on.
        extend_tokenizer: tokens to which the tokenizer of `path` grows, with merges learned from texts of the data
            source; a new token starts as the mean of the tokens that it replaces. 0 leaves it as it is.
    """

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "take_from": "init_from",
        "fresh": "reinitialize",
        "recipe": "preset",
    }

    path: str = ""
    init_from: str = ""
    reinitialize: tuple[str, ...] = ()
    preset: str = "default"
    overrides: dict[str, Value] = Field(default_factory=dict)
    vocab_size: int = Field(default=2048, ge=300, le=1_000_000)
    tokenizer_texts: int = Field(default=8000, ge=1, le=1_000_000)
    extend_tokenizer: int = Field(default=0, ge=0, le=1_000_000)

    @model_validator(mode="after")
    def _check(self) -> ModelSettings:
        # 256 bytes and the special tokens are in every vocabulary
        if self.path and self.init_from:
            raise ConfigError(
                "path continues with a whole model, model.init_from initializes another one: give one of them"
            )
        if self.path and (self.overrides or self.reinitialize):
            raise ConfigError(
                "path continues with a whole model, which model.overrides and model.reinitialize cannot change: "
                "remove them"
            )
        if self.extend_tokenizer and not self.path:
            raise ConfigError("extend_tokenizer grows the tokenizer of a trained model: set model.path too")
        if self.reinitialize and not self.init_from:
            raise ConfigError(
                "reinitialize names tensors that are not taken from model.init_from: set model.init_from too"
            )
        if not all(self.reinitialize):
            raise ConfigError(
                "reinitialize must hold beginnings of tensor names, got an empty one, which fits all of them"
            )
        return self


class OptimSettings(Config):
    """AdamW, Muon where wanted, and their learning rates.

    Attributes:
        lr: peak learning rate.
        muon_lr: peak learning rate of the matrices inside hidden layers, which Muon then updates; 0 leaves
            everything to AdamW.
        warmup_steps: linear warm-up from 0; null for 200, or the whole of a shorter run.
        warmup_fraction: the same as a share of the run; 0 for `warmup_steps`.
        decay: "cosine" to the end; "linear_tail" holds the peak and falls in the last `tail` of the run;
            "none" holds the peak.
        tail: share of `total_steps` in which "linear_tail" falls.
        final_fraction: learning rate at the last step, as a share of the peak.
        clip_norm: largest gradient norm; 0 switches clipping off.
        ema_decay: decay of the averaged weights; 0 switches averaging off.
        lr_multipliers: parameter-name prefix, such as model.detector or objectives.dense_classes -> factor on the
            learning rate; the longest prefix wins.
        new_probe_multiplier: factor on the learning rate of new probes on trained encoders (`training.optim`); it falls
            to 1 between steps 100 and 200. 1 switches this off.
        gradient_accumulation_steps: batches of one process whose gradients make one update.
    """

    lr: float = Field(default=5e-4, gt=0, le=100)
    muon_lr: float = Field(default=0.0, ge=0, le=100)
    weight_decay: float = Field(default=0.05, ge=0, le=100)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.98)
    eps: float = Field(default=1e-8, gt=0, le=1)
    warmup_steps: int | None = Field(default=None, ge=0)
    warmup_fraction: float = Field(default=0.0, ge=0, le=1)
    decay: Literal["cosine", "linear_tail", "none"] = "cosine"
    tail: float = Field(default=0.2, ge=0, le=1)
    final_fraction: float = Field(default=0.01, ge=0, le=1)
    clip_norm: float = Field(default=1.0, ge=0)
    ema_decay: float = Field(default=0.999, ge=0, lt=1)
    lr_multipliers: dict[str, Annotated[float, Field(ge=0, le=1000)]] = Field(default_factory=dict)
    new_probe_multiplier: float = Field(default=10.0, ge=1, le=1000)
    gradient_accumulation_steps: int = Field(default=1, ge=1, le=10_000)

    @model_validator(mode="after")
    def _check(self) -> OptimSettings:
        if self.warmup_fraction and self.warmup_steps is not None:
            raise ConfigError("warmup_fraction and optim.warmup_steps exclude each other: give one of them")
        return self

    def warmup(self, total_steps: int) -> int:
        """Steps of the warm-up in a run of that length."""
        if self.warmup_fraction:
            return math.ceil(self.warmup_fraction * total_steps)
        return min(DEFAULT_WARMUP, total_steps) if self.warmup_steps is None else self.warmup_steps


class LossSettings(Config):
    """`preset` names a `CriterionConfig` preset, `overrides` changes its fields.

    Attributes:
        objectives: objective -> weight, for objectives of the stage (`training.stage_table`); 0 switches one off.
            "segmentation" is the criterion's loss. "dense_classes" predicts the object in every cell of the vision
            encoders. "query_readout" predicts boxes and scores from query states before the detector. "denoising" adds
            decoder queries that start from a target's box with noise; a step costs more with it.
        detected_fraction: share in (0, 1] of the phrases of a batch that the detector answers in stage all; below 1 it
            takes the objective "query_readout", which trains the language model on the others.
        denoising_groups: denoising queries of each target; a step costs more with each.
    """

    renamed_keys: ClassVar[Mapping[str, str]] = {
        "perception": "objectives.dense_classes",
        "reading": "objectives.query_readout",
        "denoising": "objectives.denoising",
        "detected": "detected_fraction",
    }

    preset: Literal["default", "published"] = "default"
    overrides: dict[str, Value] = Field(default_factory=dict)
    objectives: dict[str, Annotated[float, Field(ge=0, le=1_000_000)]] = Field(default_factory=dict)
    detected_fraction: float = Field(default=1.0, gt=0, le=1)
    denoising_groups: int = Field(default=1, ge=1, le=100)


class ScheduleSettings(Config):
    """Length of the run, and its checkpoints and log.

    Attributes:
        total_steps: length of the whole run over all its slices; the learning rate follows it.
        epochs: the length in passes over the training data, in place of `total_steps`; null for `total_steps`.
        max_minutes: time box of this invocation, 0 for none; it ends with a checkpoint to resume from.
        checkpoint_minutes: minutes between checkpoints.
        keep_checkpoints: how many of the newest checkpoints stay on disk.
        log_seconds: seconds between progress lines.
        export_dtype: number format of the exported weights.
    """

    total_steps: int = Field(default=10_000, ge=1, le=1_000_000_000)
    epochs: float | None = Field(default=None, gt=0, le=1_000_000)
    max_minutes: float = Field(default=0.0, ge=0)
    checkpoint_minutes: float = Field(default=5.0, ge=0)
    keep_checkpoints: int = Field(default=2, ge=1, le=1_000_000)
    log_seconds: float = Field(default=15.0, ge=0)
    export_dtype: Literal["float32", "float16", "bfloat16"] = "float16"


class RunConfig(Config):
    """One training run.

    Attributes:
        stage: "all" trains the whole model. Published models start from pretrained parts, and two earlier stages
            stand in for that: "vision" trains only the vision encoders, by an auxiliary dense loss; "phrases" the
            detector and the vision encoders on phrases alone, without the language model.
        output_dir: where checkpoints, log and model go; empty for `runs/NAME`.
        device: "auto" (a GPU if there is one) or "cpu".
        precision: "float32", "bfloat16" (autocast) or "auto": bfloat16 on a GPU and on a CPU with bfloat16
            instructions, else float32.
        attention: kernel of every attention layer while training: "auto", "sdpa" or "eager". Under bfloat16 autocast
            on a CPU "eager" is the faster one (docs/benchmarks.md).
        threads: CPU threads of the training process, 0 for torch's own choice.
        distributed: how several processes share a run (docs/multi_gpu.md): "ddp" gives each a copy of the weights,
            "fsdp2" a shard of weights, gradients and optimizer state.
        gradient_checkpointing: compute the states inside transformer blocks again in the backward pass, in place of
            keeping them: less memory, more time.
        compile: compile transformer blocks with `torch.compile`: fewer kernels, minutes of compilation in the first
            steps (docs/benchmarks.md).
        cache_features: folder for the features of frozen vision encoders, which are then computed once per image;
            "" computes them in every step.
        cache_gigabytes: largest size of that folder; what does not fit is computed.
        trackers: that also get the numbers of log.jsonl, by accelerate.
    """

    name: str = "default"
    stage: StageName = "all"
    output_dir: str = ""
    seed: int = Field(default=0, ge=0, le=1_000_000_000_000_000_000)
    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["auto", "sdpa", "eager"] = "auto"
    threads: int = Field(default=0, ge=0, le=1024)
    distributed: Literal["ddp", "fsdp2"] = "ddp"
    gradient_checkpointing: bool = False
    compile: bool = False
    cache_features: str = ""
    cache_gigabytes: float = Field(default=50.0, gt=0, le=1_000_000)
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    model: ModelSettings = Field(default_factory=ModelSettings)
    data: DataSettings = Field(default_factory=DataSettings)
    optim: OptimSettings = Field(default_factory=OptimSettings)
    parts: PartSettings = Field(default_factory=PartSettings)
    lora: LoraSettings = Field(default_factory=LoraSettings)
    loss: LossSettings = Field(default_factory=LossSettings)
    schedule: ScheduleSettings = Field(default_factory=ScheduleSettings)
    validation: ValidationSettings = Field(default_factory=ValidationSettings)

    @model_validator(mode="after")
    def _check(self) -> RunConfig:
        if not self.output_dir and (
            self.name in ("", ".", "..") or safe_file_name(self.name, "") != self.name
        ):
            raise ConfigError(
                f"name must be a folder's name without separators, got {self.name!r}: rename it or set output_dir"
            )
        stage = STAGES[self.stage]
        self._check_parts(stage)
        check_choices(f"loss.objectives of stage {self.stage}", self.loss.objectives, tuple(stage.objectives))
        weights = stage.weights(self.loss.objectives)
        if not weights:
            raise ConfigError(
                f"loss.objectives leaves nothing to train on in stage {self.stage}: give one of "
                f"{', '.join(stage.objectives)} a weight above 0"
            )
        if self.loss.detected_fraction < 1 and "query_readout" not in weights:
            raise ConfigError(
                f"loss.detected_fraction of {self.loss.detected_fraction} leaves phrases without any loss: use stage "
                "all and set loss.objectives.query_readout above 0 too"
            )
        warmup = self.optim.warmup(self.schedule.total_steps)
        if self.schedule.epochs is None and warmup > self.schedule.total_steps:
            raise ConfigError(
                f"optim.warmup_steps must be at most schedule.total_steps ({self.schedule.total_steps}), got "
                f"{self.optim.warmup_steps}"
            )
        return self

    def _check_parts(self, stage: Stage) -> None:
        check_parts(self.stage, stage.trained, self.parts, self.lora)
        if self.lora.rank and not self.model.path:
            raise ConfigError("lora adapts a trained model: set model.path to it")
        if self.model.extend_tokenizer and not self.lora.merge_on_export:
            raise ConfigError(
                "an adapter cannot hold the tokens that model.extend_tokenizer adds: set lora.merge_on_export=true, or "
                "model.extend_tokenizer=0"
            )
        if self.distributed == "fsdp2" and self.optim.muon_lr:
            raise ConfigError(
                "distributed=fsdp2 shards the matrices that Muon needs whole: set optim.muon_lr=0 or distributed=ddp"
            )
        frozen = {"vlm_vision", "detector_vision"} - set(self.trained_parts)
        if self.cache_features and not frozen:
            raise ConfigError(
                "cache_features needs a vision encoder that is frozen: set parts.vlm_vision or parts.detector_vision "
                "to freeze"
            )
        if self.cache_features and (self.data.color_jitter or self.data.augment.any):
            raise ConfigError(
                "cache_features needs the same pixels in every pass: set data.color_jitter=0 and remove data.augment"
            )

    @property
    def trained_in_full(self) -> tuple[Part, ...]:
        """Parts whose own weights are trained."""
        return trained_in_full(STAGES[self.stage].trained, self.parts, self.lora)

    @property
    def trained_parts(self) -> tuple[Part, ...]:
        """Parts that are trained, by their own weights or by adapters."""
        return (*self.trained_in_full, *self.lora.adapted)

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(self.output_dir) if self.output_dir else Path("runs") / self.name
