"""A batch job as people write it: a registry of its own, four kinds of metrics, one push at the end."""

import sys

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import delete_from_gateway, push_to_gateway, pushadd_to_gateway

gateway, action = sys.argv[1:]
group = {"job": "daily_report_job", "grouping_key": {"instance": "worker-1", "path": "/var/lib/reports"}}

if action == "delete":
    delete_from_gateway(gateway, **group)
    sys.exit()

registry = CollectorRegistry()
duration = Gauge("batch_job_duration_seconds", "Сколько длилась задача", registry=registry)
records = Counter("batch_job_records_processed_total", "Records", ["status"], registry=registry)
seconds = Histogram(
    "batch_job_record_processing_seconds", "Time of one record", registry=registry, buckets=[0.001, 0.01, 0.1]
)
success = Gauge("batch_job_last_success_timestamp", "When it last succeeded", registry=registry)

for number in range(100):
    records.labels(status="error" if number % 10 == 0 else "success").inc()
    seconds.observe(0.005)
duration.set(12.5)
push_to_gateway(gateway, registry=registry, **group)

late = CollectorRegistry()
Gauge("batch_job_last_success_timestamp", "When it last succeeded", registry=late).set(1.6e9)
pushadd_to_gateway(gateway, registry=late, compression="gzip", **group)
