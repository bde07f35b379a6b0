"""A run of toy rows in a process of its own, to be interrupted: `python -m ... FOLDER URL ROWS`."""

from __future__ import annotations

import sys
from pathlib import Path

from instructsam.engine.ledger.ledger import Ledger
from instructsam.engine.runners.local import run_local
from instructsam.engine.runners.server import open_responder
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import Stop
from tests.engine.runners.toy import ToyPictures, make_config, make_rows, make_stages


def main(folder: Path, url: str, count: int) -> None:
    config, stages, stop = make_config(folder, url, concurrency=4), make_stages(), Stop()
    with SpendingLog(folder) as spending, Ledger(folder / "ledger", "local") as ledger:
        responder = open_responder(config.vlm, spending, stop)
        responders = dict.fromkeys(stages, responder)
        rows, pictures = make_rows(count), ToyPictures()
        report = run_local(
            rows, config, stages, responders, pictures, ledger, stop=stop, note=print, total=count
        )
    print(report.stopped or f"finished {report.progress.done}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
