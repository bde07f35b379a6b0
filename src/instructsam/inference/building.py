"""A fresh InstructSAM from two pretrained bases: a Qwen3-VL and a SAM3 (docs/model.md, "Initialisation")."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.errors import CheckpointError, InputError, first_line
from instructsam.inference.folder import CONFIG_ERRORS, CONFIG_FILE
from instructsam.inference.headers import FLOATS, require_fit, tensors
from instructsam.inference.hub import fetch, is_hub_id
from instructsam.inference.limits import REFUSED
from instructsam.inference.loading import pick_device, pick_dtype
from instructsam.inference.quiet import quiet_transformers
from instructsam.structures.checks import check_count, check_flag, check_path
from instructsam.structures.model_files import read_object, require_inside

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from instructsam.inference.segmenter import Segmenter
    from instructsam.model.configuration import InstructSAMConfig

VLM = "Qwen/Qwen3-VL-2B-Instruct"
DETECTOR = "facebook/sam3"
DETECTOR_PARTS = (
    "vision_encoder.",
    "detr_encoder.",
    "detr_decoder.",
    "mask_decoder.",
    "dot_product_scoring.",
)
KERNELS = ("attn_implementation", "_attn_implementation", "experts_implementation", "_experts_implementation")
ROW_MULTIPLE = 64  # token tables grow to a multiple of this, for matrix units


@dataclass(frozen=True)
class Base:
    """One pretrained base: where it lay, its configuration and its tensors under their own names."""

    folder: Path
    config: Any
    tensors: dict[str, Tensor]


def build(
    vlm: str | Path = VLM,
    detector: str | Path = DETECTOR,
    num_queries: int = 10,
    device: str = "auto",
    dtype: str = "auto",
    use_presence: bool = False,
    seed: int = 0,
) -> Segmenter:
    """A model that is ready to be trained: both bases with their weights, instance queries and projectors fresh.

    Args:
        vlm: folder or hub id of any dense Qwen3-VL.
        detector: folder or hub id of SAM3; where its decoder has other than `num_queries` slots, those whose reference
            boxes lie farthest apart are taken.
        num_queries: Q, instances that one phrase can name.
        device, dtype: as in `load`.
        use_presence: keep SAM3's presence token (the published InstructSAM has none).
        seed: of the fresh weights.

    Returns:
        A `Segmenter`; `origin` says what was taken from where, `save` writes it.

    Raises:
        CheckpointError: a base is missing, gated, damaged or of another kind.
        InputError: `num_queries` is below 1 or above the detector's slots.
    """
    from instructsam.inference.segmenter import Segmenter
    from instructsam.model.instructsam import InstructSAMModel
    from instructsam.processing.processor import InstructSAMProcessor, ProcessorSettings, load_tokenizer
    from instructsam.processing.tokens import TokenIds, add_missing_tokens

    for name, base in (("vlm", vlm), ("detector", detector)):
        check_path(base, name)
    check_count(num_queries, "num_queries")
    check_flag(use_presence, "use_presence")
    check_count(seed, "seed", low=0, high=2**63 - 1)
    target = pick_device(device)
    number_format = pick_dtype(dtype, target)
    eyes_and_words = read_vlm(require_plain(base_folder(vlm)), number_format)
    sam3 = read_detector(require_plain(base_folder(detector)), number_format)
    slots = sam3.tensors["detr_decoder.reference_points.weight"]
    if not 1 <= num_queries <= len(slots):
        raise InputError(f"num_queries must lie between 1 and {len(slots)}, got {num_queries}")
    tokenizer = load_tokenizer(eyes_and_words.folder)
    added = add_missing_tokens(tokenizer)
    config = combined_config(eyes_and_words, sam3, num_queries, use_presence)
    config.token_ids = TokenIds.from_tokenizer(tokenizer).as_dict()
    tensors, origin = assemble(eyes_and_words, sam3, config, seed)
    origin = (f"{len(added)} tokens added: {', '.join(added) or 'none'}", *origin)
    with quiet_transformers():
        model, report = InstructSAMModel.from_pretrained(
            None, config=config, state_dict=tensors, dtype=number_format, output_loading_info=True
        )
    lost = sorted(report["missing_keys"]) + sorted(report["unexpected_keys"])
    require_fit("the two bases do not make a whole model", lost)
    processor = InstructSAMProcessor(tokenizer, ProcessorSettings.from_config(config))
    return Segmenter(model.to(target), processor, origin=origin)


def base_folder(name: str | Path) -> Path:
    """Where a base lies; a hub id is fetched."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not is_hub_id(str(name)):
        raise CheckpointError(
            f"no base model {str(name)!r}: neither an existing folder nor a hub id such as '{VLM}'"
        )
    return fetch(str(name))


