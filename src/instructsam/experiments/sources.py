"""The sources that a configuration names; the one place that knows all of them.

A source is the drawn world, or records: of a path, of the Hugging Face hub, or of a published data set. Training and
`instructsam data check` read records by the same functions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from instructsam.config import build_config
from instructsam.data.detect import find_reader_of_path, split_name
from instructsam.data.formats.hugging_face import open_hub
from instructsam.data.formats.reader import ReadOptions, RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.formats.table import HUB
from instructsam.data.held_out import split_by_image
from instructsam.data.image_store import FolderImages
from instructsam.data.negatives import Negatives, WithNegatives, positives_per_image
from instructsam.data.published import PUBLISHED, Published
from instructsam.data.record import Record
from instructsam.data.record_source import RecordSource
from instructsam.data.sources import Mixture, SampleSource, endless
from instructsam.data.templates import NAME_ALONE, Wording
from instructsam.data.vocabulary import Vocabulary
from instructsam.errors import ConfigError
from instructsam.experiments.excluded_images import ExcludedImages
from instructsam.training.data_settings import DataSettings
from instructsam.world.source import WorldSource, WorldSourceSettings

WORLD = "world"
MISSING = "instructions about images that are missing"


def check_source(data: DataSettings) -> None:
    """Refuse a source that cannot be opened, without reading its records.

    Raises:
        ConfigError: an option of the world is wrong, a name is unknown, or files are missing.
    """
    describe_source(data)


def describe_source(data: DataSettings) -> dict[str, str]:
    """The format of every source by its name, such as {"shop/instances.json": "COCO JSON"}.

    Raises:
        ConfigError: as in `check_source`.
    """
    world_settings(data)
    for key, value in (("data.images", data.images), ("data.instructions", data.instructions)):
        unknown = set(value) - set(data.weights) if isinstance(value, dict) else set()
        if unknown:
            raise ConfigError(
                f"{key} must name sources of data.source ({', '.join(data.weights)}), got {sorted(unknown)[0]!r}"
            )
    excluded = ExcludedImages(data)
    return {
        name: name if name == WORLD else find_reader(name, data, excluded=excluded).format
        for name in data.weights
    }


def find_reader(
    name: str, data: DataSettings, seed: int = 0, excluded: ExcludedImages | None = None
) -> RecordReader:
    """The reader of a source of records; nothing but names and a few bytes is read yet.

    Args:
        name: a path, a path with a split, or a published data set.
        data: says where its files are and how they are read.
        seed: of the wordings of categories.
        excluded: the test images that its records are not about; None: those of `data.exclude`.

    Raises:
        ConfigError: there is no such source, or files are missing.
    """
    excluded = ExcludedImages(data) if excluded is None else excluded
    published = next((known for known in PUBLISHED if known.name == name), None)
    if published is not None:
        _check_published(published, data.folder)
        return excluded.keep_out(_published_reader(published, Path(data.folder)), is_published=True)
    path, _ = split_name(name)
    if not name.startswith(HUB) and not os.path.lexists(path):
        raise ConfigError(
            f"data.source must be {WORLD}, a path, hf:ORG/NAME, or with data.folder one of {_train_splits()}; there is "
            f"no file or folder {str(path)!r}"
        )
    images, instructions = _of_source(data.images, name), _of_source(data.instructions, name)
    if images is not None and not images.is_dir():
        raise ConfigError(f"data.images must be the folder of the images of {name}, got {str(images)!r}")
    options = ReadOptions(
        images=images,
        instructions=instructions,
        templates=data.templates,
        seed=seed,
        negatives=data.negatives_per_positive > 0,
        columns=data.columns,
        skip_missing=data.on_error == "skip",
    )
    reader = open_hub(name, options) if name.startswith(HUB) else find_reader_of_path(name, options)
    return excluded.keep_out(_without_missing(reader) if options.skip_missing else reader, is_published=False)


def _published_reader(published: Published, folder: Path) -> RecordReader:
    name, form, images = published.name, published.publisher, FolderImages(folder)
    read_seeing, vocabulary = published.read_seeing, Vocabulary()
    licence = _licences(published, folder)
    if read_seeing is None:
        return RecordReader(name, form, images, lambda tally: published.read(folder, tally), licence=licence)
    return RecordReader(
        name, form, images, lambda tally: read_seeing(folder, tally, vocabulary), vocabulary, licence=licence
    )


def _licences(published: Published, folder: Path) -> Callable[[str], str]:
    """Looks up the licence of an image; the licences are read for the first one."""
    found: list[Mapping[str, str]] = []

    def licence(file: str) -> str:
        if not found:
            found.append({} if published.list_licences is None else published.list_licences(folder))
        return found[0].get(file, "")

    return licence


def open_source(data: DataSettings, seed: int, images_per_step: int, held_out: float = 0.0) -> SampleSource:
    """The endless source of a run.

    Args:
        data: names the source, or several with their weights or repeats.
        seed: of the run.
        images_per_step: samples that all processes draw in one step.
        held_out: share of the images of every source of files that is kept for validation (`data.held_out`).

    Raises:
        ConfigError: as in `check_source`.
        InputError: a record is malformed, or there are none.
    """
    check_source(data)
    excluded = ExcludedImages(data)
    parts = [
        (_open(name, data, seed, images_per_step, excluded, held_out), weight)
        for name, weight in data.weights.items()
    ]
    return endless(parts[0][0], seed) if len(parts) == 1 else Mixture(parts, seed, data.mixture)


def _open(
    name: str, data: DataSettings, seed: int, images_per_step: int, excluded: ExcludedImages, held_out: float
) -> SampleSource:
    if name == WORLD:
        return WorldSource(world_settings(data), seed, data.instructions_per_image, images_per_step)
    reader, tally = find_reader(name, data, seed, excluded), Tally()
    records: Iterable[Record] = reader.read(tally)
    if held_out:
        records, _ = split_by_image(list(records), held_out, name)
    return _with_negatives(reader, records, data, seed, tally)


def _with_negatives(
    reader: RecordReader, records: Iterable[Record], data: DataSettings, seed: int, tally: Tally
) -> SampleSource:
    """The records as samples, with instructions for absent categories where the source tells what is absent."""
    rate, most = data.negatives_per_positive, data.instructions_per_image
    if not rate or not ((reader.templates and reader.vocabulary is not None) or data.negatives_from == "all"):
        return RecordSource(reader.name, reader.images, records, most, tally, data.max_side)
    positives = positives_per_image(most, rate)
    source = RecordSource(reader.name, reader.images, records, positives, tally, data.max_side)
    negatives = find_negatives(reader, [record for group in source.groups for record in group], data, seed)
    return source if negatives is None else WithNegatives(source, negatives, most, seed)


def find_negatives(
    reader: RecordReader, records: Sequence[Record], data: DataSettings, seed: int
) -> Negatives | None:
    """The absent categories of a source that has been read; None where none are known or wanted."""
    vocabulary, templates = reader.vocabulary, reader.templates
    if data.negatives_from == "all" and (vocabulary is None or not vocabulary.shown):
        vocabulary, templates = Vocabulary.of_instructions(records), NAME_ALONE
    if not data.negatives_per_positive or not templates or vocabulary is None or len(vocabulary.used) < 2:
        return None
    return Negatives(vocabulary, data.negatives_per_positive, Wording(templates, seed, vocabulary.used))


def world_settings(data: DataSettings) -> WorldSourceSettings:
    """The options of the drawn world, checked."""
    return build_config(WorldSourceSettings, data.world, prefix="data.world.")


def _without_missing(reader: RecordReader) -> RecordReader:
    """The reader without records about images that are missing, which it counts."""

    def read(tally: Tally) -> Iterator[Record]:
        there: dict[str, bool] = {}
        for record in reader.read(tally):
            file = record.image.file
            if file not in there:
                there[file] = reader.images.has(file)
            if there[file]:
                yield record
            else:
                tally.leave_out(MISSING, example=reader.images.place(file))

    return replace(reader, read=read)


def _of_source(value: str | dict[str, str], name: str) -> Path | None:
    path = value.get(name, "") if isinstance(value, dict) else value
    return Path(path) if path else None


def _check_published(published: Published, folder: str) -> None:
    if not published.train:
        raise ConfigError(
            f"data.source must not be a test split, got {published.name}: train on one of {_train_splits()}"
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


def _train_splits() -> str:
    return ", ".join(known.name for known in PUBLISHED if known.train)
