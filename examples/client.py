"""Ask a running server with the standard library alone: `python examples/client.py IMAGE INSTRUCTION [--url URL]`.

Start one with `instructsam serve`. The key, where the server needs one, is read from INSTRUCTSAM_API_KEY.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from importlib.resources import files
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

SCENE = Path(str(files("instructsam") / "assets" / "examples" / "breakfast.png"))


def main() -> None:
    """Print the instances of the answer and save it with the drawn image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", type=Path, nargs="?", default=SCENE)
    parser.add_argument("instruction", nargs="?", default="the mugs that are not blue")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=Path("out"))
    given = parser.parse_args()

    image = base64.b64encode(given.image.read_bytes()).decode()
    body = {"image": image, "instructions": [given.instruction], "masks": "polygon", "overlay": True}
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get("INSTRUCTSAM_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = Request(f"{given.url}/v1/segment", json.dumps(body).encode(), headers)
    try:
        with urlopen(request, timeout=120) as answer:
            (prediction,) = json.load(answer)["predictions"]
    except HTTPError as error:
        sys.exit(f"status {error.code}: {json.load(error)['error']['message']}")

    print(prediction["status"], prediction["phrases"])
    for instance in prediction["instances"]:
        print(f"score {instance['score']:.2f}, {instance['phrase']}")
    given.out.mkdir(parents=True, exist_ok=True)
    picture = prediction.pop("overlay").partition(",")[2]
    (given.out / "client.png").write_bytes(base64.b64decode(picture))
    (given.out / "client.json").write_text(json.dumps(prediction, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
