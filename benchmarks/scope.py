"""How often does the "outside what this model was trained on" note come where it should not, and where it should?

    python benchmarks/scope.py --photographs FOLDER
    python benchmarks/scope.py --photographs FOLDER --fit src/instructsam/assets/default
    python benchmarks/scope.py --words src/instructsam/assets/default    # after a change of the language

FOLDER holds the unpacked packages of `PHOTOGRAPHS`, e.g. `dpkg-deb -x mate-backgrounds_*.deb FOLDER` and
`python -m zipfile -e scikit_image-*.whl FOLDER`. Those of "fit" choose weights and limit, those of "measure" are only
measured. False positives are counted on world/test (and changed as `instructsam robustness` does), false negatives on
the photographs, and on the things that the world does not have.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance
from scipy.optimize import minimize

from instructsam.checkpoints.scope import Scope, content_words, image_features, read_scope, save_scope
from instructsam.evaluation.benchmarks.absent_things import ABSENT_THINGS
from instructsam.evaluation.benchmarks.names import get_benchmark
from instructsam.evaluation.benchmarks.perturbations import PERTURBATIONS, jpeg
from instructsam.images.loader import load_image
from instructsam.world.splits.stream import WorldSettings, all_texts, world_sample

# Licences: see each package's copyright file. Patterns and renderings among the wallpapers are left out.
PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "fit": (  # scikit-image 0.26.0, matplotlib 3.11.2, scikit-learn 1.9.1, Debian lomiri-wallpapers-16.04
        *("skimage/data/" + name for name in ("coffee.png", "camera.png", "astronaut.png", "chelsea.png")),
        *("skimage/data/" + name for name in ("motorcycle_left.png", "rocket.jpg", "retina.jpg")),
        "skimage/data/hubble_deep_field.jpg",
        "sample_data/grace_hopper.jpg",
        "datasets/images/china.jpg",
        "datasets/images/flower.jpg",
        *(
            "backgrounds/" + name
            for name in ("Bridge_by_*", "Dragonfly_by_*", "Picture_0B_by_*", "Picture_1A_by_*")
        ),
        *("backgrounds/" + name for name in ("Wine_by_*", "aitzgorri_by_*", "free_by_*", "friends_by_*")),
        *(
            "backgrounds/" + name
            for name in ("greentock_by_*", "life_by_*", "picosdeeuropa_by_*", "sunset_by_*")
        ),
        "backgrounds/umang_by_*",
    ),
    "measure": (  # Debian mate-backgrounds, opencv-doc, lomiri-wallpapers-20.04
        *(
            "mate/nature/" + name
            for name in ("Aqua", "Blinds", "Dune", "FreshFlower", "Garden", "GreenMeadow")
        ),
        *(
            "mate/nature/" + name
            for name in ("LadyBird", "RainDrops", "Storm", "TwoWings", "Wood", "YellowFlower")
        ),
        *(
            "examples/data/" + name
            for name in ("fruits", "baboon", "messi5", "home", "building", "butterfly")
        ),
        *(
            "examples/data/" + name
            for name in ("leuvenA", "aloeL", "orange", "apple", "graf1", "squirrel_cls")
        ),
        *(
            "examples/data/" + name
            for name in ("stuff", "aero1", "aero3", "board", "basketball1", "box_in_scene")
        ),
        *("examples/data/" + name for name in ("left01", "licenseplate_motion", "rubberwhale1")),
        *("examples/hfs/data/" + name for name in ("000", "001", "002")),
        "input_images/plant",
        "backgrounds/Kleiber_by_*",
    ),
}
TRAINED_ON = "drawn scenes of 40 kinds of things, and their words"
SIDES = (160, 256, 256, 512)  # px, short sides of the scenes that are fitted
QUANTILE = 0.998  # of the changed scenes lie below the limit
PENALTY = 1e-2  # on the squared weights
KNOWN_SHARE = 1 / 3000  # of the training texts that must have a word: sayings mention horses, too, but seldom


def photographs(folder: Path, part: str) -> list[Path]:
    """The files of `PHOTOGRAPHS` that are there."""
    found = []
    for name in PHOTOGRAPHS[part]:
        pattern = name if Path(name).suffix or "*" in name else name + ".*"
        matches = sorted(folder.rglob(f"*{pattern}" if "/" not in pattern else pattern))
        pictures = [path for path in matches if path.suffix in (".jpg", ".png")]
        if not pictures:
            print(f"not there: {name}")
        found += pictures[:1]
    return found


def changed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture in another light, as JPEG, or a part of it."""
    if rng.random() < 0.5:
        image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.55, 1.45))
    if rng.random() < 0.3:
        image = ImageEnhance.Contrast(image).enhance(rng.uniform(0.7, 1.3))
    if rng.random() < 0.3:
        image = ImageEnhance.Color(image).enhance(rng.uniform(0.6, 1.4))
    if rng.random() < 0.3:
        image = jpeg(int(rng.integers(15, 90)))(image, None)[0]  # type: ignore[arg-type]
    if rng.random() < 0.3:
        width, height = (int(side * rng.uniform(0.4, 1)) for side in image.size)
        left, top = int(rng.integers(image.width - width + 1)), int(rng.integers(image.height - height + 1))
        image = image.crop((left, top, left + width, top + height))
    return image


def scenes(count: int) -> Iterator[Image.Image]:
    """Pictures of world/train."""
    for index in range(count):
        settings = WorldSettings((SIDES[index % len(SIDES)],), 1, max_objects=(10, 12)[index % 2])
        yield Image.fromarray(world_sample(11, index, settings).rendered.image)


