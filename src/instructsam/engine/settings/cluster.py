"""A run on a cluster."""

from __future__ import annotations

from pydantic import Field

from instructsam.config import Config


class ClusterSettings(Config):
    """The group `cluster`, for `engine run --cluster`.

    The limits and caps of `vlm` and `verifier` hold for the run: every actor gets its share.

    Attributes:
        address: of the Ray cluster; "auto" for the one that this machine belongs to, "" to start one on this machine.
        actors: processes that perform rows.
        gpus: of each actor, for a detector or re-grounding model; may be a fraction.
        rows_per_batch: rows that an actor takes at a time.
        storage: folder of the ledger that all machines reach, such as s3://bucket/run; "" for `output_dir` on a shared
            file system.
    """

    address: str = ""
    actors: int = Field(default=2, ge=1, le=4096)
    gpus: float = Field(default=0.0, ge=0)
    rows_per_batch: int = Field(default=128, ge=1, le=10_000)
    storage: str = ""
