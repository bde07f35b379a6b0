"""The detector and the re-grounding model of a run, for commands that need the keys of parts and not the models.

The keys contain fingerprints of weights. `instructsam engine run` stores them, so that status, review and export
open no model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from instructsam.engine.settings.config import EngineConfig
from instructsam.errors import InputError
from instructsam.structures.answering import Answerer, Mode
from instructsam.structures.calls import Calls
from instructsam.structures.checks import parse_json
from instructsam.structures.files import reason, write_json

DETECTOR, REGROUNDER = "source.detector", "reground.model"


@dataclass(frozen=True)
class ClosedModel:
    """An `Answerer` that has a fingerprint and answers nothing."""

    fingerprint: str
    score_threshold: float = 0.5
    default_mode: Mode = "direct"
    calls: Calls | None = None

    def segment(self, *args: Any, **options: Any) -> NoReturn:
        """
        Raises:
            InputError: always.
        """
        raise InputError("this model is not opened: its stages have keys and cannot run")


@dataclass(frozen=True)
class LocalModels:
    """The arguments of `stages.table.build_stages` beside the configuration.

    Attributes:
        detector: of `config.source.detector`; None without one.
        regrounder: of `config.reground.model`; None without one.
    """

    detector: Answerer | None = None
    regrounder: Answerer | None = None


@dataclass(frozen=True)
class _Stored:
    name: str
    fingerprint: str


_STORED: TypeAdapter[dict[str, _Stored]] = TypeAdapter(dict[str, _Stored])


def names_of_models(config: EngineConfig) -> dict[str, str]:
    """The models that run in this process, by the key of the configuration that names them."""
    named = {DETECTOR: config.source.detector, REGROUNDER: config.reground.model}
    return {key: name for key, name in named.items() if name}


def store_models(path: Path, config: EngineConfig, models: LocalModels) -> None:
    """Write the names and fingerprints of the opened models.

    Raises:
        InputError: the configuration names a model that is not given, or the file cannot be written.
    """
    opened = {DETECTOR: models.detector, REGROUNDER: models.regrounder}
    stored = {}
    for key, name in names_of_models(config).items():
        stored[key] = {"name": name, "fingerprint": given_model(opened[key], key).fingerprint}
    write_json(path, stored)


def load_models(path: Path, config: EngineConfig) -> LocalModels:
    """The models that `store_models` wrote, closed.

    Raises:
        InputError: the configuration names a model that the file does not know, or the file is damaged.
    """
    names = names_of_models(config)
    stored = _read(path) if names else {}
    for key, name in names.items():
        if key not in stored or stored[key].name != name:
            known = stored[key].name if key in stored else "none"
            raise InputError(
                f"{key}: expected the model of the last run ({known}), got {name!r}: run the engine with it first"
            )
    closed: Mapping[str, Answerer] = {key: ClosedModel(stored[key].fingerprint) for key in names}
    return LocalModels(closed.get(DETECTOR), closed.get(REGROUNDER))


def given_model(answerer: Answerer | None, key: str) -> Answerer:
    """The model of a key of the configuration.

    Raises:
        InputError: there is none.
    """
    if answerer is None:
        raise InputError(f"the configuration names a model as {key}: expected it opened, got None")
    return answerer


def _read(path: Path) -> dict[str, _Stored]:
    if not path.exists():
        return {}
    try:
        return _STORED.validate_python(parse_json(path.read_bytes(), str(path)))
    except OSError as error:
        raise InputError(f"{path}: the models of the run cannot be read ({reason(error)})") from error
    except ValidationError as error:
        raise InputError(
            f"{path}: expected a name and a fingerprint for each model, got other values: run the engine again"
        ) from error
