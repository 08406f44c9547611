"""What services do with DataDog's client for Python and with `statsd`, as they are by default, and as they are in a container."""

import sys

import statsd
from datadog.dogstatsd import DogStatsd


def dogstatsd(host, port, options):
    client = DogStatsd(host=host, port=port, namespace="shop", constant_tags=["env:test"], disable_telemetry=True, **options)
    client.increment("orders", tags=["country:fr"])
    client.increment("orders", 2, tags=["country:fr"])
    client.increment("visits", tags=["bare"])
    client.increment("stock", 5)
    client.decrement("stock")
    client.gauge("temperature", 21.5)
    client.gauge("balance", -5)
    client.histogram("size", 1.25)
    client.histogram("size", 2)
    client.distribution("latency", 3)
    client.timing("took", 320)
    for user in ["alice", "bob", "alice"]:
        client.set("users", user)
    client.gauge_with_timestamp("stamped", 7, 1700000000)
    client.event("deployed", "version 2")
    client.service_check("database", DogStatsd.OK)
    client.flush()


def plain(host, port):
    client = statsd.StatsClient(host, port, prefix="plain")
    client.incr("orders")
    client.incr("orders", 2)
    client.incr("stock", 5)
    client.decr("stock")
    client.gauge("temperature", 21.5)
    client.gauge("balance", -5)
    client.gauge("level", 10)
    client.gauge("level", 3, delta=True)
    client.gauge("level", -5, delta=True)
    client.timing("took", 320)
    for user in ["alice", "bob", "alice"]:
        client.set("users", user)
    with client.pipeline() as pipe:
        pipe.incr("packed")
        pipe.incr("packed", 2)
    client.incr("last")


address, mode = sys.argv[1:]
host, port = address.rsplit(":", 1)
options = {"container_id": "abc123", "cardinality": "low"} if mode == "container" else {}
dogstatsd(host, int(port), options)
plain(host, int(port))
