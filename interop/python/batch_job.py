"""A batch job that pushes its metrics with `prometheus_client`, in every way the library offers."""

import os
from urllib.error import HTTPError

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    Summary,
    delete_from_gateway,
    push_to_gateway,
    pushadd_to_gateway,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import basic_auth_handler

GATEWAY = os.environ["GATEWAY"]
GATEWAY_AUTH = os.environ["GATEWAY_AUTH"]

VALUES = ["a/b", "a b", "", "ü", "日本", "a+b%2F", "="]


def batch_job():
    """What a run of the job has measured. Counters and histograms bring a `_created` series each."""
    registry = CollectorRegistry()
    duration = Gauge("batch_job_duration_seconds", "How long the job took", registry=registry)
    records = Counter("batch_job_records_processed", "Records by outcome", ["status"], registry=registry)
    processing = Histogram(
        "batch_job_record_processing_seconds",
        "How long a record took",
        buckets=[0.001, 0.005, 0.01, 0.05, 0.1, 0.5],
        registry=registry,
    )
    last_success = Gauge("batch_job_last_success_timestamp", "When the job succeeded last", registry=registry)
    duration.set(12.5)
    records.labels(status="success").inc(990)
    records.labels(status="error").inc(10)
    for seconds in [0.003] * 100 + [0.02] * 10:
        processing.observe(seconds)
    last_success.set(1.6e9)
    return registry


def duration_only(seconds):
    registry = CollectorRegistry()
    Gauge("batch_job_duration_seconds", "How long the job took", registry=registry).set(seconds)
    return registry


def other_types():
    """What the batch job does not use. A state set becomes a gauge in the text format, an info a gauge that is 1."""
    registry = CollectorRegistry()
    Info("batch_job_build", "What has run", registry=registry).info({"version": "1.2.3", "note": 'a "quoted" \\ \n'})
    latency = Summary("batch_job_latency_seconds", 'Help with \\ and\na second line', registry=registry)
    latency.observe(0.25)
    latency.observe(0.5)
    for name, value in [("nan", "nan"), ("inf", "inf"), ("negative_inf", "-inf"), ("tiny", "5e-324"), ("large", "1e23")]:
        Gauge(f"batch_job_{name}", "", registry=registry).set(float(value))
    return registry


class WithTimestamp:
    """A collector that says when it measured."""

    def collect(self):
        family = GaugeMetricFamily("batch_job_duration_seconds", "How long the job took")
        family.add_metric([], 12.5, timestamp=1.6e9)
        yield family


def with_timestamp():
    registry = CollectorRegistry()
    registry.register(WithTimestamp())
    return registry


def duration_as_a_summary():
    registry = CollectorRegistry()
    Summary("batch_job_duration_seconds", "How long the job took", registry=registry).observe(12.5)
    return registry


def auth_handler(user, password):
    """As in the documentation of the library."""

    def handler(url, method, timeout, headers, data):
        return basic_auth_handler(url, method, timeout, headers, data, user, password)

    return handler


def step(name, *actions):
    """Runs the actions, and says how that went. The library leaves the body of a refusal to its caller."""
    try:
        for action in actions:
            action()
        print(f"{name}: ok")
    except HTTPError as error:
        body = error.read().decode()
        print(f"{name}: {error} | {body!r}")
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")


def main():
    worker = {"instance": "worker-1"}
    full = batch_job()

    step("replace", lambda: push_to_gateway(GATEWAY, "daily_report_job", full, worker))
    step(
        "replace twice",
        lambda: push_to_gateway(GATEWAY, "replace_twice", full),
        lambda: push_to_gateway(GATEWAY, "replace_twice", duration_only(1)),
    )
    step(
        "add",
        lambda: push_to_gateway(GATEWAY, "add", full),
        lambda: pushadd_to_gateway(GATEWAY, "add", duration_only(2)),
    )
    step(
        "delete",
        lambda: push_to_gateway(GATEWAY, "delete", full, worker),
        lambda: delete_from_gateway(GATEWAY, "delete", worker),
    )
    step("delete nothing", lambda: delete_from_gateway(GATEWAY, "never_pushed"))

    for value in VALUES:
        # Without a job there is nothing that could be pushed.
        step(f"job `{value}`", lambda: push_to_gateway(GATEWAY, value, duration_only(3)))
        step(f"label `{value}`", lambda: push_to_gateway(GATEWAY, "label", duration_only(4), {"input": value}))

    step("gzip", lambda: push_to_gateway(GATEWAY, "gzip", full, compression="gzip"))
    step("snappy", lambda: push_to_gateway(GATEWAY, "snappy", full, compression="snappy"))
    step("other types", lambda: push_to_gateway(GATEWAY, "other_types", other_types()))
    step("empty registry", lambda: push_to_gateway(GATEWAY, "empty_registry", CollectorRegistry()))
    step("address without scheme", lambda: push_to_gateway(GATEWAY[len("http://"):], "no_scheme", duration_only(5)))
    step("address with slash", lambda: push_to_gateway(GATEWAY + "/", "slash", duration_only(6)))
    step("no timeout", lambda: push_to_gateway(GATEWAY, "no_timeout", duration_only(7), timeout=None))

    step(
        "right password",
        lambda: push_to_gateway(GATEWAY_AUTH, "auth", full, handler=auth_handler("batch", "s3cret")),
        lambda: pushadd_to_gateway(GATEWAY_AUTH, "auth", duration_only(8), handler=auth_handler("batch", "s3cret")),
        lambda: delete_from_gateway(GATEWAY_AUTH, "nobody", handler=auth_handler("batch", "s3cret")),
    )
    step(
        "wrong password",
        lambda: push_to_gateway(GATEWAY_AUTH, "wrong", duration_only(9), handler=auth_handler("batch", "guess")),
    )
    step("no password", lambda: push_to_gateway(GATEWAY_AUTH, "none", duration_only(9)))

    step("refused timestamp", lambda: push_to_gateway(GATEWAY, "refused_timestamp", with_timestamp()))
    step("refused type", lambda: push_to_gateway(GATEWAY, "refused_type", duration_as_a_summary()))


main()
