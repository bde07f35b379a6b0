"""How much the word list slows generation: `python benchmarks/phrase_words.py [--runs 15] [--json]`.

The shipped default decodes the same batch with and without its list, in turn in this process and on one thread. Times
are CPU seconds, so that other programs count for little; the ratio is the median over the pairs. "unknown" instructions
have words of random letters, of which the model writes some: there the list changes tokens, and replies get longer or
shorter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any

import numpy as np
import torch
from latency import EIGHT, examples

import instructsam
from instructsam.inference.segmenter import Segmenter

LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))


def unknown(count: int) -> list[str]:
    """Instructions about things with invented names."""
    rng = np.random.default_rng(0)
    return [f"find the {''.join(rng.choice(LETTERS, rng.integers(4, 9)))}" for _ in range(count)]


def measure(segmenter: Segmenter, instructions: list[str], runs: int) -> dict[str, Any]:
    """Medians in CPU seconds with and without the list, their ratio, and tokens per reply of both."""
    picture = str(examples() / "breakfast.png")
    seconds: dict[str, list[float]] = {"with": [], "without": []}
    tokens = {}
    for run in range(runs + 1):
        for name, taken in seconds.items():
            segmenter.real_words = name == "with"
            start = time.process_time()
            answers = segmenter.segment(picture, instructions, mode="generate")
            if run:  # the first one warms up
                taken.append(time.process_time() - start)
            ids = segmenter.processor.encode_phrases([answer.text or " ." for answer in answers])
            tokens[name] = sum(map(len, ids)) / len(ids)
    ratios = [one / other for one, other in zip(seconds["with"], seconds["without"], strict=True)]
    found = {f"seconds {name}": statistics.median(taken) for name, taken in seconds.items()}
    found |= {f"tokens per reply {name}": count for name, count in tokens.items()}
    return {"ratio": statistics.median(ratios), **found}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    segmenter = instructsam.load(device="cpu")
    batches = {
        "one known": [EIGHT[0]],
        "8 known": list(EIGHT),
        "one unknown": unknown(1),
        "8 unknown": unknown(8),
    }
    found = {name: measure(segmenter, batch, arguments.runs) for name, batch in batches.items()}
    if arguments.json:
        print(json.dumps(found))
        return
    for name, values in found.items():
        print(f"{name:12}", ", ".join(f"{key} {value:.3f}" for key, value in values.items()))


if __name__ == "__main__":
    main()