def read_vlm(folder: Path, dtype: torch.dtype) -> Base:
    """Weights and configuration of a Qwen3-VL.

    Raises:
        CheckpointError: it is none, or tensors are missing.
    """
    from transformers import Qwen3VLForConditionalGeneration

    model = stock_model(Qwen3VLForConditionalGeneration, folder, dtype, "qwen3_vl")
    tensors = {f"vlm.{name}": tensor for name, tensor in model.model.state_dict().items()}
    tensors["lm_head.weight"] = model.lm_head.weight.detach()
    return Base(folder, model.config, tensors)


def read_detector(folder: Path, dtype: torch.dtype) -> Base:
    """Weights and configuration of a SAM3, its text encoder left behind; names without "detector."."""
    from transformers import Sam3Model

    model = stock_model(Sam3Model, folder, dtype, "sam3")
    tensors = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(DETECTOR_PARTS)}
    return Base(folder, model.config, tensors)


def stock_model(kind: Any, folder: Path, dtype: torch.dtype, family: str) -> Any:
    """A model of transformers, strictly from a folder.

    Args:
        kind: its class.
        family: what its `model_type` must begin with.

    Raises:
        CheckpointError: the folder holds another kind of model, is damaged, or lacks tensors.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig

    from instructsam.inference.finite import require_finite

    fields = require_stock(folder)
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        model_type = AutoConfig.from_pretrained(folder, **options).model_type
        if "moe" in str(model_type) and "moe" not in family:
            raise CheckpointError(
                f"{folder} holds a {model_type} model; only dense ones are built from, such as 2B or 8B"
            )
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
    """The end of a tensor's name, which stays when a library renames the parts of a model."""
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
            f"{path}: a model is built from plain weights, not quantized ones: give the original"
        )
    return folder


def combined_config(vlm: Base, sam3: Base, num_queries: int, use_presence: bool) -> InstructSAMConfig:
    """One configuration out of two."""
    from instructsam.model.configuration import InstructSAMConfig

    return InstructSAMConfig(
        vlm_config=vlm.config.to_dict(),
        detector_config=sam3.config.to_dict(),
        num_queries=num_queries,
        use_presence=use_presence,
        tie_word_embeddings=bool(getattr(vlm.config, "tie_word_embeddings", False)),
    )


def assemble(
    vlm: Base, sam3: Base, config: InstructSAMConfig, seed: int
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Every tensor of the new model under our names, and where each part came from."""
    import torch

    from instructsam.model.projector import Projector
    from instructsam.model.queries import InstanceQueries, farthest_slots

    generator_state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    fresh = {
        "instance_queries": InstanceQueries(config.num_queries, config.hidden_size, config.slot_boxes),
        "query_projector": Projector(config.hidden_size, config.detector_size),
        "phrase_projector": Projector(config.hidden_size, config.detector_size),
    }
    torch.random.set_rng_state(generator_state)
    tensors = dict(vlm.tensors)
    for part, module in fresh.items():
        tensors |= {f"{part}.{name}": tensor.detach() for name, tensor in module.state_dict().items()}
    slots = sam3.tensors["detr_decoder.reference_points.weight"]
    chosen = farthest_slots(slots.float().sigmoid(), config.num_queries)
    for name, tensor in sam3.tensors.items():
        if name.startswith("detr_decoder.query_embed.") or (not config.use_presence and "presence" in name):
            continue
        tensors[f"detector.{name}"] = (
            tensor[chosen] if name.startswith("detr_decoder.reference_points.") else tensor
        )
    rows = grow_tables(tensors, config)
    slot_list = ", ".join(str(slot) for slot in chosen.tolist())
    return tensors, (
        f"language model and its vision tower from {vlm.folder}",
        f"token tables {rows}",
        f"detector from {sam3.folder}: {config.num_queries} of {len(slots)} decoder slots ({slot_list})",
        "instance queries and both projectors fresh",
    )


def grow_tables(tensors: dict[str, Tensor], config: InstructSAMConfig) -> str:
    """Give new tokens rows, each the mean of the old ones, where the tables have no spare rows for them."""
    import torch

    name = "vlm.language_model.embed_tokens.weight"
    old = len(tensors[name])
    highest = max((config.token_ids or {}).values())
    if highest < old:
        return f"kept at {old} rows"
    new = -(-(highest + 1) // ROW_MULTIPLE) * ROW_MULTIPLE
    for table in (name, "lm_head.weight"):
        rows = tensors[table]
        mean = rows.float().mean(0, keepdim=True).to(rows.dtype)
        tensors[table] = torch.cat([rows, mean.expand(new - old, -1)])
    config.vlm_config.text_config.vocab_size = new
    return f"grown from {old} to {new} rows"
