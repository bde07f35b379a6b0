"""A run on a cluster."""

from __future__ import annotations

from pydantic import Field

from instructsam.config import Config


class ClusterSettings(Config):
    """The group `cluster`, for `engine run --cluster`.

    Attributes:
        address: of the Ray cluster; "auto" for the one that this machine belongs to, "" to start one on this machine.
        actors: processes; each performs rows with the limits of `vlm`, which its share of them is.
        rows_per_batch: rows that an actor takes at a time.
        storage: folder of rows and ledger that all machines reach, such as s3://bucket/run; "" for `output_dir` on a
            shared file system.
    """

    address: str = ""
    actors: int = Field(default=2, ge=1, le=4096)
    rows_per_batch: int = Field(default=32, ge=1, le=10_000)
    storage: str = ""
