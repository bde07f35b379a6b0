"""The models and the servers that the settings of an engine run name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from instructsam.engine.audit.simulated import SimulatedVLM
from instructsam.engine.runners.ray_worker import Equipment
from instructsam.engine.runners.server import open_responder
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.stages.base import Responder, Stage, VLMStage
from instructsam.engine.stages.pictures import RowPictures
from instructsam.engine.stages.table import ROLES, build_stages
from instructsam.errors import CheckpointError, ConfigError, InputError
from instructsam.experiments.engine.source import open_source
from instructsam.structures.answering import Answerer

SIMULATED = "simulated"
"""As `vlm.url`: the simulated model of the audit, for drawn scenes."""
_SAM3 = "sam3:"
_LOG = logging.getLogger(__name__)


def open_stages(config: EngineConfig) -> dict[str, Stage]:
    """The stages of the run, with the models in this process that they need.

    Raises:
        InstructSAMError: a model cannot be opened, or a prompt file is broken.
    """
    models: dict[str, Answerer] = {}
    for key, name in (("source.detector", config.source.detector), ("reground.model", config.reground.model)):
        if name and name not in models:
            models[name] = _open_model(key, name)
    return build_stages(config, models.get(config.source.detector), models.get(config.reground.model))


def open_equipment(
    config: EngineConfig,
    spending: SpendingLog,
    stop: Stop,
    note: Callable[[str], None] = _LOG.warning,
    stages: Mapping[str, Stage] | None = None,
) -> Equipment:
    """All that performs tasks in one process.

    Args:
        config: of the run.
        spending: log of the calls.
        stop: of the run.
        note: receives sentences for the user.
        stages: from `open_stages`, where they are opened already.

    Raises:
        InstructSAMError: a source, model, prompt or server's URL cannot be opened.
    """
    stages = open_stages(config) if stages is None else stages
    images = open_source(config).images
    proposer = _responder(config.vlm, config, spending, stop, "vlm", note)
    verifier = (
        proposer
        if config.verifier is None
        else _responder(config.verifier, config, spending, stop, "verifier", note)
    )
    responders = {
        name: verifier if ROLES[name] == "verifier" else proposer
        for name, stage in stages.items()
        if isinstance(stage, VLMStage)
    }
    return Equipment(stages, responders, RowPictures(images, config.propose.max_side))


def _responder(
    settings: VLMSettings,
    config: EngineConfig,
    spending: SpendingLog,
    stop: Stop,
    group: str,
    note: Callable[[str], None],
) -> Responder:
    if settings.url != SIMULATED:
        return open_responder(settings, spending, stop, group, note)
    if not config.source.data.startswith("world/"):
        raise ConfigError(
            f"{group}.url: the simulated model knows drawn scenes alone, and source.data is {config.source.data!r}: "
            f"set {group}.url to a server, or source.data to world/val"
        )
    return SimulatedVLM(propose=config.propose)


def _open_model(key: str, name: str) -> Answerer:
    try:
        if name.startswith(_SAM3):
            from instructsam.baselines.sam3_concept import load_sam3

            return load_sam3(name.removeprefix(_SAM3))
        from instructsam.inference.loading import load

        return load(name)
    except (CheckpointError, InputError) as error:
        hint = (
            "for a source with objects, set source.detector="
            if key == "source.detector"
            else f"or set {key}="
        )
        raise InputError(f"{key}: {error}; {hint}") from error
