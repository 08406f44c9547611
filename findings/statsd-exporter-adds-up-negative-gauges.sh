#!/usr/bin/env bash
# A DogStatsD gauge that goes below zero runs away in statsd_exporter.
#
# Guessed: `gauge("temperature", -5)` of a DogStatsD client sets the gauge; its protocol has no other gauges, and the exporter reads it.
# Seen: a minus sign means "less by" in the older StatsD, and the exporter always reads it so, tags or not. After a 4, a steady -5 is
# exposed as -1, -6, -11 and so on. Above zero all is well, which is why it shows in winter.
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

client = DogStatsd(host="127.0.0.1", port=int(sys.argv[1]), disable_telemetry=True, origin_detection_enabled=False)
for reading in [4, 4, -5, -5, -5]:
    client.gauge("temperature", reading, tags=["room:cellar"])
client.increment("done")
PY
for _ in $(seq 100); do
  curl --silent "http://127.0.0.1:$web/metrics" >"$folder/said" && grep -q '^done' "$folder/said" && break
  sleep 0.1
done
echo "statsd_exporter 0.31.0, datadog 0.56.0 (Python), readings 4, 4, -5, -5, -5"
grep '^temperature' "$folder/said"
grep -q '^temperature{room="cellar"} -11$' "$folder/said"
