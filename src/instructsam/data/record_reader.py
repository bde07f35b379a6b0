"""The reader of a source of records, and its options, under their first name (`data.formats.reader`)."""

from instructsam.data.formats.reader import ReadOptions, RecordReader

__all__ = ["ReadOptions", "RecordReader"]
