"""All stages of a run, and who answers the questions of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.stages.base import Stage
from instructsam.structures.answering import Answerer

Role = Literal["proposer", "verifier", "local"]
"""Who performs the tasks of a stage: the served model of `config.vlm` or `config.verifier`, or one in this process."""

ROLES: Mapping[str, Role] = {
    "name": "proposer",
    "detect": "local",
    "propose": "proposer",
    "revise": "proposer",
    "words": "verifier",
    "vote": "verifier",
    "exhaustive": "verifier",
    "no_target": "verifier",
    "reground": "local",
}
"""The role of every stage, in the order of the flow."""


def settings_of(role: Role, config: EngineConfig) -> VLMSettings:
    """The served model of a role: "proposer" or "verifier"."""
    return config.verifier or config.vlm if role == "verifier" else config.vlm


def build_stages(
    config: EngineConfig, detector: Answerer | None = None, regrounder: Answerer | None = None
) -> dict[str, Stage]:
    """The stages of a run by name, in the order of `ROLES`; those that the configuration leaves out are missing.

    Args:
        detector: the opened model of `config.source.detector`.
        regrounder: the opened model of `config.reground.model`.

    Raises:
        InputError: the configuration names a model that is not given, or a prompt file is broken.
    """
    del config, detector, regrounder
    return {}


def fingerprints(stages: Mapping[str, Stage]) -> dict[str, str]:
    """The fingerprint of every stage by its name, for `flow.outcome_fingerprint`."""
    return {name: stage.fingerprint for name, stage in sorted(stages.items())}
