"""`instructsam engine audit`: the quality of the engine's decisions, measured on drawn scenes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from instructsam.cli import console
from instructsam.cli.options import JsonOption
from instructsam.cli.progress import counter
from instructsam.cli.tables import print_table
from instructsam.errors import InputError
from instructsam.structures.checks import shorten

if TYPE_CHECKING:
    from instructsam.engine.audit.served_run import ServedReport
    from instructsam.engine.audit.table import AuditTable

N = TypeVar("N", int, float)
SIMULATED_SCENES, SERVED_SCENES = 200, 50
VOTES, THRESHOLDS, ERROR_RATES = "1,3,5,7", "0.5,0.75,1.0", "0.1,0.2,0.3"

ScenesOption = Annotated[
    int | None,
    typer.Option("--scenes", min=1, help=f"{SIMULATED_SCENES}, or {SERVED_SCENES} for a served model."),
]
VotesOption = Annotated[str, typer.Option("--votes", help="Numbers of votes.")]
ThresholdsOption = Annotated[str, typer.Option("--thresholds", help="Shares of votes that must agree.")]
RatesOption = Annotated[
    str | None,
    typer.Option("--error-rates", help=f"Of the simulated model: shares of wrong votes; {ERROR_RATES}."),
]
RoundsOption = Annotated[
    str | None, typer.Option("--rounds", help="Of the simulated model: numbers of revisions; 2.")
]
SeedsOption = Annotated[
    str, typer.Option("--seeds", help="Of the simulated model's errors, or one of a served audit.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="Audit this served model: its name on the server.")
]
UrlOption = Annotated[str | None, typer.Option("--url", help="Its server, such as http://localhost:8000/v1.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="A configuration of a run: audit its verifier, with its prompts."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for answers and spending: a stopped audit resumes there.")
]
PricesOption = Annotated[
    str, typer.Option("--prices", help="Money per million input and output tokens, such as 0.3,1.2.")
]


def audit(
    scenes: ScenesOption = None,
    votes: VotesOption = VOTES,
    thresholds: ThresholdsOption = THRESHOLDS,
    error_rates: RatesOption = None,
    rounds: RoundsOption = None,
    seeds: SeedsOption = "0",
    model: ModelOption = None,
    url: UrlOption = None,
    config: ConfigOption = None,
    out: OutOption = None,
    prices: PricesOption = "0,0",
    as_json: JsonOption = False,
) -> int:
    """Measure precision and recall of accepted records on drawn scenes, whose answers are known.

    Without a model, a simulated one with set error rates proposes and verifies. With --model and --url, or --config,
    a served model verifies right and wrong candidates, and its confusion matrix is printed, too.
    """
    chosen: dict[str, Any] = {
        "votes": numbers(votes, "--votes", int),
        "thresholds": numbers(thresholds, "--thresholds", float),
    }
    money = numbers(prices, "--prices", float)
    if len(money) != 2 or not all(0 <= price < math.inf for price in money):
        raise InputError(f"--prices must be two numbers of at least 0 such as 0.3,1.2, got {shorten(prices)}")
    seed = numbers(seeds, "--seeds", int)
    if model is None and url is None and config is None:
        if out is not None:
            raise InputError(
                "--out keeps the answers of a served model: add --model and --url, or leave it out"
            )
        chosen |= {
            "scenes": scenes or SIMULATED_SCENES,
            "error_rates": numbers(error_rates or ERROR_RATES, "--error-rates", float),
            "rounds": numbers(rounds or "2", "--rounds", int),
            "seeds": seed,
            "prices": money,
        }
        _print(_simulated(chosen, as_json), as_json)
        return 0
    if error_rates is not None or rounds is not None:
        raise InputError(
            "--error-rates and --rounds are of the simulated model: leave them out, or --model and --url"
        )
    if (model is None) != (url is None) or (model is None) == (config is None):
        raise InputError("a served model needs --model and --url, or the --config of a run")
    if len(seed) != 1:
        raise InputError(f"the audit of a served model takes one of --seeds, got {shorten(seeds)}")
    chosen |= {"scenes": scenes or SERVED_SCENES, "seed": seed[0]}
    report = _served(chosen, model, url, config, out, money, as_json)
    _print(report, as_json)
    return int(bool(report.stopped))


def numbers(text: str, option: str, kind: Callable[[str], N]) -> tuple[N, ...]:
    """The numbers of an option, separated by commas.

    Raises:
        InputError: it holds something else.
    """
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"{option} must be numbers separated by commas, got {shorten(text)}") from error


def _simulated(chosen: dict[str, Any], as_json: bool) -> AuditTable:
    from instructsam.engine.audit.simulated_run import SimulatedAudit, audit_simulated

    with console.stdout_reserved(as_json), counter("settings") as steps:

        def show(done: int, total: int) -> None:
            steps.total = total
            steps(done)

        return audit_simulated(SimulatedAudit(**chosen), show)


def _served(
    chosen: dict[str, Any],
    model: str | None,
    url: str | None,
    config: Path | None,
    out: Path | None,
    prices: tuple[float, ...],
    as_json: bool,
) -> ServedReport:
    from instructsam.engine.audit.served_run import ServedAudit
    from instructsam.experiments.engine.audit import audit_model, audited_config

    settings = audited_config(model, url, config, prices)
    with console.stdout_reserved(as_json), counter("scenes") as steps:

        def show(progress: Any) -> None:
            steps.total = progress.total
            steps(progress.done + progress.failed, f"cost {progress.cost:.2f}" if progress.cost else "")

        return audit_model(settings, ServedAudit(**chosen), out, progress=show, note=console.note)


def _print(report: AuditTable | ServedReport, as_json: bool) -> None:
    if as_json:
        console.print_json(report.to_dict())
        return
    print_table(report.to_text())
    console.say(f"made by: {console.command_line()}")
