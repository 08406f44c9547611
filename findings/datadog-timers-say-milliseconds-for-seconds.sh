#!/usr/bin/env bash
# Datadog's client for Python sends durations in seconds under the unit of milliseconds.
#
# Guessed: `timed()` sends type `ms` as all StatsD timers do, so its number is one of milliseconds, like that of `timing()` beside it.
# Seen: it sends seconds unless it is asked for `use_ms`; the type says `ms` all the same. Whatever goes by the type, such as statsd_exporter
# which divides by 1000, shows requests a thousand times too fast, and the two calls for one metric cannot be told apart in the line.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet datadog==0.56.0
"$folder/python/bin/python" - <<'PY'
import socket, time
from datadog.dogstatsd import DogStatsd

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
server.settimeout(10)
client = DogStatsd(host="127.0.0.1", port=server.getsockname()[1], disable_telemetry=True, origin_detection_enabled=False)
with client.timed("work"):
    time.sleep(0.2)
timed = server.recv(1000).decode().strip()
client.timing("work", 200)
timing = server.recv(1000).decode().strip()
print("datadog 0.56.0 (Python)")
print("timed() of 0.2 s:", timed)
print("timing(200):     ", timing)
name, value = timed.removesuffix("|ms").split(":")
assert timed.endswith("|ms") and 0.2 <= float(value) < 100, "it sends milliseconds now"
assert timing == "work:200|ms"
PY
