"""A new InstructSAM from two pretrained bases: a VLM and a detector (docs/model.md, "Initialisation")."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructsam.checkpoints.headers import require_fit
from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.checkpoints.stock import load_stock, stock_name

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from instructsam.model.configuration import InstructSAMConfig
    from instructsam.model.instructsam import InstructSAMModel

ROW_MULTIPLE = 64  # token tables grow to a multiple of this, for matrix units


@dataclass(frozen=True)
class Base:
    """One pretrained base: its folder, its configuration and its tensors."""

    folder: Path
    config: Any
    tensors: dict[str, Tensor]


def load_vlm_base(folder: Path, dtype: torch.dtype) -> Base:
    """Load weights and configuration of a VLM, under the names of `InstructSAMModel`.

    Raises:
        CheckpointError: the folder holds no VLM of a known family, or tensors are missing.
    """
    from instructsam.model.vlm.registry import VLMS

    name = stock_name(folder, VLMS)
    stock = load_stock(VLMS[name].stock_class(), folder, dtype, name)
    return Base(folder, stock.config, VLMS[name].from_stock(stock))


def load_detector_base(folder: Path, dtype: torch.dtype) -> Base:
    """Weights and configuration of a detector, under the names of its stock model.

    Raises:
        CheckpointError: the folder holds no detector that a model can be built with, or tensors are missing.
    """
    from instructsam.model.detector.registry import DETECTORS

    names = [name for name, detector in DETECTORS.items() if detector.stock_class() is not None]
    name = stock_name(folder, names)
    detector = DETECTORS[name]
    model = load_stock(detector.stock_class(), folder, dtype, name)
    own = tuple(prefix for _, prefix in detector.parts)  # no text encoder
    return Base(folder, model.config, {n: t for n, t in model.state_dict().items() if n.startswith(own)})


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


def new_model(
    vlm: Base, detector: Base, config: InstructSAMConfig, dtype: torch.dtype, seed: int
) -> tuple[InstructSAMModel, tuple[str, ...]]:
    """A model out of two bases, and one line per part about its source.

    Raises:
        CheckpointError: the bases lack a tensor, or have one too many.
    """
    from instructsam.model.instructsam import InstructSAMModel

    tensors, origin = assemble(vlm, detector, config, seed)
    with quiet_transformers():
        model, report = InstructSAMModel.from_pretrained(
            None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True
        )
    lost = sorted(report["missing_keys"]) + sorted(report["unexpected_keys"])
    require_fit("the two bases do not make a whole model", lost)
    return model, origin


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
