"""`instructsam doctor [MODEL]`: what is installed here and what is missing; what a model folder holds."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from instructsam.cli import console
from instructsam.cli.options import JsonOption
from instructsam.structures.safe_text import one_line

CHECKPOINT_FILES = ("config.json", "model.safetensors")


def default_checkpoint() -> Path:
    """The folder of the shipped default."""
    return Path(str(files("instructsam").joinpath("assets/default")))


def doctor(
    model: Annotated[
        str | None,
        typer.Argument(help="A model folder or hub id: account for its tensors, without loading them."),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a hub id.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Print versions, device and what is missing; with MODEL the account of its tensors instead.

    Exit code 1 when torch, the shipped default checkpoint or a tensor of MODEL is missing.
    """
    if model is not None:
        return _account(model, revision, as_json)
    facts, complete = _facts()
    if as_json:
        console.print_json(facts)
    else:
        for name, value in facts.items():
            print(f"{name:<20}{one_line(value, None)}")
    return 0 if complete else 1


def _account(model: str, revision: str | None, as_json: bool) -> int:
    from instructsam.checkpoints.inspect import account_of

    found = account_of(model, revision)
    if as_json:
        console.print_json(found.as_dict())
        return 0 if found.complete else 1
    print(f"{'folder':<32}{one_line(found.folder, None)}")
    print(f"{'layout':<32}{found.layout}{f', revision {found.revision}' if found.revision else ''}")
    print(f"{'number formats':<32}{', '.join(f'{n} x {kind}' for kind, n in found.dtypes.items())}")
    for line in found.licence or ["not stated in the folder"]:
        print(f"{'licence':<32}{one_line(line, None)}")
    print(f"\n{'part':<32}{'tensors':>8}{'parameters':>16}{'MB':>10}")
    for name, part in [*found.parts.items(), ("all", found.total)]:
        print(f"{name:<32}{part.tensors:>8,}{part.parameters:>16,}{part.num_bytes / 1e6:>10,.1f}")
    problems = {"missing": found.missing, "unexpected": found.unexpected, "misshapen": found.misshapen}
    for kind, names in problems.items():
        for name in names:
            print(f"{kind}: {one_line(name, None)}")
    for line in found.problems:
        print(f"problem: {one_line(line, None)}")
    print("\nevery tensor is accounted for" if found.complete else "\nthis model cannot be loaded as it is")
    return 0 if found.complete else 1


def _facts() -> tuple[dict[str, Any], bool]:
    from instructsam.evaluation.reports.report import versions

    facts: dict[str, Any] = dict(versions())
    try:
        import torch
    except ImportError as problem:
        facts["torch"] = f"cannot be imported ({problem})"
        usable = False
    else:
        cuda = torch.cuda.is_available()
        facts["device"] = torch.cuda.get_device_name(0) if cuda else "cpu"
        facts["threads"] = torch.get_num_threads()
        usable = True
    facts["cpu cores"] = os.cpu_count()
    folder = default_checkpoint()
    missing = [name for name in CHECKPOINT_FILES if not (folder / name).is_file()]
    facts["default checkpoint"] = f"{folder} lacks {', '.join(missing)}" if missing else str(folder)
    return facts, usable and not missing
