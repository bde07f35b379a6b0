"""What `test_processes.py` starts twice: the runs of a JSON file, [[resume, overrides], ...], one after the other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from instructsam.experiments.sources import open_source
from instructsam.training.trainer import run

if __name__ == "__main__":
    for resume, overrides in json.loads(Path(sys.argv[1]).read_text()):
        run(None, open_source, overrides, resume)