def fit(folder: Path, count: int, texts: int) -> Scope:
    """Logistic regression between changed scenes and changed photographs, and the words of the training texts."""
    rng = np.random.default_rng(0)
    drawn = [
        image_features(one)
        for scene in scenes(count)
        for one in (scene, changed(scene, rng), changed(scene, rng))
    ]
    taken = []
    for path in photographs(folder, "fit"):
        image = load_image(path).image
        image.thumbnail((1024, 1024))
        taken += [image_features(changed(image, rng) if number else image) for number in range(40)]
    features, is_taken = np.array(drawn + taken), np.array([0.0] * len(drawn) + [1.0] * len(taken))
    means, scales = features.mean(axis=0), features.std(axis=0) + 1e-6
    weights = _logistic((features - means) / scales, is_taken)
    scores = (np.array(drawn) - means) / scales @ weights[:-1] + weights[-1]

    def rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
        return tuple(round(float(value), 5) for value in values)

    return Scope(
        trained_on=TRAINED_ON,
        means=rounded(means),
        scales=rounded(scales),
        weights=rounded(weights[:-1]),
        bias=round(float(weights[-1]), 5),
        limit=round(float(np.quantile(scores, QUANTILE)), 5),
        unknown_share=0.5,
        vocabulary=known_words(texts),
    )


def known_words(texts: int) -> frozenset[str]:
    """The words that carry meaning in training texts, half of them free, and that a `KNOWN_SHARE` of them has."""
    words = Counter(word for text in all_texts(texts, free_share=0.5) for word in set(content_words(text)))
    return frozenset(word for word, times in words.items() if times >= KNOWN_SHARE * texts)


def _logistic(features: NDArray[np.float64], labels: NDArray[np.float64]) -> NDArray[np.float64]:
    share = np.where(labels == 1, 0.5 / labels.sum(), 0.5 / (1 - labels).sum())

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = features @ weights[:-1] + weights[-1]
        error = share * (1 / (1 + np.exp(-logits)) - labels)
        value = (share * (np.logaddexp(0, logits) - labels * logits)).sum() + PENALTY / 2 * (
            weights[:-1] ** 2
        ).sum()
        return float(value), np.append(features.T @ error + PENALTY * weights[:-1], error.sum())

    start = np.zeros(features.shape[1] + 1)
    found: NDArray[np.float64] = minimize(loss, start, jac=True, method="L-BFGS-B").x
    return found


def measure(scope: Scope, folder: Path, limit: int) -> None:
    """Print both rates for pictures and words, and the time."""
    seen: dict[str, bool] = {}
    alarms, words, count, times = Counter[str](), 0, 0, []
    for image, record in get_benchmark("world/test").iterate(limit):
        count += 1
        words += bool(scope.unknown_words(record.instruction))
        if record.image.file not in seen:
            seen[record.image.file] = True
            alarms["as drawn"] += scope.is_photograph(image)
            for name in ("jpeg 30", "brightness -30%", "brightness +30%"):
                alarms[name] += scope.is_photograph(PERTURBATIONS[name](image, record)[0])
    print(f"false positives, world/test: {len(seen)} scenes, {count} instructions")
    for name in ("as drawn", "jpeg 30", "brightness -30%", "brightness +30%"):
        print(f"  picture, {name}: {alarms[name]} of {len(seen)}")
    print(f"  words: {words} of {count}")
    print("false negatives")
    for part in PHOTOGRAPHS:
        paths = photographs(folder, part)
        pictures = [load_image(path).image for path in paths]
        missed = [
            path.stem
            for path, picture in zip(paths, pictures, strict=True)
            if not scope.is_photograph(picture)
        ]
        print(f"  photographs, {part}: {len(missed)} of {len(paths)} {' '.join(missed)}")
    missed = [text for text in ABSENT_THINGS if not scope.unknown_words(text)]
    print(
        f"  words, things that the world does not have: {len(missed)} of {len(ABSENT_THINGS)} ({', '.join(missed)})"
    )
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8))
    for _ in range(20):
        start = time.thread_time()
        scope.is_photograph(picture)
        scope.unknown_words("the large elephant to the left of the red mug")
        times.append(time.thread_time() - start)
    print(f"CPU time: median {1000 * float(np.median(times)):.1f} ms for 512 x 512 px and ten words")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photographs", type=Path, help="folder of the unpacked packages")
    parser.add_argument(
        "--words", type=Path, help="model folder whose scope.json gets the words of today's language"
    )
    parser.add_argument("--fit", type=Path, help="model folder that gets a new scope.json")
    parser.add_argument("--model", type=Path, default=Path("src/instructsam/assets/default"))
    parser.add_argument("--scenes", type=int, default=500, help="that are fitted")
    parser.add_argument("--texts", type=int, default=60_000, help="whose words are known")
    parser.add_argument(
        "--limit", type=int, default=1000, help="instructions of world/test that are measured"
    )
    arguments = parser.parse_args()
    if arguments.words is not None:
        old = read_scope(arguments.words)
        if old is None:
            parser.error(f"{arguments.words} has no scope.json: fit one with --fit")
        save_scope(replace(old, vocabulary=known_words(arguments.texts)), arguments.words)
        return
    if arguments.photographs is None:
        parser.error("give --photographs, or --words alone")
    if arguments.fit is not None:
        scope = fit(arguments.photographs, arguments.scenes, arguments.texts)
        save_scope(scope, arguments.fit)
    else:
        loaded = read_scope(arguments.model)
        if loaded is None:
            parser.error(f"{arguments.model} has no scope.json: fit one with --fit")
        scope = loaded
    measure(scope, arguments.photographs, arguments.limit)


if __name__ == "__main__":
    main()
