"""Models and baselines offer the same facts; mypy compares their signatures where the command line opens them."""

from __future__ import annotations

import pytest

from instructsam.baselines.oracle_agent import OracleAgent
from instructsam.baselines.sam3_agent import Sam3Agent
from instructsam.baselines.sam3_concept import Sam3Concept
from instructsam.inference.segmenter import Segmenter
from instructsam.structures.answering import MODES, takes_records
from tests.baselines.test_sam3_agent import Bars
from tests.tiny import picture, tiny_pair


def test_every_answerer_has_the_facts_of_the_protocol() -> None:
    segmenter = Segmenter(*tiny_pair())
    for answerer in (segmenter, Sam3Agent(None, Bars()), OracleAgent(segmenter)):  # type: ignore[arg-type]
        assert 0 <= answerer.score_threshold <= 1
        assert answerer.default_mode in MODES[1:]
        assert answerer.calls is None or answerer.calls.count() == 0
    assert segmenter.calls is None
    assert OracleAgent(segmenter).fingerprint == segmenter.fingerprint


@pytest.mark.parametrize("kind", [Segmenter, Sam3Concept, Sam3Agent])
def test_only_the_oracle_is_given_records(kind: type) -> None:
    assert takes_records(OracleAgent(Bars()))  # type: ignore[arg-type]
    assert not hasattr(kind, "segment_records")


def test_an_agent_leaves_given_phrases_to_its_detector() -> None:
    agent = Sam3Agent(None, Bars())  # type: ignore[arg-type]
    answer = agent.segment(picture(1), phrases=["bar"], score_threshold=0.5)
    assert (len(answer.instances), agent.calls.count("vlm"), agent.calls.count("detector")) == (3, 0, 1)
