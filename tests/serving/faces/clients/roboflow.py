"""Calls the server with Roboflow's SDK. Arguments: URL of a server, image file."""

from __future__ import annotations

import json
import sys

from inference_sdk import InferenceHTTPClient
from inference_sdk.http.errors import HTTPCallErrorError

url, path = sys.argv[1:]
client = InferenceHTTPClient(api_url=url, api_key="a-key-of-sixteen-letters")
prompts = [{"type": "text", "text": "the red mugs"}, {"type": "text", "text": "nothing"}]
polygons = client.sam3_concept_segment(path, prompts=prompts)
codes = client.sam3_concept_segment(path, prompts=prompts, format="rle", output_prob_thresh=0.25)
try:
    client.sam3_concept_segment(
        path, prompts=[{"type": "visual", "boxes": [{"x": 1, "y": 1, "w": 4, "h": 4}]}]
    )
    refusal = "none"
except HTTPCallErrorError as error:
    refusal = f"{error.status_code} {error.api_message}"
print(
    json.dumps(
        {
            "counts": [len(result["predictions"]) for result in polygons["prompt_results"]],
            "echo": polygons["prompt_results"][1]["echo"]["text"],
            "rings": len(polygons["prompt_results"][0]["predictions"][0]["masks"]),
            "code": codes["prompt_results"][0]["predictions"][0]["masks"],
            "refusal": refusal,
        }
    )
)
