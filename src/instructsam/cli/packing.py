"""`instructsam pack-run` and `instructsam unpack-run`: a run as a few small files, to resume it on another machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from instructsam.cli import console
from instructsam.structures.checks import check_number

if TYPE_CHECKING:
    from instructsam.training.pack_files import Pack


def pack_run(
    run_folder: Annotated[Path, typer.Argument(help="Folder of the run, such as runs/finetune.")],
    out: Annotated[Path, typer.Argument(help="Folder for the files; an earlier pack in it is replaced.")],
    max_megabytes: Annotated[
        float, typer.Option("--max-megabytes", help="Largest file, in millions of bytes.")
    ] = 15.0,
) -> int:
    """Write what a resumed run needs as a few small files: the newest checkpoint, settings, log and models."""
    check_number(max_megabytes, "--max-megabytes", 0.01, 1e6)
    from instructsam.training import packing

    _say(packing.pack_run(run_folder, out, max_megabytes), out)
    return 0


def unpack_run(
    out: Annotated[Path, typer.Argument(help="Folder that pack-run wrote.")],
    run_folder: Annotated[Path, typer.Argument(help="Folder of the run to make; must not exist.")],
) -> int:
    """Make a run folder out of the files that pack-run wrote; train --resume continues from it."""
    from instructsam.training import packing

    made = packing.unpack_run(out, run_folder)
    console.say(f"unpacked step {made.step} into {run_folder}: continue with instructsam train ... --resume")
    return 0


def pack_writer(run_folder: Path, out: Path) -> Callable[[Path, int], None]:
    """For `trainer.run`: writes the pack at each checkpoint, so that a killed process loses minutes only."""
    from instructsam.training import packing

    def write_pack(model: Path, step: int) -> None:
        packing.pack_own_run(run_folder, out)

    return write_pack


def finish_pack(run_folder: Path, out: Path) -> None:
    """Pack a run that has ended, unless its last checkpoint is packed already, and print where it is."""
    from instructsam.training import pack_files, packing

    pack = pack_files.packed(out)
    if pack is None or pack.step != packing.latest_step(run_folder):
        pack = packing.pack_run(run_folder, out)
    _say(pack, out)


def _say(pack: Pack, out: Path) -> None:
    console.say(f"packed step {pack.step} into {out}: {pack.files} files, {pack.size / 1e6:.1f} MB")
