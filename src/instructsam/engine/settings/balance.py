"""Balance of the written records: by dropping, never by repeating."""

from __future__ import annotations

from pydantic import Field

from instructsam.config import Config


class BalanceSettings(Config):
    """The group `balance`. Every limit counts records after the filters.

    Attributes:
        negatives_per_positive: most records without a target per record with one.
        max_single_share: most records with exactly one target, as a share of all.
        max_kind_share: most records of one kind, as a share of all.
        category_cap: most records that mean objects of a category; a record of several is kept while one of them is
            below the cap. 0 for no cap.
        category_threshold: frequency above which records of a category are thinned: at frequency f, a share of
            sqrt(threshold / f) is kept (LVIS's repeat factor, arXiv 1908.03195, by dropping); the rarest category of a
            record counts. 0 for no thinning.
    """

    negatives_per_positive: float = Field(default=0.5, ge=0)
    max_single_share: float = Field(default=0.7, gt=0, le=1)
    max_kind_share: float = Field(default=0.3, gt=0, le=1)
    category_cap: int = Field(default=0, ge=0)
    category_threshold: float = Field(default=0.0, ge=0, le=1)
