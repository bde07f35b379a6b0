"""`build`: a new model to train, from a pretrained VLM and a pretrained detector."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instructsam.checkpoints.assemble import combined_config, load_detector_base, load_vlm_base, new_model
from instructsam.checkpoints.devices import pick_device, pick_dtype
from instructsam.checkpoints.stock import DEFAULT_DETECTOR, DEFAULT_VLM, base_folder, require_plain
from instructsam.structures.checks import check_count, check_flag, check_path

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter


def build(
    vlm: str | Path = DEFAULT_VLM,
    detector: str | Path = DEFAULT_DETECTOR,
    num_queries: int = 10,
    device: str = "auto",
    dtype: str = "auto",
    use_presence: bool = False,
    seed: int = 0,
) -> Segmenter:
    """A new model to train: both bases with their weights, new instance queries and projectors.

    Args:
        vlm: folder or hub id of a VLM of a supported family (docs/weights.md, "A new model").
        detector: folder or hub id of a detector, such as SAM3; where its decoder has other than `num_queries` slots,
            those whose reference boxes lie farthest apart are taken.
        num_queries: Q, instances that one phrase can name.
        device: as in `load`.
        dtype: as in `load`.
        use_presence: keep the detector's presence token (the published InstructSAM has none).
        seed: of the new weights.

    Returns:
        A `Segmenter`; `origin` lists the source of each part, `save` writes the model.

    Raises:
        CheckpointError: a base is missing, gated, damaged or of another kind.
        InputError: `num_queries` is below 1 or above the detector's slots.
    """
    from instructsam.inference.segmenter import Segmenter
    from instructsam.model.detector.registry import detector_class
    from instructsam.model.vlm.registry import vlm_class
    from instructsam.processing.processor import InstructSAMProcessor
    from instructsam.processing.settings import ProcessorSettings
    from instructsam.processing.tokenizer_files import load_tokenizer
    from instructsam.processing.tokens import TokenIds, add_missing_tokens

    for name, base in (("vlm", vlm), ("detector", detector)):
        check_path(base, name)
    check_count(num_queries, "num_queries")
    check_flag(use_presence, "use_presence")
    check_count(seed, "seed", low=0, high=2**63 - 1)
    target = pick_device(device)
    number_format = pick_dtype(dtype, target)
    vlm_base = load_vlm_base(require_plain(base_folder(vlm)), number_format)
    detector_base = load_detector_base(require_plain(base_folder(detector)), number_format)
    slots = detector_class(detector_base.config.model_type).stock_slot_boxes(detector_base.tensors)
    check_count(num_queries, "num_queries", high=len(slots))
    tokenizer = load_tokenizer(vlm_base.folder)
    family = vlm_class(vlm_base.config.model_type)
    added = add_missing_tokens(tokenizer, family)
    config = combined_config(vlm_base, detector_base, num_queries, use_presence)
    config.token_ids = TokenIds.from_tokenizer(tokenizer, family).as_dict()
    model, origin = new_model(vlm_base, detector_base, config, number_format, seed)
    origin = (f"{len(added)} tokens added: {', '.join(added) or 'none'}", *origin)
    processor = InstructSAMProcessor(tokenizer, ProcessorSettings.from_config(config))
    return Segmenter(model.to(target), processor, origin=origin)
