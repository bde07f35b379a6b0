"""Metrics for Prometheus. Labels are names of routes, methods and statuses; never text of users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("route", "method", "status")
        self._requests = Counter("instructsam_requests", "Requests answered.", labels, registry=self.registry)
        self._seconds = Histogram(
            "instructsam_request_seconds", "Time until the end of an answer.", ("route",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self._running = Gauge("instructsam_requests_running", "Requests in progress.", registry=self.registry)

    @contextmanager
    def request(self) -> Iterator[None]:
        """While a request runs."""
        with self._running.track_inprogress():
            yield

    def add_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method if method in _METHODS else "other", str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
