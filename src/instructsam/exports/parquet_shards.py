"""Parquet files of a data set for the Hugging Face hub, written row by row and named as the hub names them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from instructsam.errors import MissingExtraError

FOLDER = "data"
GROUP_ROWS = 100
_GROUP_BYTES = 64_000_000
_SHARD_BYTES = 500_000_000


def import_pyarrow(extra: str) -> Any:
    """The `pyarrow` package with its Parquet module.

    Args:
        extra: of this package that brings it, for the message.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError(f"Parquet files need pyarrow: pip install 'instructsam[{extra}]'") from error
    return pyarrow


class ParquetShards:
    """Writes the rows of a split; memory is that of one row group.

    Args:
        arrow: see `import_pyarrow`.
        folder: existing folder of the data set; the files go into `FOLDER`.
        split: begins the names of the files.
        schema: of the rows.
        shard_rows: most rows of a file; a file is also full at 500 MB.
    """

    def __init__(
        self, arrow: Any, folder: Path, split: str, schema: Any, shard_rows: int | None = None
    ) -> None:
        self._arrow, self._split, self._schema = arrow, split, schema
        self._folder = folder / FOLDER
        self._folder.mkdir(exist_ok=True)
        self._shard_rows = shard_rows
        self._files: list[Path] = []
        self._writer: Any = None
        self._group: list[dict[str, Any]] = []
        self._group_bytes = self._shard_bytes = self._rows = 0

    def add(self, row: dict[str, Any], size: int) -> None:
        """Add a row of about so many bytes. Raises OSError."""
        self._group.append(row)
        self._group_bytes += size
        self._rows += 1
        full = self._rows == self._shard_rows or self._shard_bytes + self._group_bytes >= _SHARD_BYTES
        if full or len(self._group) == GROUP_ROWS or self._group_bytes >= _GROUP_BYTES:
            self._write_group()
        if full:
            self._end_shard()

    def close(self, schema: Any = None) -> list[Path]:
        """Complete the files and give them their names.

        Args:
            schema: with the final metadata, if it was not known before; the files are then copied once.

        Raises:
            OSError: a file cannot be written.
        """
        if self._group:
            self._write_group()
        elif not self._files:
            self._begin_shard()
        self._end_shard()
        named = []
        for number, file in enumerate(self._files):
            path = file.with_name(f"{self._split}-{number:05d}-of-{len(self._files):05d}.parquet")
            if schema is None:
                file.rename(path)
            else:
                self._copy(file, path, schema)
                file.unlink()
            named.append(path)
        return named

    def abandon(self) -> None:
        """Close the file that is open."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_group(self) -> None:
        if self._writer is None:
            self._begin_shard()
        self._writer.write_table(self._arrow.Table.from_pylist(self._group, schema=self._schema))
        self._shard_bytes += self._group_bytes
        self._group_bytes = 0
        self._group.clear()

    def _begin_shard(self) -> None:
        self._files.append(self._folder / f".{self._split}-{len(self._files):05d}")
        self._writer = self._open(self._files[-1], self._schema)

    def _end_shard(self) -> None:
        self.abandon()
        self._shard_bytes = self._rows = 0

    def _copy(self, file: Path, path: Path, schema: Any) -> None:
        with self._arrow.parquet.ParquetFile(file) as source, self._open(path, schema) as target:
            for number in range(source.num_row_groups):
                target.write_table(source.read_row_group(number).replace_schema_metadata(schema.metadata))

    def _open(self, path: Path, schema: Any) -> Any:
        return self._arrow.parquet.ParquetWriter(path, schema, compression="zstd")
