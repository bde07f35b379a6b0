"""The `instructsam` command. torch is imported only after the arguments of a command have been checked."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

import typer

from instructsam import __version__
from instructsam.cli import console, data, engine, world
from instructsam.cli.ablate import ablate
from instructsam.cli.app import open_app
from instructsam.cli.calibrate import calibrate
from instructsam.cli.compare import compare
from instructsam.cli.demo import demo
from instructsam.cli.doctor import doctor
from instructsam.cli.evaluate import evaluate
from instructsam.cli.false_alarms import false_alarms
from instructsam.cli.label import label
from instructsam.cli.mcp import mcp
from instructsam.cli.models import average, build, convert
from instructsam.cli.packing import pack_run, unpack_run
from instructsam.cli.robustness import robustness
from instructsam.cli.segment import segment
from instructsam.cli.serve import serve
from instructsam.cli.train import train
from instructsam.errors import InstructSAMError
from instructsam.structures.files import reason

BAD_INPUT = 2

# Problems of the machine, not of the program: a full or failing disk, too many open files.
_MACHINE_ERRORS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
}

# The base class of typer's usage errors; its module depends on the version of typer.
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
    label,
    evaluate,
    compare,
    robustness,
    false_alarms,
    calibrate,
    train,
    pack_run,
    unpack_run,
    ablate,
    demo,
    serve,
    mcp,
    doctor,
    build,
    convert,
    average,
):
    app.command()(command)
app.command("app")(open_app)
app.add_typer(world.app, name="world")
app.add_typer(data.app, name="data")
app.add_typer(engine.app, name="engine")


def _show_version(wanted: bool) -> None:
    if wanted:
        console.say(f"instructsam {__version__}")
        raise typer.Exit


VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit."),
]


@app.callback()
def _common(version: VersionOption = False) -> None:
    """Segment every instance in an image that an instruction names."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code. Errors that a user can fix are one line on stderr and code 2."""
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
    except BrokenPipeError:  # the reader, such as `head`, closed the pipe
        _discard_stdout()
        return 1
    except OSError as problem:
        if problem.errno not in _MACHINE_ERRORS:
            raise
        place = f"{problem.filename}: " if problem.filename else "the output cannot be written: "
        console.error(f"{place}{reason(problem)}: free some space, then repeat the command")
        _discard_stdout()
        return BAD_INPUT
    return code


def _discard_stdout() -> None:
    """Discard buffered output that cannot be written, which would fail again at exit."""
    with suppress(OSError):
        sys.stdout.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    raise SystemExit(main())
