"""The data engine without its model: `python benchmarks/engine.py [--images N ...] [--pictures] [--resume]`.

Rows are drawn scenes; a simulated model proposes and verifies at once (`engine.audit.simulated`). The rest is the
engine: prompts, parsing, decisions, ledger, and with `--pictures` also decoding, marks and encoding of photographs of
1024 x 683 px. An image is one row of the source, a candidate is one instruction about it, which costs several
questions. CPU time counts all threads: on a busy machine it is the steadier figure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from instructsam.config import load_config
from instructsam.engine.audit.simulated import SimulatedVLM
from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.row_images import DrawnImages
from instructsam.engine.rows import ImageRow
from instructsam.engine.runners.local import run_local
from instructsam.engine.runners.progress import Progress, RunReport
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.stages.base import Correction, Pictures, Reply, VLMStage
from instructsam.engine.stages.pictures import RowPictures
from instructsam.engine.stages.table import build_stages
from instructsam.engine.tasks import Task
from instructsam.engine.world_rows import world_image, world_rows
from instructsam.images.loader import load_image
from instructsam.structures.tables import format_rows
from instructsam.vlms.endpoint import messages
from instructsam.vlms.picture_urls import PictureUrls

PHOTO_SIDE = 683  # px, the shorter one


@dataclass(frozen=True)
class Photos(DrawnImages):
    """Photographs on disk, a few of which stand for all rows."""

    folder: Path = Path()

    def load(self, row: ImageRow) -> Image.Image:
        return load_image(self.folder / f"{row.meta['scene_seed']}.jpg").image


class Sending:
    """A model that replies at once; with pictures, each question is made and encoded as for a server.

    Args:
        model: the simulated one.
        pictures: whether questions are made.
        replies: of an earlier run, by task; None to compute them.
        keep: replies that are kept for a later run.
    """

    def __init__(
        self, model: SimulatedVLM, pictures: bool, replies: dict[Any, Reply] | None, keep: bool
    ) -> None:
        self.name, self.model, self.urls = model.name, model, PictureUrls() if pictures else None
        self.known, self.replies, self.keep = replies is not None, replies or {}, keep
        self.questions = 0

    async def reply(
        self, stage: VLMStage, task: Task, pictures: Pictures, correction: Correction | None
    ) -> Reply:
        """The simulated reply."""
        self.questions += 1
        if self.urls is not None:
            loop = asyncio.get_running_loop()
            question = await loop.run_in_executor(None, stage.question, task, pictures)
            await loop.run_in_executor(None, messages, question.turns, self.urls)
        candidate = task.subject.get("candidate", {})
        name = (
            task.row.id,
            task.stage,
            candidate.get("id"),
            candidate.get("round"),
            task.number,
            not correction,
        )
        if self.known:
            return self.replies[name]
        reply = self.model.answer(stage, task, correction)
        if self.keep:
            self.replies[name] = reply
        return reply


def copies(scenes: list[ImageRow], count: int) -> Iterator[ImageRow]:
    """`count` rows, each with its own id and file name."""
    for number in range(count):
        row = scenes[number % len(scenes)]
        name = f"image-{number:07d}"
        yield replace(row, id=name, image=replace(row.image, file=f"{name}.jpg"))


def resident() -> int:
    """Megabytes of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


class Bench:
    """One run after the other, each in a ledger of its own."""

    def __init__(self, config: EngineConfig, scenes: list[ImageRow], photos: Path) -> None:
        self.config, self.scenes = config, scenes
        self.stages = build_stages(config)
        self.row_pictures = RowPictures(Photos(photos), config.propose.max_side)

    def run(
        self, count: int, ledger: Ledger, marks: list[int], pictures: bool, replies: dict[Any, Reply] | None
    ) -> tuple[RunReport, Sending, list[list[str]]]:
        """Process rows; a line of the table for each of `marks`."""
        sending = Sending(
            SimulatedVLM(propose=self.config.propose, picture_size=None), pictures, replies, not marks
        )
        lines: list[list[str]] = []
        waiting = set(marks)
        started, cpu = time.perf_counter(), time.process_time()

        def report(progress: Progress) -> None:
            if progress.done not in waiting:
                return
            waiting.discard(progress.done)
            wall, used = time.perf_counter() - started, time.process_time() - cpu
            candidates = progress.accepted + progress.rejected + progress.review
            counts = [progress.done, candidates, sending.questions]
            rates = [progress.done / wall, candidates / wall, sending.questions / wall, candidates / used]
            lines.append(
                [*(f"{n:,}" for n in counts), *(f"{rate:.0f}" for rate in rates), f"{resident()} MB"]
            )
            print("  ".join(lines[-1]), flush=True)

        report_of_run = run_local(
            copies(self.scenes, count),
            self.config,
            self.stages,
            dict.fromkeys(self.stages, sending),
            self.row_pictures,
            ledger,
            stop=Stop(),
            note=print,
            progress=report,
        )
        return report_of_run, sending, lines


HEAD = [
    "images",
    "candidates",
    "questions",
    "images/s",
    "candidates/s",
    "questions/s",
    "candidates/CPU s",
    "memory",
]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1000], help="a line for each number")
    parser.add_argument("--candidates", type=int, default=5, help="of an image")
    parser.add_argument("--votes", type=int, default=3)
    parser.add_argument("--scenes", type=int, default=64, help="different ones")
    parser.add_argument("--pictures", action="store_true", help="make, mark and encode the pictures, too")
    parser.add_argument(
        "--answer", action="store_true", help="compute the replies in the measured run, to save memory"
    )
    parser.add_argument("--resume", action="store_true", help="run once more on the finished ledger")
    given = parser.parse_args()
    config = load_config(
        EngineConfig,
        None,
        [
            "output_dir=unused",
            "source.data=world/val",
            "vlm.model=simulated",
            "vlm.url=http://localhost/v1",
            f"propose.per_image={given.candidates}",
            f"verify.votes={given.votes}",
        ],
    )
    print(f"{platform.machine()}, {os.cpu_count()} cores")
    side = PHOTO_SIDE if given.pictures else 256
    scenes = list(world_rows("val", given.scenes, short_side=side))
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        for row in scenes if given.pictures else ():
            world_image(row).save(photos / f"{row.meta['scene_seed']}.jpg", quality=95)
        bench, most, replies = Bench(config, scenes, photos), max(given.images), None
        if not given.answer:  # the replies are known before the run that counts
            with Ledger(Path(folder) / "first", "main") as ledger:
                replies = bench.run(most, ledger, [], False, None)[1].replies
        path = Path(folder) / "ledger"
        with Ledger(path, "main") as ledger:
            _, _, lines = bench.run(most, ledger, given.images, given.pictures, replies)
        print(format_rows([HEAD, *lines]))
        size = sum(file.stat().st_size for file in path.glob("*.jsonl"))
        print(f"ledger {size / 2**20:.0f} MB, {size / most / 1024:.1f} kB an image")
        if given.resume:
            started = time.perf_counter()
            with Ledger(path, "main") as ledger:
                report, again, _ = bench.run(most, ledger, [], False, replies)
            wall = time.perf_counter() - started
            print(f"resumed {report.progress.resumed:,} images in {wall:.1f} s, {again.questions} questions")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
