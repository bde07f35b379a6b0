"""The whole protocol against a real model: a tiny Qwen3-VL with random weights behind tools/serve_vlm.py."""

from __future__ import annotations

import importlib.util
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from instructsam.engine.ledger.store import MemoryStore
from instructsam.engine.runners.local import run_local
from instructsam.engine.runners.server import open_responder
from instructsam.engine.runners.spending import SpendingLog
from instructsam.engine.runners.stop import Stop
from instructsam.vlms.client import VLMClient
from instructsam.vlms.local import load_vlm
from instructsam.vlms.protocol import Turn, VLMReply
from tests.engine.runners.toy import ToyPictures, make_config, make_rows, make_stages
from tests.vlms.test_local import save_vlm

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "serve_vlm.py"


class Witness:
    """A model that remembers what it was given."""

    def __init__(self, model: Any) -> None:
        self.model, self.name = model, "tiny"
        self.turns: list[Sequence[Turn]] = []

    def reply(self, turns: Sequence[Turn], max_new_tokens: int) -> VLMReply:
        self.turns.append(turns)
        reply: VLMReply = self.model.reply(turns, min(max_new_tokens, 6))
        return VLMReply(reply.text)  # as if the model had ended there


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Witness, str]]:
    model = load_vlm(save_vlm(tmp_path_factory.mktemp("vlm")), device="cpu")
    model.pixel_limits = (64 * 64, 64 * 64)
    spec = importlib.util.spec_from_file_location("serve_vlm", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    witness = Witness(model)
    server = module.ModelServer(witness, 0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield witness, f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_model_that_writes_nonsense_fails_the_rows_and_loses_nothing(
    tmp_path: Path, served: tuple[Witness, str]
) -> None:
    witness, url = served
    config, stages, stop = make_config(tmp_path, url, corrections=1, timeout=60), make_stages(), Stop()
    ledger, notes = MemoryStore(), list[str]()
    with SpendingLog(tmp_path) as spending:
        responder = open_responder(config.vlm, spending, stop, note=notes.append)
        responders = dict.fromkeys(stages, responder)
        report = run_local(
            make_rows(2), config, stages, responders, ToyPictures(), ledger, stop=stop, note=notes.append,
            spending=spending,
        )  # fmt: skip
        assert (spending.total.calls, spending.total.failed, spending.total.estimated) == (4, 0, 4)
    assert len(witness.turns) == 4  # a question and a correction for each row
    (question, *_), (first, broken, fault) = witness.turns[0], witness.turns[-1]
    assert [image.size for image in question.images] == [(80, 60)]
    assert question.images[0].getpixel((5, 5)) == ToyPictures().clean(make_rows(1)[0]).getpixel((5, 5))
    assert "Reply with one JSON object of this schema" in (question.text + fault.text)
    assert (first.role, broken.role, fault.role) == ("user", "assistant", "user")
    assert "This reply cannot be used: expected one JSON object" in fault.text
    (reason,) = report.failures
    assert "gave no usable reply in 2 tries: expected one JSON object" in reason
    assert (report.progress.failed, report.stopped, ledger.parts) == (2, "", {})
    assert len(notes) == 2
    assert (
        "does not accept structured output, seed" in notes[0]
        or "does not accept structured output" in notes[0]
    )
    assert "reports no usage" in notes[1]


def test_the_client_of_the_baselines_speaks_to_it(served: tuple[Witness, str]) -> None:
    witness, url = served
    picture = Image.new("RGB", (40, 30), "blue")
    reply = VLMClient("tiny", url, retries=0).reply([Turn("user", "what is this?", (picture,))], 4)
    assert isinstance(reply.text, str)
    assert witness.turns[-1][0].images[0].getpixel((3, 3)) == (0, 0, 255)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([{"type": "image_url", "image_url": {"url": "http://127.0.0.1:1/x.png"}}], "must be a data URL"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "image of a message"),
        (None, "not iterable"),
    ],
)
def test_bad_requests_are_refused(served: tuple[Witness, str], content: Any, fault: str) -> None:
    body = json.dumps({"model": "tiny", "messages": [{"role": "user", "content": content}]}).encode()
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{served[1]}/chat/completions", body)
    assert caught.value.code == 400
    with caught.value as response:
        assert fault in json.load(response)["error"]["message"]
