"""Calls the server with X-AnyLabeling's own client, without a window. Arguments: URL of a server, image file."""

from __future__ import annotations

import json
import sys

import anylabeling.config
from anylabeling.services.auto_labeling.remote_server import RemoteServer
from PyQt6.QtGui import QImage
from PyQt6.QtWidgets import QApplication

url, path = sys.argv[1:]
application = QApplication(sys.argv[:1])
messages: list[str] = []
settings = {"server_url": f"{url}/x-anylabeling", "api_key": "a-key-of-sixteen-letters"}
config = {
    "type": "remote_server",
    "name": "remote_server",
    "display_name": "Remote-Server",
    "timeout": 30,
    "remote_server_settings": settings,
}
anylabeling.config.current_config_file = json.dumps({"remote_server_settings": settings})
client = RemoteServer(config, messages.append)
models = client.get_available_models()
client.set_model_id("default")
client.set_mask_fineness(0.0001)
image = QImage(path)
found = client.predict_shapes(image, path, text_prompt="the red mugs.")
none = client.predict_shapes(image, path, text_prompt="nothing")
client.set_task("rectangles")
boxes = client.predict_shapes(image, path, text_prompt="mug")
client.set_auto_labeling_marks([{"type": "point", "data": [3, 4], "label": 1}])
client.predict_shapes(image, path)
print(
    json.dumps(
        {
            "models": list(models),
            "mode": client.get_batch_processing_mode(),
            "shapes": [[shape.label, shape.shape_type, len(shape.points) > 3] for shape in found.shapes],
            "replace": found.replace,
            "none": len(none.shapes),
            "box": [[point.x(), point.y()] for point in boxes.shapes[0].points],
            "messages": messages,
        }
    )
)
