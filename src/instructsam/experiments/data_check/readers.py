"""The reader of the source that a check is about: any that can be trained on, and published test sets."""

from __future__ import annotations

from pathlib import Path

from instructsam.data.formats.reader import RecordReader
from instructsam.data.image_store import FolderImages
from instructsam.data.published import PUBLISHED
from instructsam.errors import ConfigError
from instructsam.experiments.data_check.world_records import world_reader
from instructsam.experiments.sources import WORLD, find_reader
from instructsam.training.data_settings import DataSettings
from instructsam.world.splits.stream import WorldSettings


def open_reader(name: str, data: DataSettings) -> RecordReader:
    """The reader of a source; its records are not read yet.

    Args:
        name: "world", a published set, a path or a name on the hub.
        data: says where its files are and how they are read.

    Raises:
        ConfigError: there is no such source, or files are missing.
    """
    if name == WORLD:
        return world_reader(0, WorldSettings(instructions_per_scene=data.instructions_per_image))
    published = next((known for known in PUBLISHED if known.name == name), None)
    if published is None or published.train:
        return find_reader(name, data)
    folder = Path(data.folder)
    if not data.folder or published.missing(folder):
        missing = ", ".join(published.missing(folder)) if data.folder else "its files"
        raise ConfigError(
            f"{name} needs {missing} in the data folder, got {data.folder!r}: name the folder with --data DIR; get "
            f"{published.publisher}"
        )
    return RecordReader(
        name, published.publisher, FolderImages(folder), lambda tally: published.read(folder, tally)
    )
