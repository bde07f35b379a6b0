"""The presets of training in `assets/configs/`, which is also `configs/` of the repository. No torch."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path

from instructsam.errors import ConfigError

SMALL = 500_000_000  # parameters; up to this size all of them are trained
FINETUNE, FINETUNE_LORA = "finetune", "finetune_lora"


def preset_folder() -> Path:
    """Where the presets are."""
    return Path(str(files("instructsam"))) / "assets" / "configs"


def preset_names() -> tuple[str, ...]:
    """Names of presets that train on a user's data."""
    return tuple(sorted(path.stem for path in preset_folder().glob("*.yaml")))


def preset_path(name: str) -> Path:
    """The file of a preset.

    Raises:
        ConfigError: there is none of that name.
    """
    names = preset_names()
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"a preset must be one of {', '.join(names)}, got {name!r}{hint}")
    return preset_folder() / f"{name}.yaml"


def choose_preset(parameters: int) -> tuple[str, str]:
    """The preset for a model of so many parameters, and why."""
    if parameters < SMALL:
        return FINETUNE, f"{parameters / 1e6:.1f} M parameters are few enough to train all of them"
    return FINETUNE_LORA, (
        f"{parameters / 1e9:.2f} B parameters are too many to train all of them on one GPU, so the language model gets "
        "low-rank adapters"
    )
