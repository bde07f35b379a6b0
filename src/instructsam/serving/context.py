"""The context that every group of routes receives."""

from __future__ import annotations

from dataclasses import dataclass, field

from instructsam.serving.failures import Shapes
from instructsam.serving.keys import Keys
from instructsam.serving.memory import Memory
from instructsam.serving.metrics import Metrics
from instructsam.serving.service import Service
from instructsam.serving.settings import Limits, ServeSettings


@dataclass
class Context:
    """The service and the settings of one server.

    Attributes:
        service, settings: of the server.
        keys: the key that requests must present.
        shapes: a face whose protocol has error bodies of its own adds their shape here.
        metrics: of the server.
        memory: limit on the bodies and images of all requests together.
        stopping: the server finishes its running requests and takes no new connections.
    """

    service: Service
    settings: ServeSettings
    keys: Keys = field(default_factory=Keys)
    shapes: Shapes = field(default_factory=Shapes)
    metrics: Metrics = field(default_factory=Metrics)
    stopping: bool = False

    def __post_init__(self) -> None:
        self.memory = Memory(self.settings.request_bytes)
        self.metrics.observe_service(self.service)

    @property
    def limits(self) -> Limits:
        """Of one request."""
        return self.settings.limits
