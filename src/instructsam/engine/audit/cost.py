"""Hours and money for a data set, from the calls and tokens per accepted record of an audit or of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from instructsam.errors import InputError
from instructsam.structures.tables import format_rows


@dataclass(frozen=True)
class CallCost:
    """Means per accepted record."""

    calls: float
    input_tokens: float
    output_tokens: float


@dataclass(frozen=True)
class ServerSpeed:
    """The speed of one GPU of the user's server, as the server's own benchmark measures it.

    Attributes:
        input_tokens_per_second: of prompts, pictures included.
        output_tokens_per_second: of replies, over all requests together.
        gpus: that serve the model side by side.
        gpu_price: money per GPU hour; 0 for one's own.
    """

    input_tokens_per_second: float
    output_tokens_per_second: float
    gpus: int = 1
    gpu_price: float = 0.0

    def __post_init__(self) -> None:
        if not (self.input_tokens_per_second > 0 and self.output_tokens_per_second > 0 and self.gpus >= 1):
            raise InputError(
                "a server's speed needs tokens per second above 0 and at least one GPU, got "
                f"{self.input_tokens_per_second:g} and {self.output_tokens_per_second:g} on {self.gpus}"
            )


@dataclass(frozen=True)
class Budget:
    """The cost of a data set.

    Attributes:
        records: accepted ones.
        calls, input_tokens, output_tokens: of all records.
        hours: on all GPUs together; None without a speed.
        gpu_hours: of all GPUs; None without a speed.
        money: by tokens, or by GPU hours.
    """

    records: int
    calls: float
    input_tokens: float
    output_tokens: float
    hours: float | None
    gpu_hours: float | None
    money: float

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return dict(self.__dict__)


def token_budget(records: int, cost: CallCost, input_price: float, output_price: float) -> Budget:
    """The budget of a model that is paid by tokens.

    Args:
        input_price, output_price: money per million tokens.
    """
    given, replied = records * cost.input_tokens, records * cost.output_tokens
    money = (given * input_price + replied * output_price) / 1e6
    return Budget(records, records * cost.calls, given, replied, None, None, money)


def gpu_budget(records: int, cost: CallCost, speed: ServerSpeed) -> Budget:
    """The budget of a model on one's own or rented GPUs: prompts and replies take their time one after the other."""
    given, replied = records * cost.input_tokens, records * cost.output_tokens
    seconds = given / speed.input_tokens_per_second + replied / speed.output_tokens_per_second
    gpu_hours = seconds / 3600
    return Budget(
        records,
        records * cost.calls,
        given,
        replied,
        gpu_hours / speed.gpus,
        gpu_hours,
        gpu_hours * speed.gpu_price,
    )


def budgets_to_text(budgets: dict[str, Budget]) -> str:
    """Markdown: a row per budget."""
    rows = [["", "records", "calls", "input tokens", "output tokens", "hours", "GPU hours", "money"]]
    for name, budget in budgets.items():
        rows.append(
            [
                name,
                f"{budget.records:,}",
                _million(budget.calls),
                _million(budget.input_tokens),
                _million(budget.output_tokens),
                "-" if budget.hours is None else f"{budget.hours:,.1f}",
                "-" if budget.gpu_hours is None else f"{budget.gpu_hours:,.1f}",
                f"{budget.money:,.0f}",
            ]
        )
    return format_rows(rows)


def _million(number: float) -> str:
    return f"{number / 1e6:,.2f} M"
