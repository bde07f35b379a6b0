"""One LoRA step at full size fits a machine with two CPU cores and 24 GB."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training import full_size_step


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_lora_step_of_2b_fits_24_gigabytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", full_size_step.__name__, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1700, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout.splitlines()[-1])
    print(result)
    assert result["peak_gigabytes"] < 24
    assert result["frozen"] > 2e9
    assert 0 < result["trained"] < 2e8
    assert math.isfinite(result["loss"])
    assert result["gradient_norm"] > 0
