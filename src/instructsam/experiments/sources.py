"""The source of training samples that a configuration names; the one place that knows all of them."""

from __future__ import annotations

from pathlib import Path

from instructsam.config import build_config
from instructsam.data.published import PUBLISHED, Published
from instructsam.data.record_source import RecordSource
from instructsam.data.sources import Mixture, SampleSource, endless
from instructsam.errors import ConfigError
from instructsam.training.data_settings import DataSettings
from instructsam.world.source import WorldSource, WorldSourceSettings

WORLD = "world"
TRAIN = "/train"  # published splits to train on end so


def check_source(data: DataSettings) -> None:
    """Refuse a source that cannot be opened, without reading its records.

    Raises:
        ConfigError: an option of the world is wrong, a name is unknown, or files are missing.
    """
    world_settings(data)
    for name in data.weights:
        if name != WORLD and (published := _published(name)) is not None:
            _check_published(published, data.folder)
        elif name != WORLD:
            _records_path(name)


def open_source(data: DataSettings, seed: int, images_per_step: int) -> SampleSource:
    """The endless source of a run.

    Args:
        data: names the source, or several with their weights.
        seed: of the run.
        images_per_step: samples that all processes draw in one step.

    Raises:
        ConfigError: as in `check_source`.
        InputError: a record is malformed, or there are none.
    """
    check_source(data)
    parts = [(_open(name, data, seed, images_per_step), weight) for name, weight in data.weights.items()]
    return endless(parts[0][0], seed) if len(parts) == 1 else Mixture(parts, seed)


def _open(name: str, data: DataSettings, seed: int, images_per_step: int) -> SampleSource:
    if name == WORLD:
        return WorldSource(world_settings(data), seed, data.instructions_per_image, images_per_step)
    published = _published(name)
    if published is not None:
        return RecordSource.published(published, Path(data.folder), data.instructions_per_image)
    return RecordSource.open(_records_path(name), data.instructions_per_image)


def world_settings(data: DataSettings) -> WorldSourceSettings:
    """The options of the drawn world, checked."""
    return build_config(WorldSourceSettings, data.world, prefix="data.world.")


def _published(name: str) -> Published | None:
    return next((known for known in PUBLISHED if known.name == name), None)


def _check_published(published: Published, folder: str) -> None:
    if not published.name.endswith(TRAIN):
        splits = ", ".join(known.name for known in PUBLISHED if known.name.endswith(TRAIN))
        raise ConfigError(
            f"data.source must not be a test split, got {published.name}: train on one of {splits}"
        )
    if not folder:
        raise ConfigError(
            f"data.source: {published.name} needs its files: set data.folder to the data folder"
        )
    if missing := published.missing(Path(folder)):
        raise ConfigError(
            f"data.source: {published.name} needs {', '.join(missing)} in the data folder {folder!r}: get "
            f"{published.publisher}, or see what is there with: instructsam data check"
        )


def _records_path(name: str) -> Path:
    """The file or folder of records that a name stands for."""
    path = Path(name)
    if path.is_file() or (path / "records.jsonl").is_file():
        return path
    splits = ", ".join(known.name for known in PUBLISHED if known.name.endswith(TRAIN))
    raise ConfigError(
        f"data.source must be {WORLD}, a file of Inst2Seg records, a folder with records.jsonl, or with data.folder "
        f"one of {splits}; got {name!r}"
    )
