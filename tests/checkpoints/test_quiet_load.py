"""`load` writes nothing into a user's log, and leaves the user's settings of transformers as they were."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from instructsam.checkpoints.folder import read_config
from instructsam.checkpoints.quiet import quiet_transformers
from instructsam.inference.segmenter import Segmenter
from tests.tiny import tiny_pair

LOAD = "import instructsam; instructsam.load(device='cpu')\n"
SETTINGS = """
from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars
from transformers.utils import logging
"""


def python(code: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the code prints, errors included, in a process without settings of ours."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        monkeypatch.delenv(name, raising=False)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_loading_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    check = "assert logging.is_progress_bar_enabled() and not are_progress_bars_disabled()\n"
    assert python(SETTINGS + check + LOAD + check, monkeypatch) == ""


def test_saving_prints_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Segmenter(*tiny_pair()).save(tmp_path)
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


@pytest.mark.parametrize("verbosity", [10, 30, 40])
@pytest.mark.parametrize("bars", [True, False])
@pytest.mark.parametrize("hub_off", [True, False])
def test_settings_are_restored(
    verbosity: int, bars: bool, hub_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", None)
    monkeypatch.setattr(sys.modules["huggingface_hub.utils.tqdm"], "HF_HUB_DISABLE_PROGRESS_BARS", None)
    before = logging.get_verbosity(), logging.is_progress_bar_enabled(), are_progress_bars_disabled()
    try:
        logging.set_verbosity(verbosity)
        (logging.enable_progress_bar if bars else logging.disable_progress_bar)()
        (disable_progress_bars if hub_off else enable_progress_bars)()
        with quiet_transformers():
            with pytest.raises(RuntimeError), quiet_transformers():  # as a second thread would
                raise RuntimeError
            assert not logging.is_progress_bar_enabled()
            assert logging.get_verbosity() == 40
        assert logging.get_verbosity() == verbosity
        assert logging.is_progress_bar_enabled() == bars
        assert are_progress_bars_disabled() == hub_off
    finally:
        logging.set_verbosity(before[0])
        (logging.enable_progress_bar if before[1] else logging.disable_progress_bar)()
        (disable_progress_bars if before[2] else enable_progress_bars)()


def test_an_odd_configuration_prints_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    Segmenter(*tiny_pair()).save(tmp_path)
    fields = json.loads((tmp_path / "config.json").read_text())
    fields["vlm_config"]["text_config"]["eos_token_id"] = 2**31
    (tmp_path / "config.json").write_text(json.dumps(fields))
    read_config(tmp_path)
    printed = capfd.readouterr()
    assert printed.out + printed.err + caplog.text == ""
