#!/usr/bin/env bash
# Python's client writes an OpenMetrics histogram that its own strict reader refuses.
#
# Guessed: what `generate_latest` of the OpenMetrics module writes, the parser beside it reads.
# Seen: a histogram with a bucket below zero (temperatures, offsets of clocks) is written with a count and without a sum. The reader demands
# both or neither, and refuses the whole text. Whoever checks what is sent to him with this reader turns away the same project's writer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet prometheus-client==0.26.0
"$folder/python/bin/python" - <<'PY'
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

registry = CollectorRegistry()
offset = Histogram("clock_offset_seconds", "against the time server", buckets=[-1, 0, 1], registry=registry)
offset.observe(-0.25)
said = generate_latest(registry).decode()
print("prometheus-client (Python) 0.26.0")
print(said)
try:
    list(text_string_to_metric_families(said))
    raise SystemExit("it reads what it writes now")
except ValueError as error:
    print("refused:", error)
PY
