#!/usr/bin/env bash
# Two references without a character between them vanish from the names that statsd_exporter makes.
#
# Guessed: `name: $1$2` is what the first `*` took, and then what the second one took; `check-config` would refuse it otherwise.
# Seen: the two are taken for one reference that no `*` has, and become nothing. The check accepts it, every metric of the rule gets the same
# name, and their values are one series. `${1}${2}` works.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $exporter 2>/dev/null || true; rm -rf "$folder"' EXIT
exporter=
GOBIN=$folder go install github.com/prometheus/statsd_exporter@v0.31.0 2>/dev/null
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
cat >"$folder/rules.yml" <<'YAML'
mappings:
  - match: joined.*.*
    name: total_$1$2
  - match: apart.*.*
    name: total_${1}${2}
YAML
"$folder/statsd_exporter" --check-config --statsd.mapping-config="$folder/rules.yml" 2>&1 | grep -o 'msg=.*'
web=$(free) lines=$(free)
"$folder/statsd_exporter" --web.listen-address="127.0.0.1:$web" --statsd.listen-tcp="127.0.0.1:$lines" --statsd.listen-udp= \
  --statsd.mapping-config="$folder/rules.yml" 2>/dev/null &
exporter=$!
curl --silent --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$web/-/ready" >/dev/null
printf 'joined.read.a:1|c\njoined.write.b:5|c\napart.read.a:1|c\ndone:1|c\n' >"/dev/tcp/127.0.0.1/$lines"
for _ in $(seq 100); do
  curl --silent "http://127.0.0.1:$web/metrics" >"$folder/said" && grep -q '^done' "$folder/said" && break
  sleep 0.1
done
echo "statsd_exporter 0.31.0"
grep -E '^total_' "$folder/said"
grep -q '^total_ 6$' "$folder/said"
grep -q '^total_reada 1$' "$folder/said"
