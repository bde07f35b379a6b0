"""The front matter of README.md, which all cards of data sets on the Hugging Face hub have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from instructsam.exports.parquet_shards import FOLDER
from instructsam.structures.safe_text import one_line

NAME = "README.md"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGEST = "1M<n<10M"
_LICENCES = {
    "cc by 4.0": "cc-by-4.0",
    "cc by-sa 4.0": "cc-by-sa-4.0",
    "cc by-nc 4.0": "cc-by-nc-4.0",
    "cc0 1.0": "cc0-1.0",
    "apache 2.0": "apache-2.0",
    "mit": "mit",
}
"""Licences by their names in lower case, and what the hub calls them."""


def front_matter(
    name: str,
    *,
    licences: Sequence[str],
    tags: Sequence[str],
    count: int,
    splits: Sequence[str],
    language: str = "",
) -> str:
    """The front matter of a card, with its lines of dashes.

    Args:
        name: of the data set.
        licences: of its images.
        tags: of the data set.
        count: of its examples.
        splits: that have Parquet files.
        language: of its texts, as the hub calls it; empty when unknown.
    """
    found: dict[str, Any] = {"pretty_name": one_line(name), "license": hub_licence(licences)}
    if language:
        found["language"] = [language]
    found["task_categories"] = ["image-segmentation"]
    found["tags"] = list(tags)
    found["size_categories"] = [next((text for limit, text in _SIZES if count < limit), _LARGEST)]
    if splits:
        files = [{"split": split, "path": f"{FOLDER}/{split}-*.parquet"} for split in splits]
        found["configs"] = [{"config_name": "default", "data_files": files}]
    return f"---\n{_to_yaml(found)}---"


def hub_licence(names: Sequence[str]) -> str:
    """The licence of the data set as the hub calls it: "other" for several and for unknown ones."""
    plain = {_plain(name) for name in names}
    by_name = {_plain(key): value for key, value in _LICENCES.items()}
    return by_name.get(plain.pop(), "other") if len(plain) == 1 else "other"


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.lower()).strip()


def _to_yaml(value: Mapping[str, Any]) -> str:
    text: str = yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True)
    return text
