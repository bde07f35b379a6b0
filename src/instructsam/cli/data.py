"""`instructsam data check FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from instructsam.cli import console

app = typer.Typer(help="Inst2Seg record files.", rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Inst2Seg records."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A records.jsonl.")],
) -> int:
    """Read every record; the first wrong one is named with its line and field."""
    from instructsam.data.record import read_records

    records = phrases = instances = no_target = 0
    for record in read_records(file):
        found = sum(len(phrase.instances) for phrase in record.phrases)
        records += 1
        phrases += len(record.phrases)
        instances += found
        no_target += found == 0
    console.say(
        f"{file}: {records} records, {phrases} phrases, {instances} instances, {no_target} without target"
    )
    return 0
