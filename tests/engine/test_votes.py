"""Votes: the early stop saves votes and never changes the decision."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructsam.engine.settings.verify import VerifySettings
from instructsam.engine.votes import Ballot, Poll

CLAIMED = (1, 3)
OTHERS: tuple[Ballot, ...] = ((1,), (), (1, 2, 3), None)


def run(ballots: tuple[Ballot, ...], settings: VerifySettings) -> Poll:
    """A poll over prepared ballots, in the batches of the flow."""
    poll = Poll(CLAIMED, (), settings.votes, settings.needed)
    while poll.useful:
        cast = len(poll.ballots) + poll.useful
        poll = Poll(CLAIMED, ballots[:cast], settings.votes, settings.needed)
    return poll


@given(st.data(), st.integers(1, 12), st.floats(0.01, 1))
def test_the_early_stop_never_changes_the_decision(data: st.DataObject, votes: int, threshold: float) -> None:
    settings = VerifySettings(votes=votes, threshold=threshold)
    ballots = tuple(data.draw(st.lists(st.sampled_from((CLAIMED, *OTHERS)), min_size=votes, max_size=votes)))
    poll = run(ballots, settings)
    assert poll.passed == (sum(ballot == CLAIMED for ballot in ballots) >= settings.needed)
    assert poll.passed == (sum(ballot == CLAIMED for ballot in ballots) / votes >= threshold - 1e-9)
    assert len(poll.ballots) <= votes


@given(st.data(), st.integers(1, 12), st.floats(0.01, 1))
def test_no_vote_is_cast_after_the_decision_is_certain(
    data: st.DataObject, votes: int, threshold: float
) -> None:
    settings = VerifySettings(votes=votes, threshold=threshold)
    ballots = tuple(data.draw(st.lists(st.sampled_from((CLAIMED, *OTHERS)), min_size=votes, max_size=votes)))
    poll = run(ballots, settings)
    before = Poll(CLAIMED, poll.ballots[:-1], votes, settings.needed)
    assert before.useful == 1, "the last vote decides"


@pytest.mark.parametrize(
    ("votes", "threshold", "needed"), [(3, 0.66, 2), (3, 2 / 3, 2), (3, 0.67, 3), (5, 0.6, 3), (1, 0.01, 1)]
)
def test_the_threshold_is_a_share_of_all_votes(votes: int, threshold: float, needed: int) -> None:
    assert VerifySettings(votes=votes, threshold=threshold).needed == needed


def test_votes_agree_with_the_whole_set_only() -> None:
    poll = Poll(CLAIMED, ((1,), CLAIMED, None, ()), 4, 3)
    assert (poll.agreeing, poll.passed, poll.useful) == (1, False, 0)
    assert poll.named() == {1: 0.5, 3: 0.25}
    assert str(poll.reason()) == "votes: 1 of 4 agree, others name 1; unusable reply; nothing"


def test_no_number_at_all_is_a_set_too() -> None:
    poll = Poll((), ((), ()), 3, 2)
    assert (poll.passed, poll.reason(), poll.named()) == (True, None, {})
