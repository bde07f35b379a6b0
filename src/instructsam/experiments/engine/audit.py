"""`instructsam engine audit` of a served model, without the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from instructsam.config import build_config, load_config, to_dict
from instructsam.engine.audit.served_run import ServedAudit, ServedReport, audit_served
from instructsam.engine.run_folder import MAIN_SEGMENT, RunFolder
from instructsam.engine.runners.progress import Progress
from instructsam.engine.runners.server import open_responder
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.engine.settings.config import EngineConfig
from instructsam.engine.settings.source import SourceSettings
from instructsam.engine.settings.vlm import VLMSettings
from instructsam.structures.destinations import prepare_folder


def audited_config(
    model: str | None, url: str | None, path: Path | None, prices: Sequence[float] = (0.0, 0.0)
) -> EngineConfig:
    """The settings of an audit: those of a run, whose verifier is audited, or the defaults with a model.

    Raises:
        ConfigError: the file cannot be used.
    """
    if path is None:
        vlm = VLMSettings(model=model or "", url=url or "")
    else:
        run = load_config(EngineConfig, path)
        vlm = run.verifier or run.vlm
    if any(prices):
        vlm = build_config(VLMSettings, {**to_dict(vlm), "input_price": prices[0], "output_price": prices[1]})
    if path is None:
        return EngineConfig(output_dir=Path("audit"), source=SourceSettings(data="world/val"), vlm=vlm)
    return run.model_copy(update={"vlm": vlm, "verifier": None})


def audit_model(
    config: EngineConfig,
    audit: ServedAudit,
    folder: Path | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
    note: Callable[[str], None],
) -> ServedReport:
    """Let the model of `config.vlm` verify candidates about drawn scenes; see `audit_served`.

    Args:
        folder: keeps answers and spending, so that a stopped audit resumes; None for none.

    Raises:
        InstructSAMError: the server is unreachable, or gave no usable reply.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory())) if folder is None else folder
        prepare_folder(root, "--out")
        spending = stack.enter_context(SpendingLog(root))
        ledger = stack.enter_context(RunFolder(root).open_ledger(MAIN_SEGMENT))
        stop = Stop()
        responder = open_responder(config.vlm, spending, stop, "vlm", note)
        return audit_served(
            config,
            responder,
            audit,
            stop=stop,
            note=note,
            ledger=ledger,
            spending=spending,
            progress=progress,
        )
