"""Validation of a training run by `evaluation`: on a benchmark, a source of records, or held-out training images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from PIL import Image

from instructsam.data.formats.reader import RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.held_out import split_by_image
from instructsam.data.image_store import ImageStore
from instructsam.data.negatives import with_negative_records
from instructsam.data.record import Record
from instructsam.data.targets import with_known_answer, with_masks
from instructsam.errors import ConfigError, InputError
from instructsam.evaluation.benchmarks.benchmark import Benchmark, Loaded
from instructsam.evaluation.benchmarks.names import get_benchmark, is_benchmark_name
from instructsam.evaluation.metrics.metric import Metric
from instructsam.evaluation.metrics.registry import METRICS, table_metrics
from instructsam.experiments.sources import WORLD, find_negatives, find_reader
from instructsam.structures.answering import Mode
from instructsam.training.data_settings import DataSettings
from instructsam.training.settings import RunConfig
from instructsam.training.validation import Validate, ValidationResult


class BenchmarkValidation:
    """Scores model folders on a benchmark (`training.validation.Validate`)."""

    def __init__(
        self, benchmark: Benchmark, metric: Metric, limit: int | None, mode: Mode, pictures: int, device: str
    ) -> None:
        self.benchmark = benchmark
        self.name = f"{benchmark.name} ({benchmark.check(limit) or 'all'} instructions)"
        self.metric, self.title = metric.key, metric.title
        self.lower_is_better = metric.lower_is_better
        self.limit, self.mode, self.pictures, self.device = limit, mode, pictures, device

    def __call__(self, model: Path, check: Callable[[], None]) -> ValidationResult:
        """Answer every instruction with the model and score the answers."""
        from instructsam.evaluation.runner import evaluate
        from instructsam.inference.loading import load

        segmenter = load(model, device=self.device)
        mode = segmenter.default_mode if self.mode == "auto" else self.mode
        report = evaluate(segmenter, self.benchmark, self.limit, mode == "direct", progress=lambda _: check())
        overall = report.summary["overall"]
        keys = dict.fromkeys((self.metric, *(metric.key for metric in table_metrics())))
        drawn = {}
        for number, (image, record) in enumerate(self._examples(), start=1):
            check()
            drawn[f"example-{number}"] = segmenter.segment(image, record.instruction, mode=mode).overlay()
        segmenter.unload()
        return ValidationResult({key: overall.get(key) for key in keys}, drawn)

    def _examples(self) -> Iterator[tuple[Image.Image, Record]]:
        """The first instruction of each of the first images."""
        seen: set[str] = set()

        def unseen() -> Iterator[tuple[Image.Image, Record]]:
            for image, record in self.benchmark.load(self.limit):
                if record.image.file not in seen and isinstance(image, Image.Image):
                    seen.add(record.image.file)
                    yield image, record

        return islice(unseen(), self.pictures)


def open_validate(config: RunConfig) -> Validate | None:
    """The validation of a run; None where its settings want none.

    Raises:
        ConfigError: the metric or the source is unknown, or nothing can be held out.
        InputError: a record is malformed, or files are missing.
    """
    settings = config.validation
    if not settings.wanted:
        return None
    metric = find_metric(settings.metric)
    benchmark = _held_out(config) if settings.share else _named(config)
    device = "cpu" if config.device == "cpu" else "auto"
    limit = settings.limit
    return BenchmarkValidation(benchmark, metric, limit, settings.mode, settings.pictures, device)


def check_validation(config: RunConfig) -> None:
    """Refuse a validation that cannot work, without reading records.

    Raises:
        ConfigError: as in `open_validate`.
    """
    settings = config.validation
    if not settings.wanted:
        return
    find_metric(settings.metric)
    if settings.share:
        _sources(config)
    elif not is_benchmark_name(settings.source):
        find_reader(settings.source, _data_of(config))
    elif not settings.source.startswith(f"{WORLD}/"):
        _benchmark(config)


def find_metric(name: str) -> Metric:
    """A metric by its key or title.

    Raises:
        ConfigError: there is none of that name.
    """
    wanted = name.casefold()
    for metric in METRICS.values():
        if wanted in (metric.key.casefold(), metric.title.casefold()):
            return metric
    raise ConfigError(f"validation.metric must be one of {', '.join(METRICS)}, got {name!r}")


def _sources(config: RunConfig) -> list[str]:
    names = [name for name in config.data.weights if name != WORLD]
    if not names:
        raise ConfigError(
            "validation.share holds out images of files, and the drawn world has none: set validation.source=world/val"
        )
    return names


def _held_out(config: RunConfig) -> Benchmark:
    """The images that training leaves out (`experiments.sources.open_source`)."""
    parts: list[tuple[ImageStore, Record]] = []
    for name in _sources(config):
        reader = find_reader(name, config.data, config.seed)
        records = list(reader.read(Tally()))
        _, held_out = split_by_image(records, config.validation.share, name)
        parts += [(reader.images, record) for record in _scored(reader, records, held_out, config)]
    if not parts:
        raise ConfigError(
            "validation.share holds out no instruction whose answer is known by masks: raise it, set it to 0, or name "
            "records with masks in validation.source"
        )
    return _benchmark_of("held-out images", parts)


def _named(config: RunConfig) -> Benchmark:
    """A benchmark by its name, or a source of records."""
    name = config.validation.source
    if is_benchmark_name(name):
        return _benchmark(config)
    reader = find_reader(name, _data_of(config), config.seed)
    records = list(reader.read(Tally()))
    scored = _scored(reader, records, records, config)
    return _benchmark_of(name, [(reader.images, record) for record in scored])


def _scored(
    reader: RecordReader, records: list[Record], chosen: list[Record], config: RunConfig
) -> list[Record]:
    """The chosen records of a source that can be scored, with negatives as in training, but always the same ones."""
    tally = Tally()
    known = list(with_masks(with_known_answer(chosen, Tally()), tally))
    for line in tally.lines():
        logging.getLogger(__name__).warning("validation on %s: %s", reader.name, line)
    negatives = find_negatives(reader, records, config.data, config.seed)
    return known if negatives is None else with_negative_records(known, negatives, config.seed)


def _benchmark(config: RunConfig) -> Benchmark:
    try:
        return get_benchmark(config.validation.source, config.data.folder or None)
    except InputError as error:
        raise ConfigError(f"validation.source: {error}") from error


def _data_of(config: RunConfig) -> DataSettings:
    settings = config.validation
    changes = {"source": settings.source, "images": settings.images, "instructions": ""}
    data: DataSettings = config.data.model_copy(update=changes)
    return data


def _benchmark_of(name: str, parts: list[tuple[ImageStore, Record]]) -> Benchmark:
    def loaded(limit: int | None) -> Iterator[Loaded]:
        current: tuple[str, Image.Image | InputError] | None = None
        for images, record in islice(parts, limit):
            if current is None or current[0] != record.image.file:
                current = record.image.file, _image(images, record)
            yield current[1], record

    return Benchmark(name, loaded, size=lambda: len(parts))


def _image(images: ImageStore, record: Record) -> Image.Image | InputError:
    try:
        return Image.fromarray(images.load(record))
    except InputError as error:
        return error
