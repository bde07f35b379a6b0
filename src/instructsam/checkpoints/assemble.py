"""A new InstructSAM from two pretrained bases: a VLM and a detector (docs/model.md, "Initialisation")."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.checkpoints.folder import CONFIG_ERRORS, CONFIG_FILE
from instructsam.checkpoints.headers import FLOATS, require_fit, tensors
from instructsam.checkpoints.hub import fetch, is_hub_id
from instructsam.checkpoints.limits import REFUSED
from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.errors import CheckpointError, first_line
from instructsam.structures.model_files import read_object, require_inside

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from instructsam.model.configuration import InstructSAMConfig

VLM = "Qwen/Qwen3-VL-2B-Instruct"
DETECTOR = "facebook/sam3"
KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
ROW_MULTIPLE = 64  # token tables grow to a multiple of this, for matrix units


@dataclass(frozen=True)
class Base:
    """One pretrained base: its folder, its configuration and its tensors."""

    folder: Path
    config: Any
    tensors: dict[str, Tensor]


def base_folder(name: str | Path) -> Path:
    """The folder of a base; a hub id is downloaded.

    Raises:
        CheckpointError: the name is neither a folder nor a hub id.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(str(name)):
        raise CheckpointError(
            f"no base model {str(name)!r}: neither an existing folder nor a hub id such as '{VLM}'"
        )
    return fetch(str(name))


def load_vlm_base(folder: Path, dtype: torch.dtype) -> Base:
    """Load weights and configuration of a VLM, under the names of `InstructSAMModel`.

    Raises:
        CheckpointError: the folder holds no VLM of a known family, or tensors are missing.
    """
    from instructsam.model.vlm.registry import VLMS

    name = stock_name(folder, VLMS)
    stock = stock_model(VLMS[name].stock_class(), folder, dtype, name)
    return Base(folder, stock.config, VLMS[name].from_stock(stock))


def stock_name(folder: Path, known: Iterable[str]) -> str:
    """The model type among `known` that a folder holds.

    Raises:
        CheckpointError: it holds none of them, or a mixture of experts.
    """
    names = sorted(known, key=len, reverse=True)
    found = str(require_stock(folder).get("model_type"))
    # a prefix is enough: SAM3 is published as sam3_video
    name = next((name for name in names if found.startswith(name)), None)
    if name is None:
        raise CheckpointError(f"{folder} holds a {found} model, expected {' or '.join(sorted(names))}")
    if "moe" in found and "moe" not in name:
        raise CheckpointError(
            f"{folder} holds a {found} model; only dense ones are built from, such as 2B or 8B"
        )
    return name


def load_detector_base(folder: Path, dtype: torch.dtype) -> Base:
    """Weights and configuration of a detector, under the names of its stock model.

    Raises:
        CheckpointError: the folder holds no detector that a model can be built with, or tensors are missing.
    """
    from instructsam.model.detector.registry import DETECTORS

    names = [name for name, detector in DETECTORS.items() if detector.stock_class() is not None]
    name = stock_name(folder, names)
    detector = DETECTORS[name]
    model = stock_model(detector.stock_class(), folder, dtype, name)
    own = tuple(prefix for _, prefix in detector.parts)  # no text encoder
    return Base(folder, model.config, {n: t for n, t in model.state_dict().items() if n.startswith(own)})


