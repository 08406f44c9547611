#!/usr/bin/env bash
# statsd_exporter weighs sampled counters exactly, and sampled timers by a rounded factor.
#
# Guessed: a line with `|@0.6` stands for 1/0.6 events, for timers as for counters; the exporter's counts agree with each other.
# Seen: a timer is observed a whole number of times, 1/0.6 cut down to 1. Every rate above one half counts as no sampling at all: a service
# that times six requests in ten shows 40 % fewer of them, and less time in all, than its counter with the same rate beside it.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $exporter 2>/dev/null || true; rm -rf "$folder"' EXIT
exporter=
GOBIN=$folder go install github.com/prometheus/statsd_exporter@v0.31.0 2>/dev/null
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
web=$(free) lines=$(free)
"$folder/statsd_exporter" --web.listen-address="127.0.0.1:$web" --statsd.listen-tcp="127.0.0.1:$lines" --statsd.listen-udp= 2>/dev/null &
exporter=$!
curl --silent --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$web/-/ready" >/dev/null
for _ in 1 2 3 4 5 6; do printf 'requests:1|c|@0.6\nrequest_time:320|ms|@0.6\n'; done >"$folder/lines"
echo 'done:1|c' >>"$folder/lines"
cat "$folder/lines" >"/dev/tcp/127.0.0.1/$lines"
for _ in $(seq 100); do
  curl --silent "http://127.0.0.1:$web/metrics" >"$folder/said" && grep -q '^done' "$folder/said" && break
  sleep 0.1
done
echo "statsd_exporter 0.31.0, six lines of each kind with |@0.6"
grep -E '^(requests|request_time_count)' "$folder/said"
grep -q '^requests 10$' "$folder/said"
grep -q '^request_time_count 6$' "$folder/said"
