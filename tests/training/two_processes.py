"""What `test_distributed.py` starts twice: a short run, with the overrides on the command line."""

from __future__ import annotations

import sys

from instructsam.experiments.sources import open_source
from instructsam.training.trainer import run

if __name__ == "__main__":
    run(None, open_source, sys.argv[2:], resume=sys.argv[1] == "resume")