def stock_model(kind: Any, folder: Path, dtype: torch.dtype, family: str) -> Any:
    """A model of transformers, strictly from a folder.

    Args:
        kind: its class.
        family: start of its `model_type`.

    Raises:
        CheckpointError: the folder holds another kind of model, is damaged, or lacks tensors.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig

    from instructsam.checkpoints.finite import require_finite

    fields = require_stock(folder)
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        model_type = AutoConfig.from_pretrained(folder, **options).model_type
        if not str(model_type).startswith(family):
            raise CheckpointError(f"{folder} holds a {model_type} model, expected {family}")
        found = list(tensors(folder))
        with quiet_transformers():
            model, report = kind.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
                **options,
            )
    except (*CONFIG_ERRORS, RuntimeError, ImportError, SafetensorError, StrictDataclassError) as error:
        raise CheckpointError(f"the base model in {folder} cannot be loaded: {first_line(error)}") from error
    missing = sorted(report["missing_keys"])
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} tensors of a {family} model ({', '.join(missing[:4])})"
        )
    quantized = fields.get("quantization_config") is not None
    wanted = set() if quantized else {tail(name) for name, _ in model.named_parameters()}
    odd = [
        f"{name} is {entry['dtype']} in {entry['file']}"
        for name, entry in found
        if entry["dtype"] not in FLOATS and tail(name) in wanted
    ]
    require_fit(
        f"the base model in {folder} cannot be loaded: expected weights in {', '.join(FLOATS)}", odd, shown=4
    )
    files = {name: folder / entry["file"] for name, entry in found}
    require_finite(model, folder, lambda name: (files[name], name) if name in files else None)
    return model


def tail(name: str) -> str:
    """The end of a tensor's name, which survives a library's renaming of the parts of a model."""
    return ".".join(name.split(".")[-3:])


def require_stock(folder: Path) -> dict[str, Any]:
    """The configuration of a folder that names no weights or attention kernels from elsewhere.

    Code of its own (`auto_map`) is left to `trust_remote_code=False`: many models carry some and load without it.

    Raises:
        CheckpointError: names the field of config.json, or the file that is damaged or leads out of the folder.
    """
    require_inside(folder)
    path = folder / CONFIG_FILE
    if not path.is_file():
        raise CheckpointError(f"the base model in {folder} cannot be loaded: it has no {CONFIG_FILE}")
    fields = read_object(path)
    if fields.get("transformers_weights") is not None:
        raise CheckpointError(f"{path}: transformers_weights is not read: {REFUSED['transformers_weights']}")
    for part in (fields, *(value for value in fields.values() if isinstance(value, dict))):
        for name in KERNELS:
            if "/" in str(part.get(name)):
                raise CheckpointError(
                    f"{path}: {name} {part[name]!r} is not run: kernels are code from the hub"
                )
    return fields


def require_plain(folder: Path) -> Path:
    """`folder`, unless its weights are quantized.

    Raises:
        CheckpointError: they are.
    """
    path = folder / CONFIG_FILE
    if path.is_file() and read_object(path).get("quantization_config") is not None:
        raise CheckpointError(
            f"{path}: expected plain weights to build a model from, found quantized ones: give the original model"
        )
    return folder


def combined_config(vlm: Base, detector: Base, num_queries: int, use_presence: bool) -> InstructSAMConfig:
    """One configuration out of two."""
    from instructsam.model.configuration import InstructSAMConfig

    return InstructSAMConfig(
        vlm_config=vlm.config.to_dict(),
        detector_config=detector.config.to_dict(),
        num_queries=num_queries,
        use_presence=use_presence,
        tie_word_embeddings=bool(getattr(vlm.config, "tie_word_embeddings", False)),
    )


def assemble(
    vlm: Base, detector: Base, config: InstructSAMConfig, seed: int
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Every tensor of the new model by its name, and one line per part about its source."""
    import torch

    from instructsam.model.detector.registry import detector_class
    from instructsam.model.projector import Projector
    from instructsam.model.queries import InstanceQueries, farthest_slots

    generator_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    new_modules = {
        "instance_queries": InstanceQueries(config.num_queries, config.hidden_size, config.slot_boxes),
        "query_projector": Projector(config.hidden_size, config.detector_size),
        "phrase_projector": Projector(config.hidden_size, config.detector_size),
    }
    torch.random.set_rng_state(generator_state)
    tensors = dict(vlm.tensors)
    for part, module in new_modules.items():
        tensors |= {f"{part}.{name}": tensor.detach() for name, tensor in module.state_dict().items()}
    family = detector_class(detector.config.model_type)
    slots = family.stock_slot_boxes(detector.tensors)
    chosen = farthest_slots(slots, config.num_queries)
    adopted = family.from_stock(detector.tensors, chosen, config.use_presence)
    tensors |= {f"detector.{name}": tensor for name, tensor in adopted.items()}
    rows = grow_tables(tensors, config)
    slot_list = ", ".join(str(slot) for slot in chosen.tolist())
    return tensors, (
        f"VLM from {vlm.folder}",
        f"token tables {rows}",
        f"detector from {detector.folder}: {config.num_queries} of {len(slots)} decoder slots ({slot_list})",
        "new instance queries and projectors",
    )


def grow_tables(tensors: dict[str, Tensor], config: InstructSAMConfig) -> str:
    """Give new tokens rows, each the mean of the old ones, where the tables have no spare rows for them."""
    import torch

    from instructsam.model.vlm.registry import vlm_class

    name = f"vlm.{vlm_class(config.vlm_config.model_type).token_table}"
    old = len(tensors[name])
    highest = max((config.token_ids or {}).values())
    if highest < old:
        return f"kept at {old} rows"
    new = -(-(highest + 1) // ROW_MULTIPLE) * ROW_MULTIPLE
    for table in (name, "lm_head.weight"):
        rows = tensors[table]
        mean = rows.float().mean(0, keepdim=True).to(rows.dtype)
        tensors[table] = torch.cat([rows, mean.expand(new - old, -1)])
    config.vlm_config.get_text_config().vocab_size = new
    return f"grown from {old} to {new} rows"
