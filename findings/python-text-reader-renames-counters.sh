#!/usr/bin/env bash
# The reader of Python's client gives counters in the text format a name that they do not have.
#
# Guessed: a reader for text format 0.0.4, in which a counter may be called anything, gives samples under the names that stand there.
# Seen: a counter without `_total` gets it. What reads a page and writes it again, as a filter, a merger or a test does, renames the series;
# Prometheus then has two, and the dashboards keep asking for the old one.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet prometheus-client==0.26.0
"$folder/python/bin/python" - <<'PY'
from prometheus_client.parser import text_string_to_metric_families

text = '# TYPE http_requests counter\nhttp_requests{code="200"} 7\n'
print("prometheus-client (Python) 0.26.0")
print(text)
read = [sample.name for family in text_string_to_metric_families(text) for sample in family.samples]
print("read as", read)
assert read == ["http_requests_total"], "it keeps the name now"
PY
