"""The source of rows of an engine run: any that training knows, test sets, and folders of images."""

from __future__ import annotations

from instructsam.data.formats.reader import RecordReader
from instructsam.data.published import PUBLISHED
from instructsam.data.templates import NAME_ALONE
from instructsam.engine.digests import digest
from instructsam.engine.ingest.open import open_rows
from instructsam.engine.ingest.source import RowSource
from instructsam.engine.ledger.folders import is_url
from instructsam.engine.settings.config import EngineConfig
from instructsam.errors import ConfigError
from instructsam.experiments.data_check.readers import open_reader
from instructsam.experiments.excluded_images import ExcludedImages
from instructsam.training.data_settings import DataSettings

_KEYS = {
    "data.source": "source.data",
    "data.folder": "source.folder",
    "data.images": "source.images",
    "data.columns": "source.columns",
    "data.exclude": "filters.exclude",
}


def open_source(config: EngineConfig) -> RowSource:
    """The source that `config.source` names; its annotations are not read yet.

    Records about the images of `filters.exclude` are left out, so that no question is paid for them.

    Raises:
        ConfigError: there is no such source, or files are missing.
    """
    exclude = [list(config.filters.exclude), config.filters.exclude_by_pixels]
    try:
        return open_rows(config.source, lambda: _reader(config), variant=digest(exclude))
    except ConfigError as error:
        raise ConfigError(_in_keys_of_the_engine(str(error))) from error


def _reader(config: EngineConfig) -> RecordReader:
    source = config.source
    remote = is_url(source.images)
    data = DataSettings(
        source=source.data,
        folder=source.folder,
        images="" if remote else source.images,
        columns=dict(source.columns),
        templates=NAME_ALONE,
        negatives_per_positive=0,
        exclude=config.filters.exclude,
        exclude_by_pixels=config.filters.exclude_by_pixels and not remote,
        on_error="stop" if remote else "skip",  # images at a URL are looked up by the ingest alone
    )
    reader = open_reader(source.data, data)
    is_test = any(published.name == source.data and not published.train for published in PUBLISHED)
    return ExcludedImages(data).keep_out(reader, is_published=True) if is_test else reader


def _in_keys_of_the_engine(message: str) -> str:
    """The readers are those of training, and so are their messages."""
    for key, own in _KEYS.items():
        message = message.replace(key, own)
    return message
