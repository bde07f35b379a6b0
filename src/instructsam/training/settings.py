"""What one training run is told: the dataclasses behind a YAML file in `configs/`.

Every value has a default, so a YAML names only what differs; an unknown key is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from instructsam.errors import ConfigError
from instructsam.world.instructions import shares_of
from instructsam.world.nouns import Nouns

Stage = Literal["eyes", "phrases", "all"]
Scalar = bool | int | float | str | tuple[float, ...] | None
Value = Scalar | dict[str, Scalar]


@dataclass(frozen=True)
class ModelSettings:
    """Where the model comes from.

    Attributes:
        path: folder of a saved model to start from; empty for a fresh one.
        take_from: folder of a saved model whose tokenizer a fresh model uses and whose tensors it takes over wherever
            name and shape are the same; what starts afresh is listed in the log.
        fresh: beginnings of names of tensors that `take_from` leaves out, [instance_queries] say.
        recipe: name of a fresh model's recipe (`instructsam.model.recipes`).
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


@dataclass(frozen=True)
class DataSettings:
    """The endless stream of drawn scenes.

    Attributes:
        scenes_per_batch: images of one batch and process.
        instructions_per_scene: instructions that share an image and its vision passes.
        short_sides: px, sizes that scenes are drawn at.
        min_objects, max_objects: things in a scene.
        families: instruction families to ask, empty for all; the simple ones first are a curriculum.
        family_shares: instruction family -> factor on how often it is asked, {spatial: 2.0, comparison: 2.0} for
            twice as often as the others; one that is not named has 1. Bare noun phrases have no families.
        nouns: bare noun phrases instead of instructions (`instructsam.world.nouns`): level -> the batch from
            which it is asked, {colors: 0, kinds: 200}; empty for instructions.
        layouts: how things lie, some of `instructsam.world.scene.LAYOUTS`, or `piles`; empty for all but piles.
        direct_fraction: share of instructions in [0, 1] that are given as their own phrase, without decoding.
        light: in [0, 0.9], how far a picture's brightness may be from 1, contrast and colours less far
            (`training.light`); 0 leaves pictures as they are drawn.
        invented_words: share of instructions in [0, 1] whose only kind, where they have one, gets a name that nobody
            knows, so that nothing is meant (`instructsam.world.invented`).
        captions: one more sample per scene, that describes it in words (`instructsam.world.caption`).
        workers: processes that draw scenes; 0 draws in the training process.
        prefetch: batches that each worker keeps ready.
    """

    scenes_per_batch: int = 4
    instructions_per_scene: int = 8
    short_sides: tuple[int, ...] = (160,)
    min_objects: int = 1
    max_objects: int = 10
    families: tuple[str, ...] = ()
    family_shares: dict[str, float] = field(default_factory=dict)
    nouns: dict[str, int] = field(default_factory=dict)
    layouts: tuple[str, ...] = ()
    direct_fraction: float = 0.3
    light: float = 0.0
    invented_words: float = 0.0
    captions: bool = False
    workers: int = 0
    prefetch: int = 2

    def __post_init__(self) -> None:
        _at_least("scenes_per_batch", self.scenes_per_batch, 1)
        _at_least("instructions_per_scene", self.instructions_per_scene, 1)
        _at_least("workers", self.workers, 0)
        _at_least("prefetch", self.prefetch, 1)
        levels = [level for level in get_args(Nouns) if level]
        for level, first in self.nouns.items():
            if level not in levels or first < 0:
                raise ConfigError(
                    f"data.nouns takes levels {', '.join(levels)} and batches, got {level}: {first}"
                )
        if self.nouns and min(self.nouns.values()) > 0:
            raise ConfigError("data.nouns must say what batch 0 asks, for example {colors: 0}")
        for name in ("direct_fraction", "invented_words"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"data.{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 0.0 <= self.light <= 0.9:
            raise ConfigError(f"data.light must lie in [0, 0.9], got {self.light}")
        shares_of(tuple(self.families), self.family_shares)


@dataclass(frozen=True)
class OptimSettings:
    """AdamW, Muon where wanted, and their learning rates.

    Attributes:
        lr: peak learning rate.
        muon_lr: peak learning rate of the matrices inside hidden layers, which Muon then updates; 0 leaves
            everything to AdamW.
        warmup_steps: linear warm-up from 0.
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
    warmup_steps: int = 200
    decay: Literal["cosine", "linear_tail", "none"] = "cosine"
    tail: float = 0.2
    final_fraction: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    lr_multipliers: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _at_least("warmup_steps", self.warmup_steps, 0)
        if self.lr <= 0:
            raise ConfigError(f"lr must be above 0, got {self.lr}")
        if self.muon_lr < 0:
            raise ConfigError(f"muon_lr must be at least 0, got {self.muon_lr}")
        if not 0.0 <= self.ema_decay < 1.0:
            raise ConfigError(f"ema_decay must lie in [0, 1), got {self.ema_decay}")


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
        for name in ("perception", "reading", "denoising"):
            if getattr(self, name) < 0:
                raise ConfigError(f"loss.{name} must be at least 0, got {getattr(self, name)}")
        _at_least("loss.denoising_groups", self.denoising_groups, 1)
        if not 0 < self.detected <= 1:
            raise ConfigError(f"loss.detected must lie in (0, 1], got {self.detected}")
        if self.detected < 1 and not self.reading:
            raise ConfigError(
                "loss.detected below 1 leaves phrases without any loss; set loss.reading above 0 too"
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
        _at_least("total_steps", self.total_steps, 1)
        _at_least("keep_checkpoints", self.keep_checkpoints, 1)


@dataclass(frozen=True)
class RunConfig:
    """One training run.

    Attributes:
        stage: "all" trains the whole model. Published models start from pretrained parts, and two earlier stages
            stand in for that: "eyes" trains only the vision towers, on what their cells show; "phrases" the
            detector and its vision tower on phrases alone, without the language model.
        output_dir: where checkpoints, log and model go; empty for `runs/NAME`.
        device: "auto" (a GPU if there is one) or "cpu".
        precision: "auto" (bfloat16 autocast on a GPU, float32 on a CPU), "float32" or "bfloat16".
        attention: kernel of every attention layer while training. Under bfloat16 autocast on a CPU "eager" is
            the faster one (docs/benchmarks.md).
        threads: CPU threads of the training process, 0 for torch's own choice.
    """

    name: str = "default"
    stage: Stage = "all"
    output_dir: str = ""
    seed: int = 0
    device: Literal["auto", "cpu"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    attention: Literal["sdpa", "eager"] = "sdpa"
    threads: int = 0
    model: ModelSettings = field(default_factory=ModelSettings)
    data: DataSettings = field(default_factory=DataSettings)
    optim: OptimSettings = field(default_factory=OptimSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)

    def __post_init__(self) -> None:
        _at_least("seed", self.seed, 0)
        if self.stage == "eyes" and not self.loss.perception:
            raise ConfigError("stage eyes trains on loss.perception only; set it above 0")

    @property
    def folder(self) -> Path:
        """Where the run writes."""
        return Path(self.output_dir) if self.output_dir else Path("runs") / self.name


def _at_least(name: str, value: int, low: int) -> None:
    if value < low:
        raise ConfigError(f"{name} must be at least {low}, got {value}")
