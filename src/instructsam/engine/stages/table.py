"""All stages of a run, and who answers the questions of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.engine.stages.base import Stage, VLMStage
from instructsam.engine.stages.detect import DetectStage
from instructsam.engine.stages.exhaustive import ExhaustiveStage, NoTargetStage
from instructsam.engine.stages.name import NameStage
from instructsam.engine.stages.prompts import PromptBook, open_prompts
from instructsam.engine.stages.propose import ProposeStage
from instructsam.engine.stages.reground import RegroundStage
from instructsam.engine.stages.revise import ReviseStage
from instructsam.engine.stages.verifier import settings_of_stage
from instructsam.engine.stages.vote import VoteStage
from instructsam.engine.stages.words import WordsStage
from instructsam.errors import InputError
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
        InputError: the configuration names a model that is not given.
        ConfigError: a prompt file is broken.
    """
    prompts = open_prompts(config.propose.prompts)
    stages: list[Stage] = [*_proposing(config, prompts), *_verifying(config, prompts)]
    if config.source.detector:
        source = config.source
        given = _given(detector, "source.detector")
        stages.append(DetectStage(given, source.score_threshold, source.max_overlap))
    if config.reground.model:
        given = _given(regrounder, "reground.model")
        stages.append(RegroundStage(given, config.reground.words, config.reground.score_threshold))
    by_name = {stage.name: stage for stage in stages}
    return {name: by_name[name] for name in ROLES if name in by_name}


def fingerprints(stages: Mapping[str, Stage]) -> dict[str, str]:
    """The fingerprint of every stage by its name, for `flow.outcome_fingerprint`."""
    return {name: stage.fingerprint for name, stage in sorted(stages.items())}


def _proposing(config: EngineConfig, prompts: PromptBook) -> Iterator[VLMStage]:
    propose, model = config.propose, config.vlm.model
    if config.source.detector and not config.source.concepts:
        yield NameStage(propose, prompts, model)
    yield ProposeStage(propose, prompts, model)
    if config.verify.rounds:
        yield ReviseStage(propose, prompts, model)


def _verifying(config: EngineConfig, prompts: PromptBook) -> Iterator[VLMStage]:
    verify = config.verify
    if verify.words:
        yield WordsStage(**settings_of_stage(WordsStage, config, prompts))
    yield VoteStage(**settings_of_stage(VoteStage, config, prompts), temperature=verify.temperature)
    if verify.exhaustive:
        yield ExhaustiveStage(**settings_of_stage(ExhaustiveStage, config, prompts))
    if verify.no_target:
        yield NoTargetStage(**settings_of_stage(NoTargetStage, config, prompts))


def _given(answerer: Answerer | None, key: str) -> Answerer:
    if answerer is None:
        raise InputError(f"the configuration names a model as {key}: expected it opened, got None")
    return answerer
