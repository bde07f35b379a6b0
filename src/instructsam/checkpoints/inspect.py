"""The tensors of a model folder by part, from the headers of its files; no weights are loaded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instructsam.checkpoints.folder import CONFIG_ERRORS, read_config
from instructsam.checkpoints.headers import FLOATS, has_weights, require_fit, tensors, used_tensors
from instructsam.checkpoints.hub import SMALL_FILES, cached, fetch, remote_headers, revision_of
from instructsam.checkpoints.processors import load_processor
from instructsam.checkpoints.resolve import local_folder
from instructsam.errors import CheckpointError, first_line

PARTS: tuple[tuple[str, str], ...] = (
    ("text head", "lm_head."),
    ("instance queries", "instance_queries."),
    ("projectors", "query_projector."),
    ("projectors", "phrase_projector."),
)
LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "NOTICE", "README.md")


@dataclass
class Part:
    """Numbers of tensors, parameters and bytes of one part of a model."""

    tensors: int = 0
    parameters: int = 0
    num_bytes: int = 0


@dataclass
class Account:
    """Every tensor of a model folder, by part.

    Attributes:
        layout: "native" or "published".
        parts: part name -> its sums; "not used" counts published tensors that the forward pass does not need.
        dtypes: number format -> number of tensors.
        missing, unexpected, misshapen: tensors that keep the folder from loading, by their names in the files; a
            wrong number format counts as misshapen.
        revision: commit of the hub's snapshot, "" for a plain folder.
        problems: other reasons that keep it from loading, such as a missing tokenizer.
        licence: first lines of licence files, with the file's name.
    """

    folder: Path
    layout: str
    parts: dict[str, Part] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)
    revision: str = ""
    licence: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every tensor is accounted for and nothing else is wrong."""
        return not (self.missing or self.unexpected or self.misshapen or self.problems)

    def require_complete(self) -> None:
        """Refuse a folder that cannot be loaded.

        Raises:
            CheckpointError: a tensor is missing, unexpected or misshapen.
        """
        wrong = [f"missing {name}" for name in self.missing] + [
            f"unexpected {name}" for name in self.unexpected
        ]
        wrong += self.misshapen
        hint = f"; `instructsam doctor {self.folder}` lists all"
        require_fit(f"the model in {self.folder} does not fit", wrong, hint=hint)

    @property
    def total(self) -> Part:
        """Sums over all parts."""
        parts = self.parts.values()
        return Part(
            sum(part.tensors for part in parts),
            sum(part.parameters for part in parts),
            sum(part.num_bytes for part in parts),
        )

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "folder": str(self.folder),
            "layout": self.layout,
            "parts": {name: vars(part) for name, part in self.parts.items()},
            "total": vars(self.total),
            "dtypes": self.dtypes,
            "missing": self.missing,
            "unexpected": self.unexpected,
            "misshapen": self.misshapen,
            "revision": self.revision,
            "licence": self.licence,
            "problems": self.problems,
        }


def account_of(name_or_path: str | Path, revision: str | None = None) -> Account:
    """The account of a folder or a hub id; for a hub id that is not in the cache only the headers are downloaded.

    Raises:
        CheckpointError: as `account`, or the hub refuses.
    """
    name, headers = str(name_or_path), None
    folder = local_folder(name_or_path)
    if folder is None:
        folder = cached(name, revision)
        if folder is None or not has_weights(folder):
            folder = fetch(name, revision, SMALL_FILES)
            headers = remote_headers(name, revision_of(folder) or revision)
    found = account(folder, headers)
    try:
        load_processor(folder)
    except CheckpointError as error:
        found.problems.append(str(error))
    return found


def account(folder: Path, headers: Iterable[tuple[str, dict[str, Any]]] | None = None) -> Account:
    """Read the account of a model folder in either layout.

    Args:
        folder: holds config.json and, unless `headers` are given, the weights.
        headers: name and header entry of every tensor, where the weights themselves are elsewhere.

    Raises:
        CheckpointError: a file is missing or damaged, or config.json is not that of an InstructSAM model.
    """
    config, published = read_config(folder)
    expected, parts = expected_shapes(config), model_parts(config)
    result = Account(folder, "published" if published else "native", revision=revision_of(folder))
    seen: set[str] = set()
    for ours, name, entry in used_tensors(tensors(folder) if headers is None else headers, published):
        shape = tuple(entry["shape"])
        if ours is not None and ours not in expected:
            result.unexpected.append(name)
        elif ours is not None:
            seen.add(ours)
            if shape != expected[ours]:
                result.misshapen.append(f"{name} is {shape}, config.json requires {expected[ours]}")
            if entry["dtype"] not in FLOATS:
                place = f" in {entry['file']}" if "file" in entry else ""
                formats = ", ".join(FLOATS)
                result.misshapen.append(f"{name} is {entry['dtype']}{place}, expected one of {formats}")
        part = result.parts.setdefault(part_of(ours, parts), Part())
        part.tensors += 1
        part.parameters += math.prod(shape)
        part.num_bytes += entry["data_offsets"][1] - entry["data_offsets"][0]
        result.dtypes[entry["dtype"]] = result.dtypes.get(entry["dtype"], 0) + 1
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    result.missing = sorted(expected.keys() - seen - tied)
    result.licence = licence_notes(folder)
    return result


def expected_shapes(config: Any) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor that a configuration requires; allocates no memory.

    Raises:
        CheckpointError: its sizes do not fit one another.
    """
    import torch
    from transformers.initialization import no_init_weights

    from instructsam.model.instructsam import InstructSAMModel

    try:
        with torch.device("meta"), no_init_weights():
            model = InstructSAMModel(config)
    except (*CONFIG_ERRORS, RuntimeError) as error:
        raise CheckpointError(f"config.json does not describe a model: {first_line(error)}") from error
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def model_parts(config: Any) -> tuple[tuple[str, str], ...]:
    """Title and name prefix of every part of a model."""
    from instructsam.model.detector.registry import detector_class
    from instructsam.model.vlm.registry import vlm_class

    vlm = vlm_class(config.vlm_config.model_type).parts
    detector = detector_class(config.detector_config.model_type).parts
    return (
        *((title, f"vlm.{prefix}") for title, prefix in vlm),
        *PARTS,
        *((title, f"detector.{prefix}") for title, prefix in detector),
    )


def part_of(name: str | None, parts: tuple[tuple[str, str], ...]) -> str:
    """The part that one of our tensors belongs to; `parts` as of `model_parts`."""
    if name is None:
        return "not used"
    for part, prefix in parts:
        if name.startswith(prefix):
            return part
    return "unknown"


def licence_notes(folder: Path) -> list[str]:
    """The licence stated in the folder: the README's field, the first line of a licence file."""
    notes = []
    for name in LICENCE_FILES:
        path = folder / name
        if not path.is_file():
            continue
        lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
        wanted = [line for line in lines if line.lower().startswith(("license", "licence"))]
        first = wanted[:1] if name == "README.md" else [line for line in lines if line][:1]
        notes += [f"{name}: {line}" for line in first]
    return notes
