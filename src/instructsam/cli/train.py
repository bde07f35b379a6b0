"""`instructsam train --data FILE --images DIR --model MODEL`, and `instructsam train CONFIG [CONFIG ...]`."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from instructsam.cli import console
from instructsam.cli.packing import finish_pack, pack_writer
from instructsam.errors import InputError

if TYPE_CHECKING:
    from instructsam.training.settings import RunConfig

Result = TypeVar("Result")
CONFIG_HELP = (
    "A YAML file such as configs/finetune.yaml, or several that are trained after one another; then changes to all of "
    "them, such as optim.lr=1e-3."
)
DATA_HELP = (
    "A COCO file, a YOLO folder or data.yaml, Inst2Seg records, or a name such as refcoco/train. Without CONFIG a "
    "preset is chosen by the model."
)
WordsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="[CONFIG ...] [KEY=VALUE ...]", help=CONFIG_HELP)
]
TrainingDataOption = Annotated[str | None, typer.Option("--data", help=DATA_HELP)]
ImagesOption = Annotated[
    str | None, typer.Option("--images", help="Folder of the images, where the annotations do not name it.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Model folder or hub id; the shipped default when left out.")
]
PresetOption = Annotated[
    str | None, typer.Option("--preset", help="A preset in place of CONFIG: finetune, finetune_lora, ...")
]
EpochsOption = Annotated[
    float | None, typer.Option("--epochs", min=0.0, help="Length in passes over the data.")
]
MaxStepsOption = Annotated[int | None, typer.Option("--max-steps", min=1, help="Length in steps.")]
OutputDirOption = Annotated[str | None, typer.Option("--output-dir", help="Folder of the run; runs/NAME.")]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Continue from the newest checkpoint; finished stages are skipped.")
]
MaxMinutesOption = Annotated[
    float, typer.Option("--max-minutes", min=0.0, help="Time box of this command, 0 for none.")
]
PackOption = Annotated[
    Path | None,
    typer.Option(
        "--pack",
        help="Folder of a packed run (pack-run): resume from it where the run has no checkpoint, and write it at each "
        "checkpoint.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop; nothing is written.")]


def train(
    words: WordsArgument = None,
    data: TrainingDataOption = None,
    images: ImagesOption = None,
    model: ModelOption = None,
    preset: PresetOption = None,
    epochs: EpochsOption = None,
    max_steps: MaxStepsOption = None,
    output_dir: OutputDirOption = None,
    resume: ResumeOption = False,
    max_minutes: MaxMinutesOption = 0.0,
    pack: PackOption = None,
    dry_run: DryRunOption = False,
) -> int:
    """Train a model on labelled images, or with the settings of YAML files, one stage after the other.

    The run folder gets best/ (with validation) and last/, which instructsam.load opens.
    Ctrl-C, SIGTERM and SIGHUP save a checkpoint; the exit code is then 128 + the signal's number.
    """
    from instructsam.experiments.finetune import choose, load_run, option_changes

    if not math.isfinite(max_minutes):
        raise InputError(f"--max-minutes must be a finite number of minutes, got {max_minutes}")
    if epochs is not None and not (math.isfinite(epochs) and epochs > 0):
        raise InputError(f"--epochs must be a number above 0, got {epochs}")
    given = [word for word in words or () if "=" in word]
    configs = [Path(word) for word in words or () if "=" not in word]
    changes = [*option_changes(model, data, images, epochs, max_steps, output_dir), *given]
    for config in configs:
        if config.suffix not in (".yaml", ".yml"):
            raise InputError(f"expected YAML files and changes like seed=4, got {config}")
    if configs and preset is not None:
        raise InputError(f"--preset takes the place of a YAML file: leave out --preset or {configs[0]}")
    if not configs and preset is None and not any(word.startswith("data.source=") for word in changes):
        raise InputError("expected --data FILE to train on, or a YAML file such as configs/finetune.yaml")
    if pack is not None and (len(configs) > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1):
        raise InputError(
            "--pack takes one YAML file and one process: leave it out and run instructsam pack-run"
        )
    if len(configs) > 1:
        return _train_stages(configs, changes, resume, max_minutes, dry_run)
    if configs:
        path, choice = configs[0], str(configs[0])
    else:
        path, choice = choose(preset, changes)
    # a wrong key or destination is reported before torch is imported
    box = [f"schedule.max_minutes={max_minutes:g}"] if max_minutes else []
    settings = load_run(path, [*changes, *box])
    if pack is not None:
        from instructsam.training.packing import latest_step, open_pack

        folder = settings.folder
        resume = latest_step(folder) is not None if dry_run else open_pack(pack, folder)
    return _train(settings, choice, resume, dry_run, pack)


def _train(config: RunConfig, choice: str, resume: bool, dry_run: bool, pack: Path | None) -> int:
    from instructsam.experiments.finetune import prepare, train_prepared

    run = prepare(config, resume)
    lines = [f"preset: {choice}", *run.plan.lines(), f"folder: {config.folder}"]
    if dry_run:
        _say(lines)
        return 0
    if _is_main():
        for line in lines:
            console.note(line)
    write_pack = None if pack is None else pack_writer(config.folder, pack)
    result = _to_the_end(lambda: train_prepared(run, resume, write_pack))
    if isinstance(result, int):
        return result
    if pack is not None:
        finish_pack(config.folder, pack)
    _say([f"trained model: {result.last}"])
    if result.metrics and run.validate is not None:
        score = result.metrics.get(run.validate.metric)
        shown = "undefined" if score is None else f"{score:.4f}"
        _say([f"best model: {result.best} ({run.validate.title} {shown} on {run.validate.name})"])
    return 0


def _train_stages(
    configs: list[Path], changes: list[str], resume: bool, max_minutes: float, dry_run: bool
) -> int:
    from instructsam.experiments.finetune import load_run, prepare, with_length_changes
    from instructsam.experiments.sources import open_source
    from instructsam.experiments.validation import open_validate

    stages = [load_run(config, changes) for config in configs]
    if dry_run:
        from instructsam.training.checkpointing import latest_step
        from instructsam.training.export import CHECKPOINTS

        made = {
            name for stage in stages for name in (str(stage.folder / "last"), str(stage.folder / "model"))
        }
        for path, stage in zip(configs, stages, strict=True):
            start = stage.model.path or stage.model.init_from
            if start in made and not Path(start).is_dir():
                _say([f"preset: {path}", f"model: {start}, which a stage before makes"])
            else:
                begun = latest_step(stage.folder / CHECKPOINTS) is not None
                _say([f"preset: {path}", *prepare(stage, resume and begun).plan.lines()])
        return 0
    from instructsam.training.stages import train_stages

    lengths = with_length_changes(changes)
    folder = _to_the_end(
        lambda: train_stages(configs, open_source, lengths, resume, max_minutes, open_validate)
    )
    if isinstance(folder, int):
        return folder
    _say([f"trained model: {folder}"])
    return 0


def _to_the_end(train: Callable[[], Result]) -> Result | int:
    """The result of a training, or the exit code where a signal ended it; all processes end together."""
    from instructsam.training.stopping import TrainingInterrupted, leave_process_group

    try:
        result = train()
    except TrainingInterrupted as stop:
        leave_process_group()
        console.note(f"instructsam: {stop}")
        return stop.exit_code
    leave_process_group()
    return result


def _say(lines: Iterable[str]) -> None:
    """Lines on stdout, from the first of several processes."""
    if _is_main():
        for line in lines:
            console.say(line)


def _is_main() -> bool:
    return os.environ.get("RANK", "0") == "0"
