"""The table of an audit: precision and recall of accepted records against votes, threshold and error rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from instructsam.engine.audit.cost import CallCost
from instructsam.engine.audit.counts import CountTable, RowCounts, Share
from instructsam.engine.settings.config import EngineConfig
from instructsam.structures.safe_text import one_line
from instructsam.structures.tables import format_rows


@dataclass(frozen=True)
class Setting:
    """One way to run the engine.

    Attributes:
        error_rate: share of wrong votes of the simulated model; None for a served one.
        votes, needed, rounds: of `verify`.
    """

    error_rate: float | None
    votes: int
    needed: int
    rounds: int


def setting_of(config: EngineConfig, error_rate: float | None = None) -> Setting:
    """The setting of a configuration."""
    verify = config.verify
    return Setting(error_rate, verify.votes, verify.needed, verify.rounds)


@dataclass(frozen=True)
class AuditRow:
    """The result of one setting.

    Attributes:
        total: counts over all images.
        right: share of the proposals that are right before any check.
        precision: share of the accepted records that are right.
        recall: share of the right proposals that are accepted and right.
        yielded: accepted and right records per proposal.
        review: share of the proposals that are left to people.
        cost: calls and tokens per accepted record; None without one.
        money: per 1,000 accepted records, at the given prices; None without one.
    """

    setting: Setting
    total: RowCounts
    right: Share
    precision: Share
    recall: Share
    yielded: Share
    review: Share
    cost: CallCost | None
    money: float | None


def audit_row(
    setting: Setting, counts: Sequence[RowCounts], prices: tuple[float, float] = (0.0, 0.0)
) -> AuditRow:
    """The result of a setting.

    Args:
        counts: of each image, and of each seed.
        prices: money per million input and output tokens.
    """
    table = CountTable(counts)
    total, cost, money = table.total, None, None
    if total.accepted:
        cost = CallCost(
            total.calls / total.accepted,
            total.input_tokens / total.accepted,
            total.output_tokens / total.accepted,
        )
        money = (cost.input_tokens * prices[0] + cost.output_tokens * prices[1]) / 1000
    return AuditRow(
        setting,
        total,
        right=table.ratio("right", "proposals"),
        precision=table.ratio("accepted_right", "accepted"),
        recall=table.ratio("kept", "right"),
        yielded=table.ratio("accepted_right", "proposals"),
        review=table.ratio("review", "proposals"),
        cost=cost,
        money=money,
    )


@dataclass(frozen=True)
class AuditTable:
    """Results of several settings, and how they were made."""

    rows: tuple[AuditRow, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"rows": [asdict(row) for row in self.rows], "facts": dict(self.facts)}

    def to_text(self) -> str:
        """Markdown: a row per setting, then how it was made."""
        head = [
            "votes that agree",
            "rounds",
            "right before",
            "precision ↑",
            "recall ↑",
            "yield ↑",
            "review",
            "calls",
        ]
        has_rates = any(row.setting.error_rate is not None for row in self.rows)
        has_money = any(row.money for row in self.rows)
        lines = [
            [
                *(["error rate"] if has_rates else []),
                *head,
                "input tokens",
                "output tokens",
                *(["cost of 1,000"] if has_money else []),
            ]
        ]
        for row in self.rows:
            setting, cost = row.setting, row.cost
            spent = (cost.calls, cost.input_tokens, cost.output_tokens) if cost else (None, None, None)
            lines.append(
                [
                    *([_plain(setting.error_rate, 2)] if has_rates else []),
                    f"{setting.needed} of {setting.votes}",
                    str(setting.rounds),
                    _share(row.right),
                    f"{_share(row.precision)} {_interval(row.precision)}".strip(),
                    f"{_share(row.recall)} {_interval(row.recall)}".strip(),
                    _share(row.yielded),
                    _share(row.review),
                    _plain(spent[0], 1),
                    _plain(spent[1], 0),
                    _plain(spent[2], 0),
                    *([_plain(row.money, 2)] if has_money else []),
                ]
            )
        facts = [f"- {name}: {one_line(value)}" for name, value in self.facts.items()]
        legend = (
            "Shares of candidates. precision: accepted records that are right; recall: right proposals that are "
            "accepted;\nyield: right records per proposal; in brackets the 95% interval over images. Calls and tokens "
            "per accepted record."
        )
        return "\n\n".join([format_rows(lines), legend, "\n".join(facts)])


def _share(share: Share) -> str:
    return "-" if share.value is None else f"{share.value:.3f}"


def _interval(share: Share) -> str:
    return "" if share.low is None or share.high is None else f"({share.low:.3f} to {share.high:.3f})"


def _plain(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"
