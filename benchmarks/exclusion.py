"""How test images are found in training data, and how fast: `python benchmarks/exclusion.py [--scenes N]`.

Every photograph of docs/images and some drawn scenes are changed (size, compression, format); a changed one must be
found as itself among all of them. Scenes are the hard case for false matches: all have the same light and furniture.
Times are CPU time of one thread; decoding in the full size is what `load_image` takes for the same files.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from instructsam.data.image_hashes import SmallCopies, SmallCopy, small_copy
from instructsam.images.loader import load_image, read_size
from instructsam.structures.files import file_sha256
from instructsam.world.splits.stream import WorldSettings, world_sample

PHOTOGRAPHS = Path(__file__).resolve().parent.parent / "docs" / "images"
CHANGES = {  # scale, suffix, options
    "JPEG, quality 30": (1.0, ".jpg", {"quality": 30}),
    "half the size, JPEG 75": (0.5, ".jpg", {"quality": 75}),
    "a third, JPEG 60": (1 / 3, ".jpg", {"quality": 60}),
    "twice the size, PNG": (2.0, ".png", {}),
    "1.3 times, WebP 50": (1.3, ".webp", {"quality": 50}),
}


def write_images(folder: Path, scenes: int) -> list[Path]:
    """The photographs as they are, and drawn scenes as JPEG files."""
    paths = sorted(PHOTOGRAPHS.glob("*.jpg"))
    for index in range(scenes):
        path = folder / f"{index:05d}.jpg"
        Image.fromarray(world_sample(5, index, WorldSettings()).rendered.image).save(path, quality=90)
        paths.append(path)
    return paths


def changed(path: Path, folder: Path, scale: float, suffix: str, options: dict[str, int]) -> SmallCopy:
    """The small copy of an image in another form."""
    image = load_image(path).image
    other = folder / f"changed{suffix}"
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    image.resize(size).save(other, **options)
    return small_copy(other)


def distance(one: SmallCopy, other: SmallCopy) -> float:
    """Mean difference of the cells in grey levels."""
    cells = [np.frombuffer(copy.cells, dtype=np.uint8).astype(np.int16) for copy in (one, other)]
    return float(np.abs(cells[0] - cells[1]).mean())


def rate(job: Callable[[Path], object], paths: list[Path]) -> float:
    """Files a second of CPU time."""
    started = time.process_time()
    for path in paths:
        job(path)
    return len(paths) / (time.process_time() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=300)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_images(folder, given.scenes)
        copies = [small_copy(path) for path in paths]
        known = SmallCopies(copies)
        for change, (scale, suffix, options) in CHANGES.items():
            found = [changed(path, folder, scale, suffix, options) for path in paths]
            right = sum(known.find(copy) == row for row, copy in enumerate(found))
            largest = max(distance(one, other) for one, other in zip(copies, found, strict=True))
            print(f"{change:24s} {right} of {len(paths)} found, difference at most {largest:.2f}")
        nearest = min(distance(one, other) for one, other in itertools.combinations(copies, 2))
        others = sum(
            SmallCopies([*copies[:row], *copies[row + 1 :]]).find(copy) is not None
            for row, copy in enumerate(copies)
        )
        print(
            f"different images: {others} of {len(paths)} match another one, smallest difference {nearest:.2f}"
        )
        photographs = paths[: len(paths) - given.scenes] * 5
        pixels = np.mean([np.prod(read_size(path)) for path in photographs]) / 1e6
        print(f"photographs of {pixels:.2f} megapixels on average, a second:")
        for name, job in {"bytes": file_sha256, "small copy": small_copy, "full size": load_image}.items():
            print(f"  {name:12s} {rate(job, photographs):7.0f}")


if __name__ == "__main__":
    main()
