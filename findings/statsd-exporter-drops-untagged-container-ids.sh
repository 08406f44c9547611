#!/usr/bin/env bash
# statsd_exporter loses what a DogStatsD client sends from a container, but only if it has no tags.
#
# Guessed: the container id that DogStatsD clients add by themselves is read or skipped, whatever else is in the line.
# Seen: with a tag the id becomes a label. Without one the line is cut at each colon, the one in `|c:` too, and the sample is gone. The same
# program loses some of its counters when it is moved into a container, and nothing but the exporter's own error count says so.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $exporter 2>/dev/null || true; rm -rf "$folder"' EXIT
exporter=
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet datadog==0.56.0
GOBIN=$folder go install github.com/prometheus/statsd_exporter@v0.31.0 2>/dev/null
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
web=$(free) lines=$(free)
"$folder/statsd_exporter" --web.listen-address="127.0.0.1:$web" --statsd.listen-udp="127.0.0.1:$lines" --statsd.listen-tcp= 2>/dev/null &
exporter=$!
curl --silent --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$web/-/ready" >/dev/null
"$folder/python/bin/python" - "$lines" <<'PY'
import sys
from datadog.dogstatsd import DogStatsd

client = DogStatsd(host="127.0.0.1", port=int(sys.argv[1]), container_id="4c01db0b339c", disable_telemetry=True)
client.increment("orders")
client.increment("refunds", tags=["shop:north"])
PY
for _ in $(seq 100); do
  curl --silent "http://127.0.0.1:$web/metrics" >"$folder/said" && grep -q '^refunds' "$folder/said" && break
  sleep 0.1
done
echo "statsd_exporter 0.31.0, datadog 0.56.0 (Python)"
grep -E '^(orders|refunds|statsd_exporter_sample_errors_total)' "$folder/said"
grep -q '^refunds{container_id="4c01db0b339c",shop="north"} 1' "$folder/said"
if grep -q '^orders' "$folder/said"; then exit 1; fi
