"""`instructsam convert`, `average` and `build`: model folders out of model folders."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from instructsam.checkpoints.devices import DTYPES
from instructsam.checkpoints.stock import DEFAULT_DETECTOR, DEFAULT_VLM
from instructsam.cli import console
from instructsam.cli.options import DeviceOption, Opening
from instructsam.errors import InputError
from instructsam.structures.checks import check_choice, check_number
from instructsam.structures.destinations import check_new_folder


class Layout(str, Enum):
    """How a model folder names its tensors."""

    native = "native"
    published = "published"


def convert(
    model: Annotated[str, typer.Argument(help="Model folder or hub id, in either layout.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    to: Annotated[Layout, typer.Option("--to", help="native: ours; published: the released checkpoint's.")],
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float32, bfloat16 or float16; as it is when left out.")
    ] = None,
    max_shard_gb: Annotated[
        float, typer.Option("--max-shard-gb", help="Largest file of the result, in GB.")
    ] = 5.0,
) -> int:
    """Write a model in the other layout, tensor by tensor."""
    check_number(max_shard_gb, "--max-shard-gb", 1e-6, 1e6)
    if dtype is not None and dtype not in DTYPES:
        raise InputError(f"--dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    check_new_folder(out)
    from instructsam.checkpoints import convert as converting
    from instructsam.checkpoints.resolve import resolve

    if dtype is not None:
        check_choice(dtype, "--dtype", DTYPES)
    folder = resolve(model, check=lambda small: converting.check_layout(small, to.value))
    converting.convert(folder, out, to.value, dtype, int(max_shard_gb * 1e9))
    console.say(f"wrote {out} in the {to.value} layout")
    return 0


def average(
    first: Annotated[str, typer.Argument(help="Model folder or hub id, usually what training began with.")],
    second: Annotated[str, typer.Argument(help="Model of the same sizes, usually the trained one.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    share: Annotated[float, typer.Option("--share", help="Weight of SECOND in [0, 1].")] = 0.5,
) -> int:
    """Average the weights of two models; keeps what further training forgot."""
    check_number(share, "--share", 0, 1)
    check_new_folder(out)
    from instructsam.checkpoints import average as averaging
    from instructsam.checkpoints.resolve import resolve

    averaging.average(resolve(first), resolve(second), out, share)
    console.say(f"wrote {out}: {1 - share:g} of {first}, {share:g} of {second}")
    return 0


def build(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    vlm: Annotated[
        str, typer.Option("--vlm", help="Folder or hub id of a Qwen3-VL or SmolVLM.")
    ] = DEFAULT_VLM,
    detector: Annotated[
        str, typer.Option("--detector", help="Folder or hub id of a detector, such as facebook/sam3.")
    ] = DEFAULT_DETECTOR,
    num_queries: Annotated[
        int, typer.Option("--num-queries", min=1, help="Instances that one phrase can name.")
    ] = 10,
    presence: Annotated[bool, typer.Option("--presence", help="Keep the detector's presence token.")] = False,
    dtype: Annotated[str, typer.Option("--dtype", help="auto, float32, bfloat16 or float16.")] = "auto",
    device: DeviceOption = "cpu",
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**63 - 1, help="Of the new weights.")] = 0,
) -> int:
    """Make a new model to train from a pretrained VLM and a pretrained detector."""
    Opening(device=device, dtype=dtype)  # checks both
    check_new_folder(out)
    from instructsam.inference import building

    segmenter = building.build(vlm, detector, num_queries, device, dtype, presence, seed)
    segmenter.save(out)
    for line in segmenter.origin:
        console.say(line)
    console.say(f"wrote {out}")
    return 0
