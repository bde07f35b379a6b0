"""The runner for clusters: the rows of a run as a Ray Data set, performed by actors with segments of their own.

The driver sends ranges of the file of rows, so that neither it nor Ray's object store holds rows or parts. Every actor
performs its rows by `run_rows`, as the local runner does.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from instructsam.engine.ledger.folders import open_file_system
from instructsam.engine.run_folder import RunFolder
from instructsam.engine.runners.progress import Progress, RunReport
from instructsam.engine.runners.ray_worker import REPORT, Build, LedgerReader, RowWorker
from instructsam.engine.settings.cluster import ClusterSettings
from instructsam.engine.settings.config import EngineConfig
from instructsam.errors import InputError, InstructSAMError, MissingExtraError, first_line
from instructsam.structures.files import reason

_OBJECT_STORE = 128 * 2**20  # bytes; it holds ranges and counts
_EXAMPLES = 100
_SUMS = ("done", "resumed", "skipped", "failed", "accepted", "rejected", "review", "usage", "cost")


def run_on_ray(
    config: EngineConfig,
    folder: RunFolder,
    build: Build,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> RunReport:
    """Perform the tasks of all rows that the ledger does not hold, on a Ray cluster.

    Args:
        config: of the run.
        folder: from `open_run_folder`, after the ingest.
        build: opens stages, responders and pictures in every actor; a function of a module.
        progress: called after every batch.

    Raises:
        MissingExtraError: Ray is not installed.
        InstructSAMError: the ledger is damaged, files cannot be read, or an actor fails.
    """
    _import_ray()
    ranges, total = row_ranges(folder.rows, config.cluster.rows_per_batch)
    folder.open_ledger().close()  # a damaged one is reported here, and the reader finds the index complete
    _share_spending(folder)
    report, started = RunReport(Progress(total=total), "", {}, ()), time.monotonic()
    if not ranges:
        return report
    with _cluster(config.cluster):
        for line in _results(config, folder, build, ranges):
            if line["spending"]:
                with folder.spending.open("ab") as stream:
                    stream.write(line["spending"].encode())
            if line["error"]:
                raise InstructSAMError(line["error"])
            report = add_reports(report, REPORT.validate_json(line["report"]), time.monotonic() - started)
            if progress is not None:
                progress(report.progress)
    return report


def row_ranges(path: Path, rows: int) -> tuple[list[dict[str, int]], int]:
    """Ranges of bytes of a file of rows, of `rows` lines each, and the number of lines.

    Raises:
        InputError: the file cannot be read.
    """
    ranges, total, start, end = [], 0, 0, 0
    try:
        with path.open("rb") as stream:
            for line in stream:
                total, end = total + 1, end + len(line)
                if total % rows == 0:
                    ranges.append({"offset": start, "length": end - start})
                    start = end
    except OSError as error:
        raise InputError(
            f"{path}: the rows cannot be read ({reason(error)}): run the engine first"
        ) from error
    if end > start:
        ranges.append({"offset": start, "length": end - start})
    return ranges, total


def add_reports(report: RunReport, batch: RunReport, seconds: float) -> RunReport:
    """The report of a run with one more batch."""
    before, now = report.progress, batch.progress
    counts = {name: getattr(before, name) + getattr(now, name) for name in _SUMS}
    failures = Counter(report.failures) + Counter(batch.failures)
    return RunReport(
        replace(before, **counts, seconds=seconds),
        report.stopped or batch.stopped,
        dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
        (*report.examples, *batch.examples)[:_EXAMPLES],
    )


def _results(
    config: EngineConfig, folder: RunFolder, build: Build, ranges: list[dict[str, int]]
) -> Iterator[dict[str, Any]]:
    ray = _import_ray()
    here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
        ray.get_runtime_context().get_node_id(), soft=False
    )
    reader = ray.remote(LedgerReader).options(num_cpus=0, scheduling_strategy=here).remote(folder)
    ray.data.DataContext.get_current().enable_progress_bars = False
    reports = ray.data.from_items(ranges, override_num_blocks=len(ranges)).map_batches(
        RowWorker,
        fn_constructor_args=(config, folder, build, reader),
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(size=config.cluster.actors),
        num_gpus=config.cluster.gpus,
    )
    try:
        yield from reports.iter_rows()
    except ray.exceptions.RayError as error:
        raise InstructSAMError(f"the cluster failed: {first_line(error)}; run again to resume") from error


def _share_spending(folder: RunFolder) -> None:
    """Copy the spending of earlier runs to where all machines can read it; the rows are there since the ingest."""
    folder.spending.touch()
    if folder.storage:
        files, path = open_file_system(folder.shared_spending)
        files.makedirs(path.rpartition("/")[0], exist_ok=True)
        files.put_file(str(folder.spending), path)


@contextmanager
def _cluster(settings: ClusterSettings) -> Iterator[None]:
    """The running cluster, or one on this machine for this run."""
    ray = _import_ray()
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if ray.is_initialized():
        yield
        return
    if settings.address:
        ray.init(settings.address, log_to_driver=False, logging_level=logging.ERROR)
    else:
        ray.init(
            "local",
            num_cpus=max(settings.actors, os.cpu_count() or 1),
            object_store_memory=_OBJECT_STORE,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    try:
        yield
    finally:
        ray.shutdown()


def _import_ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise MissingExtraError("a run on a cluster needs ray: pip install 'instructsam[cluster]'") from error
    return ray
