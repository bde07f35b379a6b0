"""Training in one call: `instructsam.train`, which chooses a preset, plans, trains and validates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.config import Config, load_config
from instructsam.config.yaml_text import format_yaml
from instructsam.data.detect import validation_split
from instructsam.errors import ConfigError, InputError
from instructsam.experiments.presets import choose_preset, preset_path
from instructsam.experiments.sources import check_source, open_source
from instructsam.experiments.validation import check_validation, open_validate
from instructsam.structures.destinations import check_folder_destination
from instructsam.training.settings import RunConfig

if TYPE_CHECKING:
    from instructsam.data.sources import SampleSource
    from instructsam.training.plan import Plan
    from instructsam.training.run_state import OnCheckpoint
    from instructsam.training.validation import Validate

DEFAULT_MODEL = "default"  # the shipped one
TWO_LENGTHS = (
    "epochs and max steps are both lengths of the run: give one of them, or a time box beside epochs"
)


@dataclass(frozen=True)
class TrainingResult:
    """A run that has ended.

    Attributes:
        folder: of the run: checkpoints, log, config.yaml.
        last: the model of the newest checkpoint; `instructsam.load` opens it.
        best: the model with the best validation score; `last` without validation.
        metrics: scores of `best` by key, None where undefined; empty without validation.
        steps: done.
        finished: False where a time box ended the run, which then resumes.
    """

    folder: Path
    last: Path
    best: Path
    metrics: Mapping[str, float | None]
    steps: int
    finished: bool


@dataclass(frozen=True)
class PreparedRun:
    """A run that is checked and planned, with its data opened."""

    config: RunConfig
    source: SampleSource
    validate: Validate | None
    plan: Plan


def train(
    model: str | Path | None = None,
    data: str | Path | Mapping[str, float] | None = None,
    images: str | Path | Mapping[str, str | Path] | None = None,
    *,
    epochs: float | None = None,
    max_steps: int | None = None,
    output_dir: str | Path | None = None,
    resume: bool = False,
    preset: str | None = None,
    **settings: Any,
) -> TrainingResult:
    """Train a model on labelled images.

    Progress goes to stderr. Ctrl-C saves a checkpoint and raises `TrainingInterrupted`.

    Args:
        model: folder or hub id; None for the shipped default.
        data: a COCO file, a YOLO folder, Inst2Seg records, a name such as refcoco/train (docs/train.md, "Data"), or
            several with numbers.
        images: folder of the images, where the annotations do not name it; of several sources a mapping.
        epochs: passes over the data; None for the preset's.
        max_steps: length in steps instead.
        output_dir: folder of the run; None for runs/PRESET.
        resume: continue the run in `output_dir`, if there is one with a checkpoint.
        preset: of `configs/`; None to choose one by the size of the model.
        settings: changes to the preset, by group, `optim={"lr": 1e-4}`, or by full key, `**{"optim.lr": 1e-4}`.

    Raises:
        ConfigError: a setting is wrong, or the folder holds another run.
        InputError: the data cannot be read or does not fit.
        CheckpointError: there is no such model, or it is damaged.
        InstructSAMError: the run cannot continue, see `training.trainer.run`.
    """
    if data is None and not any(key in ("data.source", "data") for key in settings):
        raise InputError('train needs data: give data="instances.json" (docs/train.md lists the formats)')
    options = option_changes(model, data, images, epochs, max_steps, output_dir)
    changes = [*options, *_changes(settings)]
    path, _ = choose(preset, changes)
    config = load_run(path, changes)
    from instructsam.training.checkpointing import latest_checkpoint
    from instructsam.training.export import CHECKPOINTS

    resume = resume and latest_checkpoint(config.folder / CHECKPOINTS) is not None
    return train_prepared(prepare(config, resume), resume)


def option_changes(
    model: str | Path | None,
    data: str | Path | Mapping[str, float] | None,
    images: str | Path | Mapping[str, str | Path] | None,
    epochs: float | None,
    max_steps: int | None,
    output_dir: str | Path | None,
) -> list[str]:
    """The arguments of `train` as `key=value` changes.

    Raises:
        InputError: epochs and steps are both given.
    """
    if epochs is not None and max_steps is not None:
        raise InputError(TWO_LENGTHS)
    given = {
        "model.path": model,
        "data.source": data,
        "data.images": images,
        "schedule.epochs": epochs,
        "schedule.total_steps": max_steps,
        "output_dir": output_dir,
    }
    return [f"{key}={_text(value)}" for key, value in given.items() if value is not None]


def choose(preset: str | None, changes: Sequence[str]) -> tuple[Path, str]:
    """The file of a preset, and a line about the choice; None chooses by the model that the changes name.

    Raises:
        ConfigError: there is no such preset.
        CheckpointError: there is no such model.
    """
    if preset is not None:
        return preset_path(preset), preset
    from instructsam.training.plan import meta_model
    from instructsam.training.settings import ModelSettings

    name = _value_of("model.path", changes) or DEFAULT_MODEL
    model = meta_model(ModelSettings(path=name))
    chosen, reason = choose_preset(sum(parameter.numel() for parameter in model.parameters()))
    return preset_path(chosen), f"{chosen}, because {reason}; choose another with --preset"


def load_run(path: Path | None, changes: Sequence[str]) -> RunConfig:
    """The settings of a run, checked as far as that needs no torch.

    Raises:
        ConfigError: a setting is wrong, or a source or the folder cannot be used.
    """
    config = load_config(RunConfig, path, with_length_changes(changes))
    if split := _validation_split(config, changes):
        own = [f"validation.source={split}", "validation.share=0"]
        config = load_config(RunConfig, path, [*with_length_changes(changes), *own])
    check_folder_destination(config.folder, "output_dir")
    check_source(config.data)
    check_validation(config)
    return config


def _validation_split(config: RunConfig, changes: Sequence[str]) -> str:
    """The validation split beside the data that the changes name, which replaces a held-out share; "" for none."""
    source = config.data.source
    if not config.validation.share or config.data.images or source != _value_of("data.source", changes):
        return ""
    chosen = any(text.startswith("validation.") for text in changes)
    return "" if chosen else validation_split(str(source))


def with_length_changes(changes: Sequence[str]) -> list[str]:
    """The changes; a length in steps replaces the epochs of a preset.

    Raises:
        InputError: epochs and steps are both given.
    """
    steps, epochs = _value_of("schedule.total_steps", changes), _value_of("schedule.epochs", changes)
    if steps and epochs:
        raise InputError(TWO_LENGTHS)
    return [*changes, "schedule.epochs=null"] if steps and not epochs else [*changes]


def prepare(config: RunConfig, resume: bool = False) -> PreparedRun:
    """Check a run, open its data and plan it; nothing is written.

    Raises:
        ConfigError, InputError, CheckpointError: as in `train`.
    """
    from instructsam.data.sources import pass_length
    from instructsam.experiments.fit import fit_notes
    from instructsam.training.plan import meta_model, plan_run
    from instructsam.training.run_folder import check_run_folder
    from instructsam.training.run_source import open_run_source, with_length
    from instructsam.training.start import check_start
    from instructsam.training.trackers import check_trackers

    check_run_folder(config, resume)
    check_start(config)
    check_trackers(config)
    model = meta_model(config.model)
    source = open_run_source(config, open_source)
    validate = open_validate(config)
    resolved = with_length(config, source)
    plan = plan_run(resolved, model, pass_length(source), validate.name if validate else "")
    return PreparedRun(config, source, validate, fit_notes(plan, resolved, source, model.config))


def train_prepared(
    run: PreparedRun, resume: bool = False, on_checkpoint: OnCheckpoint | None = None
) -> TrainingResult:
    """Train a prepared run to its end or the end of its time box; `on_checkpoint` as in `trainer.run`."""
    from instructsam.training.trainer import run_config

    run_config(run.config, lambda *_: run.source, resume, on_checkpoint, lambda _: run.validate)
    return result_of(run.config)


def result_of(config: RunConfig) -> TrainingResult:
    """The result of the run in a folder."""
    from instructsam.structures.checks import parse_json
    from instructsam.training.best_model import RESULT_FILE
    from instructsam.training.checkpointing import latest_step
    from instructsam.training.export import BEST, CHECKPOINTS, LAST
    from instructsam.training.run_folder import is_finished

    folder = config.folder
    best, metrics = folder / BEST, {}
    if (best / RESULT_FILE).is_file():
        stored = parse_json((best / RESULT_FILE).read_bytes(), str(best / RESULT_FILE))
        metrics = {key: value for key, value in stored.items() if key not in ("step", "on")}
    else:
        best = folder / LAST
    steps = latest_step(folder / CHECKPOINTS) or 0
    return TrainingResult(folder, folder / LAST, best, metrics, steps, is_finished(config))


def _value_of(key: str, changes: Sequence[str]) -> str:
    """The last value that the changes give a key, "" for none."""
    found = [text.partition("=")[2] for text in changes if text.partition("=")[0].strip() == key]
    return found[-1].strip() if found and found[-1].strip() != "null" else ""


def _changes(settings: Mapping[str, Any], group: type[Config] = RunConfig, prefix: str = "") -> Iterator[str]:
    for key, value in settings.items():
        field = group.model_fields.get(key)
        inner = None if field is None else field.annotation
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, Config):
            yield from _changes(value, inner, f"{prefix}{key}.")
        elif (
            field is None and "." not in key and not prefix
        ):  # inside a group `load_config` names the nearest key
            raise ConfigError(
                f"train has no argument {key}; settings are groups ({', '.join(RunConfig.model_fields)})"
            )
        else:
            yield f"{prefix}{key}={_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Mapping):
        value = {str(key): str(item) if isinstance(item, Path) else item for key, item in value.items()}
    if isinstance(value, tuple):
        value = list(value)
    return format_yaml(value, flow=True).removesuffix("...\n").strip()
