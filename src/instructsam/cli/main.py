"""The `instructsam` command. Nothing here imports torch before a command's arguments have been checked."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from instructsam import __version__
from instructsam.cli import console, data, world
from instructsam.cli.ablate import ablate
from instructsam.cli.calibrate import calibrate
from instructsam.cli.compare import compare
from instructsam.cli.demo import demo
from instructsam.cli.doctor import doctor
from instructsam.cli.evaluate import evaluate
from instructsam.cli.false_alarms import false_alarms
from instructsam.cli.models import build, convert
from instructsam.cli.robustness import robustness
from instructsam.cli.segment import segment
from instructsam.cli.train import train
from instructsam.errors import InstructSAMError
from instructsam.structures.files import reason

BAD_INPUT = 2

# The state of the machine, not a defect: a full or failing disk, too many open files.
_MACHINE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
}

# The base of what typer raises on wrong usage; its module changes with the version of typer.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="instructsam",
    help="Segment every instance in an image that an instruction names.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
for command in (
    segment,
    evaluate,
    compare,
    robustness,
    false_alarms,
    calibrate,
    train,
    ablate,
    demo,
    doctor,
    build,
    convert,
):
    app.command()(command)
app.add_typer(world.app, name="world")
app.add_typer(data.app, name="data")


def _show_version(wanted: bool) -> None:
    if wanted:
        console.say(f"instructsam {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave."),
]


@app.callback()
def _common(version: VersionOption = False) -> None:
    """Segment every instance in an image that an instruction names."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. What a user can mend becomes one line on stderr and code 2."""
    try:
        code = app(list(arguments) or ["--help"], standalone_mode=False, prog_name="instructsam")
    except _UsageError as problem:
        console.error(getattr(problem, "format_message", problem.__str__)())
        return BAD_INPUT
    except InstructSAMError as problem:
        console.error(problem)
        return BAD_INPUT
    except (typer.Abort, KeyboardInterrupt):
        console.error("interrupted")
        return 130
    return code if isinstance(code, int) else 0


def main() -> int:
    """Entry point of the console script and of `python -m instructsam`."""
    console.prepare_streams()
    console.quiet_libraries()
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _discard_stdout()
        return 1
    except OSError as problem:
        if problem.errno not in _MACHINE_ERRORS:
            raise
        place = f"{problem.filename}: " if problem.filename else "the output cannot be written: "
        console.error(f"{place}{reason(problem)}: make room, then repeat the command")
        _discard_stdout()
        return BAD_INPUT
    return code


def _discard_stdout() -> None:
    """What is still buffered and cannot be written goes nowhere, instead of failing once more at exit."""
    with suppress(OSError):
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    raise SystemExit(main())
