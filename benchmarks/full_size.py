"""How fast the real 2B architecture answers: `python benchmarks/full_size.py [--device cuda] [--runs 5] [--only NAME]`.

Random weights of the published sizes (or `--model`), one picture of 1024 x 768. What compares two ways of asking is a
ratio, both sides measured in turn in this process. Random weights write nonsense, so the reply is prescribed: the text
head runs as always, and then the next token of a reply of 12 tokens with one phrase is taken instead of its choice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import instructsam
from instructsam.checkpoints.published_layout import config_from_published
from instructsam.checkpoints.published_sizes import PUBLISHED_2B
from instructsam.inference.segmenter import Segmenter
from instructsam.model.instructsam import InstructSAMModel
from instructsam.processing.processor import InstructSAMProcessor
from instructsam.processing.settings import ProcessorSettings
from instructsam.processing.tokens import train_tokenizer

NEW_TOKENS = 12  # of a generated reply: the start marker, ten words, the end marker
PHRASES = ["red mug", "plate", "spoon", "chair", "lamp", "window", "cat", "book"]


def random_segmenter(device: str, dtype: torch.dtype) -> Segmenter:
    """The published sizes with random weights; a small tokenizer stands in for Qwen's, which is not here."""
    config = config_from_published(PUBLISHED_2B)
    texts = ["segment the red mugs", "the leftmost blue car", *PHRASES]
    processor = InstructSAMProcessor(
        train_tokenizer(texts * 4, vocab_size=400), ProcessorSettings.from_config(config)
    )
    config.token_ids = processor.token_ids.as_dict()
    config.vlm_config.image_token_id = processor.token_ids.image
    config.vlm_config.vision_start_token_id = processor.token_ids.vision_start
    torch.manual_seed(0)
    with torch.device(device):
        model = InstructSAMModel._from_config(config, dtype=dtype)
    return Segmenter(model.eval(), processor)


class Prescribed(nn.Module):
    """The real text head, whose choice is then replaced by the reply's next token."""

    def __init__(self, head: nn.Module, reply: list[int]) -> None:
        super().__init__()
        self.head, self.reply, self.step = head, reply, 0

    def forward(self, hidden: Tensor) -> Tensor:
        logits: Tensor = self.head(hidden)
        logits[:, self.reply[self.step]] = torch.finfo(logits.dtype).max
        self.step += 1
        return logits


@contextmanager
def prescribed(segmenter: Segmenter) -> Iterator[None]:
    """Inside, every sample writes one phrase in `NEW_TOKENS` tokens and stops."""
    tokens, model = segmenter.processor.token_ids, segmenter.model
    word = segmenter.processor.tokenizer.encode("mug", add_special_tokens=False)[0]
    head = model.lm_head
    model.lm_head = Prescribed(
        head, [tokens.ref_start, *[word] * (NEW_TOKENS - 2), tokens.ref_end, tokens.im_end]
    )
    try:
        yield
    finally:
        model.lm_head = head


class Stages:
    """Seconds of each part of the model, from hooks around its modules."""

    def __init__(self, segmenter: Segmenter) -> None:
        model = segmenter.model
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.handles: list[Any] = []
        self.processor, self.post_process = segmenter.processor, segmenter.processor.post_process
        segmenter.processor.post_process = self._masks  # type: ignore[method-assign]
        self._watch(model.vlm.visual, lambda *_: "VLM vision")
        self._watch(model.detector.vision_encoder, lambda *_: "detector vision")
        self._watch(model.detector, lambda *_: "detector, after vision")
        self._watch(model.vlm.language_model, self._reading)

    @staticmethod
    def _reading(kwargs: dict[str, Any]) -> str:
        width = kwargs["inputs_embeds"].shape[1]
        return "one token" if width == 1 else "query step" if width < 64 else "prompt"

    def _watch(self, module: nn.Module, name: Callable[[dict[str, Any]], str]) -> None:
        started: list[float] = []

        def before(*_: Any) -> None:
            started.append(now())

        def after(_: Any, __: Any, kwargs: dict[str, Any], ___: Any) -> None:
            self.seconds[name(kwargs)].append(now() - started.pop())

        self.handles.append(module.register_forward_pre_hook(before))
        self.handles.append(module.register_forward_hook(after, with_kwargs=True))

    def _masks(self, *arguments: Any) -> Any:
        start = now()
        found = self.post_process(*arguments)
        self.seconds["masks at full size"].append(now() - start)
        return found

    def close(self) -> dict[str, float]:
        """Stop watching; median seconds of each part."""
        self.processor.post_process = self.post_process  # type: ignore[method-assign]
        for handle in self.handles:
            handle.remove()
        return {name: statistics.median(values) for name, values in self.seconds.items()}


