"""Meters: what Prometheus reads at ``/metrics``."""

from typing import Any

__all__ = ["Meters"]

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Meters:
    """The counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

        self.registry = registry = CollectorRegistry()
        requests = Counter(
            "thirtyfold_requests", "Requests by route and status", ["route", "status"], registry=registry
        )
        seconds = Histogram(
            "thirtyfold_request_seconds", "Seconds to an answer", ["route"], buckets=BUCKETS, registry=registry
        )
        self._requests, self._seconds = requests, seconds
        self._bound: dict[tuple[str, int], tuple[Any, Any]] = {}
        self.rows = Counter("thirtyfold_rows", "Rows predicted", registry=registry)
        self.failures = Counter(
            "thirtyfold_failures", "Requests not answered, by status", ["status"], registry=registry
        )
        self.unknown = Counter(
            "thirtyfold_unknown_values", "Values that the model has never seen, by field", ["field"], registry=registry
        )
        self.feedback = Counter("thirtyfold_feedback", "Feedback accepted", registry=registry)
        self.swaps = Counter("thirtyfold_swaps", "Models exchanged, by outcome", ["outcome"], registry=registry)
        self.waiting = Gauge("thirtyfold_unwritten_requests", "Requests not on disk yet", registry=registry)
        self.dropped = Gauge("thirtyfold_dropped_requests", "Requests that could not be written", registry=registry)
        self._model = Info("thirtyfold_model", "The model in service", registry=registry)

    def model(self, name: str, version: str) -> None:
        self._model.info({"name": name, "hash": version})

    def done(self, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        bound = self._bound.get((route, status))
        if bound is None:
            bound = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._bound[route, status] = bound
        bound[0].inc()
        bound[1].observe(seconds)
        if status >= 400:
            self.failures.labels(str(status)).inc()

    def text(self) -> bytes:
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
