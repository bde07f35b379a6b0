"""Metrics for Prometheus. Labels are names of routes, methods and statuses; never text of users."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from instructsam.serving.service import ObservedService, Service
from instructsam.serving.statistics import Histogram as Counts

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

    def observe_service(self, service: Service) -> None:
        """Add the counts of a service, read at each scrape."""
        if isinstance(service, ObservedService):
            self.registry.register(_ServiceCollector(service))

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


class _ServiceCollector(Collector):
    """The counts of a service in the form of Prometheus."""

    def __init__(self, service: ObservedService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """All metrics at this moment."""
        found = self._service.statistics()
        yield _gauge("queue_jobs", "Jobs that wait.", found.queued)
        yield _gauge("jobs_running", "Jobs that are computed.", found.running)
        jobs = CounterMetricFamily("instructsam_jobs", "Jobs by their end.", labels=["outcome"])
        for outcome, count in sorted(found.jobs.items()):
            jobs.add_metric([outcome], count)
        yield jobs
        yield _histogram("batch_images", "Images of each batch.", found.batch_images)
        yield _histogram("batch_instructions", "Instructions of each batch.", found.batch_instructions)
        yield _histogram(
            "queue_seconds", "From the arrival of a job to its first batch.", found.seconds_queued
        )
        yield _histogram("batch_seconds", "Computation of each batch.", found.seconds_computed)
        for name, (kind, text) in _OF_WORKERS.items():
            metric = kind(f"instructsam_{name}", text, labels=["worker"])
            for worker, facts in found.workers.items():
                metric.add_metric([worker], float(getattr(facts, name)))
            yield metric


_OF_WORKERS: dict[str, tuple[type[GaugeMetricFamily] | type[CounterMetricFamily], str]] = {
    "ready": (GaugeMetricFamily, "The models of a worker are loaded."),
    "cache_hits": (CounterMetricFamily, "Images whose features were in the cache."),
    "cache_misses": (CounterMetricFamily, "Images that were encoded."),
    "cache_evictions": (CounterMetricFamily, "Images removed from the cache."),
    "cache_images": (GaugeMetricFamily, "Images in the cache."),
    "cache_bytes": (GaugeMetricFamily, "Memory of the cache."),
    "batch_size": (GaugeMetricFamily, "Instructions of a forward pass; smaller after running out of memory."),
    "out_of_memory": (CounterMetricFamily, "Times that a batch ran out of memory."),
    "restarts": (CounterMetricFamily, "Restarts of a worker's process."),
}


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"instructsam_{name}", text, value=value)


def _histogram(name: str, text: str, counts: Counts) -> Metric:
    return HistogramMetricFamily(
        f"instructsam_{name}", text, buckets=counts.cumulative(), sum_value=counts.total
    )