def now() -> float:
    """Seconds, after everything that was asked of the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def picture(seed: int) -> Image.Image:
    """1024 x 768 px, different everywhere."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((1024, 768), Image.Resampling.BICUBIC)


def questions(segmenter: Segmenter) -> dict[str, Callable[[], Any]]:
    """What is asked, by name."""
    image, batch = picture(0), [picture(seed) for seed in range(8)]

    def ask(pictures: Any, words: Any = None, **options: Any) -> Callable[[], Any]:
        return lambda: segmenter.segment(pictures, words, score_threshold=0.0, **options)

    def write(words: Any) -> Callable[[], Any]:
        def call() -> None:
            with prescribed(segmenter):
                segmenter.segment(image, words, mode="generate", score_threshold=0.0)

        return call

    return {
        "1 phrase given": ask(image, phrases=PHRASES[:1]),
        "1 phrase generated": write("the red mug"),
        "2 instructions": ask(image, PHRASES[:2], mode="direct"),
        "4 instructions": ask(image, PHRASES[:4], mode="direct"),
        "8 instructions": ask(image, PHRASES, mode="direct"),
        "4 instructions generated": write(PHRASES[:4]),
        "8 phrases given": ask(image, phrases=PHRASES),
        "8 images, 1 phrase each": ask(batch, phrases=PHRASES[:1]),
    }


def measure(segmenter: Segmenter, runs: int, only: list[str]) -> dict[str, Any]:
    """Medians, ratios and stages."""
    calls = {name: call for name, call in questions(segmenter).items() if not only or name in only}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    first = {}
    for name, call in calls.items():
        start = now()
        call()
        first[name] = round(now() - start, 3)
        print(f"{name}: first call {first[name]} s", file=sys.stderr, flush=True)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    for _ in range(runs):
        for name, call in calls.items():
            start = now()
            call()
            seconds[name].append(now() - start)
    stages = Stages(segmenter)
    for name in ("1 phrase given", "1 phrase generated"):
        if name in calls:
            calls[name]()
    report: dict[str, Any] = {
        "first call, seconds": first,
        "median seconds": {name: round(statistics.median(s), 4) for name, s in seconds.items()},
        "of one phrase": {
            name: round(statistics.median(a / b for a, b in zip(s, seconds[base(name)], strict=True)), 3)
            for name, s in seconds.items()
            if base(name) in seconds and base(name) != name
        },
        "seconds per stage": {name: round(value, 4) for name, value in stages.close().items()},
    }
    if torch.cuda.is_available():
        report["peak GB of the device"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    report["peak GB of the process"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    return report


def new_shapes(segmenter: Segmenter) -> dict[str, list[float]]:
    """Seconds of the first call at image sizes not seen before, with and without cuDNN's attention (GPU only)."""
    found: dict[str, list[float]] = {"with cuDNN": [], "without": []}
    for step in range(6):
        name = ("without", "with cuDNN")[step % 2]
        image = picture(step).resize((640 + 64 * step, 480))
        with cudnn_attention() if step % 2 else nullcontext():
            start = now()
            segmenter.segment(image, phrases=PHRASES[:1], score_threshold=0.0)
            found[name].append(round(now() - start, 3))
    return found


@contextmanager
def cudnn_attention() -> Iterator[None]:
    """Inside, the segmenter leaves cuDNN's attention enabled."""
    switch = torch.backends.cuda.enable_cudnn_sdp
    torch.backends.cuda.enable_cudnn_sdp = lambda _: switch(True)
    try:
        yield
    finally:
        torch.backends.cuda.enable_cudnn_sdp = switch


def base(name: str) -> str:
    """What a question is compared with: one instruction asked in the same way."""
    return "1 phrase generated" if name == "4 instructions generated" else "1 phrase given"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16"))
    parser.add_argument("--model", default=None, help="a model folder or hub id instead of random weights")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", action="append", default=[], help="only questions of this name")
    parser.add_argument("--compile", action="store_true", help="Segmenter.compile() first")
    arguments = parser.parse_args()
    from instructsam.checkpoints.devices import pick_dtype

    dtype = pick_dtype(arguments.dtype, torch.device(arguments.device))
    if arguments.model:
        segmenter = instructsam.load(arguments.model, device=arguments.device, dtype=arguments.dtype)
    else:
        segmenter = random_segmenter(arguments.device, dtype)
    if arguments.compile:
        segmenter.compile()
    device = (
        torch.cuda.get_device_name() if arguments.device.startswith("cuda") else f"{os.cpu_count()} cores"
    )
    report = {
        "machine": f"{device}, {platform.machine()}, torch {torch.__version__}, {dtype}".replace(
            "torch.", ""
        ),
        "parameters": sum(parameter.numel() for parameter in segmenter.model.parameters()),
        **measure(segmenter, arguments.runs, arguments.only),
        **({"first call at a new image size": new_shapes(segmenter)} if torch.cuda.is_available() else {}),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
