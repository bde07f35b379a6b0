"""What one training run is told: the dataclasses behind a YAML file in `configs/`.

Every value has a default, so a YAML names only what differs; an unknown key is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from instructsam.errors import ConfigError
from instructsam.structures.checks import check_intervals
from instructsam.structures.files import safe_file_name
from instructsam.training.data_settings import DataSettings

Stage = Literal["eyes", "phrases", "all"]
Scalar = bool | int | float | str | tuple[float, ...] | None
Value = Scalar | dict[str, Scalar]
DEFAULT_WARMUP = 200


@dataclass(frozen=True)
class ModelSettings:
    """Where the model comes from.

    Attributes:
        path: folder of a saved model to start from; empty for a fresh one.
        take_from: folder of a saved model whose tokenizer a fresh model uses and whose tensors it takes over wherever
            name and shape are the same; what starts afresh is listed in the log.
        fresh: beginnings of names of tensors that `take_from` leaves out, [instance_queries] say.
        recipe: name of a fresh model's recipe (`instructsam.model.presets`).
        overrides: changes to the recipe's values.
        vocab_size: largest size of a fresh model's tokenizer, which is trained on the world's language.
        tokenizer_texts: instructions and phrases that it is trained on.
    """

    path: str = ""
    take_from: str = ""
    fresh: tuple[str, ...] = ()
    recipe: str = "default"
    overrides: dict[str, Value] = field(default_factory=dict)
    vocab_size: int = 2048
    tokenizer_texts: int = 8000

    def __post_init__(self) -> None:
        # 256 bytes and the special tokens are in every vocabulary
        check_intervals(self, vocab_size="[300, 1000000]", tokenizer_texts="[1, 1000000]")
        if self.path and self.take_from:
            raise ConfigError(
                "path continues with a whole model, model.take_from starts another one: give one of them"
            )
        if self.path and (self.overrides or self.fresh):
            raise ConfigError(
                "path continues with a whole model, which model.overrides and model.fresh cannot change: remove them"
            )
        if self.fresh and not self.take_from:
            raise ConfigError("fresh names tensors that model.take_from leaves out: set model.take_from too")
        if not all(self.fresh):
            raise ConfigError(
                "fresh must hold beginnings of tensor names, got an empty one, which fits all of them"
            )


@dataclass(frozen=True)
class OptimSettings:
    """AdamW, Muon where wanted, and their learning rates.

    Attributes:
        lr: peak learning rate.
        muon_lr: peak learning rate of the matrices inside hidden layers, which Muon then updates; 0 leaves
            everything to AdamW.
        warmup_steps: linear warm-up from 0; null for 200, or the whole of a shorter run.
        decay: "cosine" to the end; "linear_tail" holds the peak and falls in the last `tail` of the run;
            "none" holds the peak.
        tail: share of `total_steps` in which "linear_tail" falls.
        final_fraction: learning rate at the last step, as a share of the peak.
        clip_norm: largest gradient norm; 0 switches clipping off.
        ema_decay: decay of the averaged weights; 0 switches averaging off.
        lr_multipliers: parameter-name prefix (model.detector, say) -> factor on the learning rate; the longest
            prefix wins.
    """

    lr: float = 5e-4
    muon_lr: float = 0.0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-8
    warmup_steps: int | None = None
    decay: Literal["cosine", "linear_tail", "none"] = "cosine"
    tail: float = 0.2
    final_fraction: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    lr_multipliers: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_intervals(
            self,
            lr="(0, 100]",
            muon_lr="[0, 100]",
            weight_decay="[0, 100]",
            betas="[0, 1)",
            eps="(0, 1]",
            warmup_steps="[0, inf)",
            tail="[0, 1]",
            final_fraction="[0, 1]",
            clip_norm="[0, inf)",
            ema_decay="[0, 1)",
            lr_multipliers="[0, 1000]",
        )

    def warmup(self, total_steps: int) -> int:
        """Steps of the warm-up in a run of that length."""
        return min(DEFAULT_WARMUP, total_steps) if self.warmup_steps is None else self.warmup_steps


@dataclass(frozen=True)
class LossSettings:
    """`preset` names a `CriterionConfig` preset, `overrides` changes its fields.

    Attributes:
        perception: weight of what the vision towers are asked about every cell (`training.perception`), 0 = off.
        reading: weight of what the query states are asked before the detector (`training.reading`), stage all only,
            0 = off.
        detected: share in (0, 1] of the phrases of a batch that the detector answers in stage all; below 1 it takes
            `reading`, from which the language model learns of the others.
        denoising: weight of the losses of queries that start from a target's box with noise (`training.denoising`),
            stages all and phrases only, 0 = off.
        denoising_groups: how many of them each target gets; a step costs more with each.
    """

    preset: Literal["default", "published"] = "default"
    overrides: dict[str, Value] = field(default_factory=dict)
    perception: float = 0.0
    reading: float = 0.0
    detected: float = 1.0
    denoising: float = 0.0
    denoising_groups: int = 1

    def __post_init__(self) -> None:
        check_intervals(
            self,
            perception="[0, 1000000]",
            reading="[0, 1000000]",
            denoising="[0, 1000000]",
            detected="(0, 1]",
            denoising_groups="[1, 100]",
        )
        if self.detected < 1 and not self.reading:
            raise ConfigError(
                f"detected of {self.detected} leaves phrases without any loss: set loss.reading above 0 too"
            )


@dataclass(frozen=True)
class ScheduleSettings:
    """How long, and what is written on the way.

    Attributes:
        total_steps: length of the whole run over all its slices; the learning rate follows it.
        max_minutes: time box of this invocation, 0 for none; it ends with a checkpoint to resume from.
        checkpoint_minutes: minutes between checkpoints.
        keep_checkpoints: how many of the newest checkpoints stay on disk.
        log_seconds: seconds between progress lines.
        export_dtype: number format of the exported weights.
    """

    total_steps: int = 10_000
    max_minutes: float = 0.0
    checkpoint_minutes: float = 5.0
    keep_checkpoints: int = 2
    log_seconds: float = 15.0
    export_dtype: Literal["float32", "float16", "bfloat16"] = "float16"

    def __post_init__(self) -> None:
        check_intervals(
            self,
            total_steps="[1, 1000000000]",
            max_minutes="[0, inf)",
            checkpoint_minutes="[0, inf)",
            keep_checkpoints="[1, 1000000]",
            log_seconds="[0, inf)",
        )


@dataclass(frozen=True)
class RunConfig:
    """One training run.

    Attributes:
        stage: "all" trains the whole model. Published models start from pretrained parts, and two earlier stages
            stand in for that: "eyes" trains only the vision towers, on what their cells show; "phrases" the
            detector and its vision tower on phrases alone, without the language model.
        output_dir: where checkpoints, log and model go; empty for `runs/NAME`.
        device: "auto" (a GPU if there is one) or "cpu".
        precision: "float32", "bfloat16" (autocast) or "auto": bfloat16 on a GPU and on a CPU with bfloat16
            instructions, else float32.
        attention: kernel of every attention layer while training: "auto", "sdpa" or "eager". Under bfloat16 autocast
            on a CPU "eager" is the faster one (docs/benchmarks.md).
        threads: CPU threads of the training process, 0 for torch's own choice.
    """

    name: str = "default"
    stage: Stage = "all"
    output_dir: str = ""
    seed: int = 0
    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["auto", "sdpa", "eager"] = "auto"
    threads: int = 0
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)

    def __post_init__(self) -> None:
        check_intervals(self, seed="[0, 1000000000000000000]", threads="[0, 1024]")
        if not self.output_dir and (
            self.name in ("", ".", "..") or safe_file_name(self.name, "") != self.name
        ):
            raise ConfigError(
                f"name must be a folder's name without separators, got {self.name!r}: rename it or set output_dir"
            )
        if self.stage == "eyes" and not self.loss.perception:
            raise ConfigError(
                "loss.perception must be above 0 in stage eyes, which trains on nothing else, got 0"
            )
        if self.optim.warmup(self.schedule.total_steps) > self.schedule.total_steps:
            raise ConfigError(
                f"optim.warmup_steps must be at most schedule.total_steps ({self.schedule.total_steps}), got "
                f"{self.optim.warmup_steps}"
            )

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(self.output_dir) if self.output_dir else Path("runs") / self.name
