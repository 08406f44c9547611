#!/usr/bin/env bash
# The strict OpenMetrics reader of Python's client drops samples of a metric that has more than one timestamp.
#
# Guessed: a metric may have several points, one after the other, and a reader gives all of them or refuses the text.
# Seen: of the second and every later point only the first sample is handed on. A summary loses its sum, a state set all states but one,
# without a word; a histogram is refused, since its own buckets are missing by then. A backfill that is read this way has holes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet prometheus-client==0.26.0
"$folder/python/bin/python" - <<'PY'
from prometheus_client.openmetrics.parser import text_string_to_metric_families

summary = """# TYPE wait_seconds summary
wait_seconds_count 1 1000
wait_seconds_sum 0.5 1000
wait_seconds_count 2 1015
wait_seconds_sum 0.75 1015
# EOF
"""
histogram = """# TYPE wait_seconds histogram
wait_seconds_bucket{le="1.0"} 1 1000
wait_seconds_bucket{le="+Inf"} 1 1000
wait_seconds_bucket{le="1.0"} 2 1015
wait_seconds_bucket{le="+Inf"} 2 1015
# EOF
"""
print("prometheus-client (Python) 0.26.0")
print(summary)
(family,) = text_string_to_metric_families(summary)
read = [(sample.name, sample.value, float(sample.timestamp)) for sample in family.samples]
print("read:", read)
assert len(read) == 3 and ("wait_seconds_sum", 0.75, 1015.0) not in read, "it reads all points now"
print(histogram)
try:
    list(text_string_to_metric_families(histogram))
    raise SystemExit("the histogram is read now")
except ValueError as error:
    print("refused:", error)
PY
