"""The VLM's linear layers in 8 or 4 bits, through bitsandbytes, on CUDA and on CPUs.

`int8` is LLM.int8 (arXiv 2208.07339): weights are kept as int8 with one scale per row; during the product, activations
are rounded to int8 too, except columns with outliers. `int4` is NF4 (QLoRA, arXiv 2305.14314): weights in 4 bits with
one scale per 64 values, expanded for the product. The detector, the projectors, the queries and the token tables
keep their number format: they produce masks and scores, and are the smaller part.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, get_args

from instructsam.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import torch

    from instructsam.model.configuration import InstructSAMConfig

Quantize = Literal["int8", "int4"]
KEPT = (
    "detector",
    "lm_head",
    "instance_queries",
    "query_projector",
    "phrase_projector",
)


INT4_BLOCK = 64  # values that share a scale


def quantization_config(
    quantize: str | None, config: InstructSAMConfig, device: torch.device, dtype: torch.dtype
) -> Any:
    """The `quantization_config` for `from_pretrained`, None for plain weights.

    Args:
        quantize: "int8", "int4" or None.
        config: the model's.
        device: of the model.
        dtype: of everything that is not quantized, and of the products in `int4`.

    Raises:
        InputError: another word, a device other than CUDA and CPU, or layers whose width does not suit int4.
        MissingExtraError: bitsandbytes is not installed.
    """
    if quantize is None:
        return None
    if quantize not in get_args(Quantize):
        raise InputError(f"quantize must be int8, int4 or None, got {quantize!r}")
    if device.type not in ("cuda", "cpu"):
        raise InputError(
            f"quantize={quantize!r} works on cuda and cpu, the device is {device.type}: leave it out"
        )
    from instructsam.model.vlm.registry import vlm_class

    vlm = vlm_class(config.vlm_config.model_type)
    odd = [width for width in vlm.linear_widths(config.vlm_config) if width % INT4_BLOCK]
    if quantize == "int4" and odd:
        raise InputError(
            f"int4 needs layers whose width is a multiple of {INT4_BLOCK}, this model has one of {odd[0]}: use int8"
        )
    try:
        import bitsandbytes  # noqa: F401 - checks that it is installed
    except ImportError as error:
        raise MissingExtraError("quantize needs bitsandbytes: pip install 'instructsam[quantize]'") from error
    from transformers import BitsAndBytesConfig

    logging.getLogger("bitsandbytes.autograd._functions").addFilter(is_not_cast_warning)
    token_table = f"vlm.{vlm.token_table}".removesuffix(".weight")
    options: dict[str, Any] = {"llm_int8_skip_modules": [*KEPT, token_table]}
    if quantize == "int8":
        return BitsAndBytesConfig(load_in_8bit=True, **options)
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype, **options
    )


def is_not_cast_warning(record: logging.LogRecord) -> bool:
    """False for a warning that bitsandbytes repeats for every layer: the cast to float16, which int8 always does."""
    return "MatMul8bitLt: inputs will be cast" not in record.getMessage()
