"""The configuration of a model folder, in either layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instructsam.checkpoints.limits import require_sane
from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.errors import CheckpointError, first_line
from instructsam.structures.model_files import read_object, require_inside

if TYPE_CHECKING:
    from instructsam.model.configuration import InstructSAMConfig

CONFIG_FILE = "config.json"
CONFIG_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
)  # of a damaged one


def read_config(folder: Path) -> tuple[InstructSAMConfig, bool]:
    """Our configuration of a folder, and whether it is in the published layout.

    Raises:
        CheckpointError: config.json is missing or damaged, of another model, or a link out of the folder.
    """
    from huggingface_hub.errors import StrictDataclassError

    from instructsam.checkpoints.published_layout import config_from_published, is_published
    from instructsam.model.configuration import InstructSAMConfig

    path = folder / CONFIG_FILE
    if not path.is_file() and (folder / "adapter_config.json").is_file():
        raise CheckpointError(
            f"{folder} holds an adapter, not a whole model: give the base that it was trained on"
        )
    require_inside(folder)
    fields = read_object(path)
    published = is_published(fields)
    if not published and fields.get("model_type") != InstructSAMConfig.model_type:
        kind = str(fields.get("model_type") or "nameless")[:60]
        raise CheckpointError(f"{path} describes a {kind} model, expected InstructSAM")
    require_sane(path, fields)
    try:
        with quiet_transformers():
            config = config_from_published(fields) if published else InstructSAMConfig.from_dict(fields)
    except (*CONFIG_ERRORS, StrictDataclassError) as error:
        raise CheckpointError(f"{path} is damaged: {first_line(error)}") from error
    return config, published
