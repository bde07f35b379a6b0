"""Uses a running Label Studio with our server as its ML backend.

Arguments: URL of Label Studio, token of a user, URL of our server, image file, key of our server or "".
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import requests
from label_studio_sdk.converter.brush import decode_rle

# Label Studio refuses backends at private addresses unless it is started with ML_BLOCK_LOCAL_IP and
# SSRF_PROTECTION_ENABLED false.
studio, token, server, path, key = sys.argv[1:]
INTERFACE = """<View>
  <Image name="image" value="$image"/>
  <TextArea name="instruction" toName="image" editable="true" maxSubmissions="1"/>
  <BrushLabels name="brush" toName="image" smart="true">
    <Label value="mug" instruction="the mugs that are not red"/>
    <Label value="nothing"/>
  </BrushLabels>
</View>"""
session = requests.Session()
session.headers["Authorization"] = f"Token {token}"


def call(method: str, route: str, **options: Any) -> Any:
    answer = session.request(method, f"{studio}/api/{route}", timeout=150, **options)
    assert answer.ok, f"{method} {route}: {answer.status_code} {answer.text[:500]}"
    return answer.json() if answer.content else None


project = call("POST", "projects", json={"title": "instructsam", "label_config": INTERFACE})["id"]
with open(path, "rb") as file:
    call("POST", f"projects/{project}/import", files={"image.png": ("image.png", file, "image/png")})
login = {"auth_method": "BASIC_AUTH", "basic_auth_user": "me", "basic_auth_pass": key} if key else {}
backend = call(
    "POST",
    "ml",
    json={"project": project, "url": server, "title": "instructsam", "is_interactive": True, **login},
)
state = call("GET", f"ml/{backend['id']}")
task = call("GET", "tasks", params={"project": project})["tasks"][0]
call(
    "POST",
    f"dm/actions?id=retrieve_tasks_predictions&project={project}",
    json={"selectedItems": {"all": True}},
)
end = time.monotonic() + 60
while not (predictions := call("GET", "predictions", params={"task": task["id"]})):
    assert time.monotonic() < end, "no prediction was stored"
    time.sleep(1)
result = [{"type": "textarea", "from_name": "instruction", "value": {"text": ["the mug on the left"]}}]
typed = call(
    "POST",
    f"ml/{backend['id']}/interactive-annotating",
    json={"task": task["id"], "context": {"result": result}},
)
areas = [
    int((decode_rle(region["value"]["rle"]).reshape(-1, 4)[:, 3] > 0).sum())
    for region in [*predictions[0]["result"], *typed["data"]["result"]]
]
print(
    json.dumps(
        {
            "areas": areas,
            "state": state["state"],
            "version": state["model_version"],
            "image": task["data"]["image"],
            "labels": [region["value"]["brushlabels"] for region in predictions[0]["result"]],
            "stored": predictions[0]["model_version"],
        }
    )
)
