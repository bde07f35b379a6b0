"""How fast batches of photographs are made on one core: `python benchmarks/photo_loader.py [--images N] [--json FILE]`.

JPEG files of 1024 px with seven objects each, as COCO run-length masks, and two instructions are written to a temporary
folder and loaded as in training. Counted is CPU time of this process, which other work on the machine changes little.
The parts are timed one by one in the same passes; "rest" is the time outside of them. Two models: sizes of the
published 2B checkpoint (VLM up to 1024 x 1024 px, detector 1008 x 1008 px), and the shipped default (160 px).
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

import instructsam
from instructsam.checkpoints.published_layout import config_from_published
from instructsam.checkpoints.published_sizes import PUBLISHED_2B
from instructsam.data.record import ImageRef, InstanceRecord, PhraseRecord, Record, write_records
from instructsam.experiments.sources import open_source
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.settings import ProcessorSettings
from instructsam.processing.tokens import train_tokenizer
from instructsam.structures.masks import encode_rle
from instructsam.training.batch import OutputSizes
from instructsam.training.data_settings import DataSettings
from instructsam.training.start import open_model
from instructsam.training.stream import TrainingBatches

OBJECTS = 7
SIZES = ((768, 1024), (683, 1024), (1024, 768))  # (height, width) px
WORDS = (
    "the person on the left",
    "all cups that stand on the table",
    "red car",
    "what could be used to sit on",
)


def photograph(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Noise at all scales, as detailed as a photograph: about 200 kB as JPEG."""
    height, width = size
    total = np.zeros((height, width, 3))
    for octave in range(1, 10):
        cells = rng.normal(size=(2**octave, 2**octave, 3)) * 110 / 1.4**octave
        shown = [
            Image.fromarray(cells[..., band]).resize((width, height), Image.Resampling.BICUBIC)
            for band in range(3)
        ]
        total += np.stack([np.asarray(band) for band in shown], axis=-1)
    return Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8))


def blob(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.bool_]:
    """A region with a wavy outline."""
    height, width = size
    y, x = np.mgrid[:height, :width]
    centre_y, centre_x = rng.uniform(0.15, 0.85, 2) * (height, width)
    angle = np.arctan2(y - centre_y, x - centre_x)
    wave = sum(rng.normal() * 0.12 * np.sin(k * angle + rng.uniform(0, 6)) for k in range(2, 14))
    made: NDArray[np.bool_] = np.hypot(y - centre_y, x - centre_x) < rng.uniform(40, 160) * (1 + wave)
    made[int(centre_y), int(centre_x)] = True
    return made


def write_photographs(folder: Path, count: int) -> int:
    """JPEG files and their records; the bytes of all images."""
    rng, records, total = np.random.default_rng(0), [], 0
    for number in range(count):
        height, width = SIZES[number % len(SIZES)]
        file = folder / f"{number}.jpg"
        photograph(rng, (height, width)).save(file, quality=90)
        total += file.stat().st_size
        masks = [blob(rng, (height, width)) for _ in range(OBJECTS)]
        objects = [
            InstanceRecord(encode_rle(mask), (0.0, 0.0, float(width), float(height))) for mask in masks
        ]
        for part, chosen in enumerate((objects[:4], objects[3:])):
            text = WORDS[(number + part) % len(WORDS)]
            phrase = PhraseRecord(text, tuple(chosen))
            records.append(Record(f"{number}-{part}", ImageRef(file.name, height, width), text, (phrase,)))
    write_records(folder / "records.jsonl", records)
    return total


PARTS = {
    "decode JPEG": "instructsam.data.image_store.load_image",
    "decode masks": "instructsam.data.record_source.decode_all",
    "boxes": "instructsam.data.record_source.relative_boxes_cxcywh",
    "patches of the VLM": "instructsam.model.vlm.qwen3_vl.patch_bytes",
    "detector's square": "instructsam.processing.processor.square_bytes",
    "words to ids": "instructsam.processing.processor.InstructSAMProcessor.converse",
    "targets": "instructsam.training.collate.object_targets",
    "packing": "instructsam.training.collate.pack",
}


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """CPU seconds of every part, inside."""
    seconds: dict[str, float] = defaultdict(float)

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            before = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                seconds[name] += time.process_time() - before

        return call

    with ExitStack() as stack:
        for name, place in PARTS.items():
            stack.enter_context(patch(place, wrapped(name, pkgutil.resolve_name(place))))
        yield seconds


def pair(name: str) -> tuple[InstructSAMProcessor, OutputSizes]:
    """Processor and output sizes of a model; of 2B without weights, and a small tokenizer stands in for Qwen's."""
    if name == "default":
        model, processor = open_model(Path(instructsam.__file__).parent / "assets" / "default")
        return processor, OutputSizes.of(model, "nearest")
    config = config_from_published(PUBLISHED_2B)
    processor = InstructSAMProcessor(
        train_tokenizer(list(WORDS) * 4, vocab_size=400), ProcessorSettings.from_config(config)
    )
    config.token_ids = processor.token_ids.as_dict()
    config.vlm_config.image_token_id = processor.token_ids.image
    config.vlm_config.vision_start_token_id = processor.token_ids.vision_start
    with torch.device("meta"):
        model = InstructSAMModel._from_config(config)
    return processor, OutputSizes.of(model, "nearest")


def measure(dataset: TrainingBatches, images: int) -> dict[str, float]:
    """CPU milliseconds an image, of every part and of all."""
    batch = dataset.settings.images_per_batch
    dataset[0]
    with timed() as seconds:
        before = time.process_time()
        for index in range(images // batch):
            dataset[index]
        total = time.process_time() - before
    parts = {name: 1000 * seconds[name] / (images // batch * batch) for name in PARTS}
    all_of_it = 1000 * total / (images // batch * batch)
    return {**parts, "rest": all_of_it - sum(parts.values()), "total": all_of_it}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--json", type=Path, help="also write the numbers there")
    parser.add_argument(
        "changes", nargs="*", metavar="KEY=VALUE", help="of the group data, such as max_side=640"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        written = write_photographs(Path(folder), 24)
        print(f"24 JPEG files of {written / 24 / 1000:.0f} kB, {OBJECTS} objects, 2 instructions an image")
        options = dict(change.split("=", 1) for change in given.changes)
        for name, batch in (("2B", 2), ("default", 8)):
            settings = DataSettings(source=folder, images_per_batch=batch, **options)
            dataset = TrainingBatches(open_source(settings, 0, batch), *pair(name), settings, seed=0)
            found[name] = measure(dataset, given.images)
            print(f"{name}: {1000 / found[name]['total']:.1f} images/s and core")
            for part, milliseconds in found[name].items():
                print(f"  {part:20s} {milliseconds:7.2f} ms an image")
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
