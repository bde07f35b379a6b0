"""Processes wait for the first one as long as a validation or a checkpoint takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from instructsam.config import load_config
from instructsam.training import processes
from instructsam.training.processes import Processes
from instructsam.training.settings import RunConfig


def test_processes_wait_longer_than_nccl_does(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers: list[Any] = []
    plain = processes.Accelerator

    def accelerator(**options: Any) -> Any:
        handlers.extend(options["kwargs_handlers"])
        return plain(**options)

    monkeypatch.setattr(processes, "Accelerator", accelerator)
    assert Processes(load_config(RunConfig, None, ["device=cpu"])).alone
    waits = [handler.to_kwargs() for handler in handlers if hasattr(handler, "timeout")]
    assert len(waits) == 1
    assert waits[0].keys() == {"timeout"}, "the backend is left to accelerate"
    assert waits[0]["timeout"] > timedelta(hours=1)
