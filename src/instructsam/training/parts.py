"""The table from parameter to part: every parameter of a model belongs to exactly one part."""

from __future__ import annotations

from instructsam.model.instructsam import InstructSAMModel
from instructsam.training.part_settings import Part, PartSettings


def part_prefixes(model: InstructSAMModel) -> tuple[tuple[str, Part], ...]:
    """Beginnings of parameter names with their part; the first one that fits decides."""
    encoders = {id(module) for module in model.vlm.vision_modules()}
    vision = [name for name, module in model.named_modules() if id(module) in encoders]
    return (
        (f"vlm.{model.vlm.token_table}", "word_embeddings"),
        *((f"{name}.", "vlm_vision") for name in vision),
        ("vlm.", "language_model"),
        ("lm_head.", "language_model"),
        ("query_projector.", "projectors"),
        ("phrase_projector.", "projectors"),
        ("instance_queries.", "instance_queries"),
        ("detector.vision_encoder.", "detector_vision"),
        ("detector.", "detector"),
    )


def parts_by_name(model: InstructSAMModel) -> dict[str, Part]:
    """The part of every parameter, also of adapters; tied parameters are listed once.

    Raises:
        LookupError: the table lacks a parameter of the model.
    """
    prefixes = part_prefixes(model)
    found: dict[str, Part] = {}
    for name, _ in model.named_parameters():
        part = next((part for prefix, part in prefixes if name.startswith(prefix)), None)
        if part is None:
            raise LookupError(f"{name} belongs to no part: add its prefix to training/parts.py")
        found[name] = part
    return found


def part_rates(model: InstructSAMModel, settings: PartSettings, prefix: str = "model.") -> dict[str, float]:
    """The peak learning rate of every parameter whose part has one of its own; names begin with `prefix`."""
    rates = {name: settings.of(part) for name, part in parts_by_name(model).items()}
    return {prefix + name: rate for name, rate in rates.items() if isinstance(rate, float)}
