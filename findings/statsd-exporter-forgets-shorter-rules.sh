#!/usr/bin/env bash
# A rule of statsd_exporter goes dead when a longer one stands above it.
#
# Guessed: rules without a `*` match the name that they spell, in any order; `check-config` would tell of a rule that nothing can reach.
# Seen: all rules go into one tree. `shop.orders` below `shop.orders.failed` is put on a node that is there already, and its end is not
# marked: it never matches, and its metrics are exposed unmapped. The same two rules the other way round both work.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $exporter 2>/dev/null || true; rm -rf "$folder"' EXIT
exporter=
GOBIN=$folder go install github.com/prometheus/statsd_exporter@v0.31.0 2>/dev/null
free() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
cat >"$folder/rules.yml" <<'YAML'
mappings:
  - match: shop.orders.failed
    name: failed_orders_total
  - match: shop.orders
    name: orders_total
YAML
"$folder/statsd_exporter" --check-config --statsd.mapping-config="$folder/rules.yml" 2>&1 | grep -o 'msg=.*'
web=$(free) lines=$(free)
"$folder/statsd_exporter" --web.listen-address="127.0.0.1:$web" --statsd.listen-tcp="127.0.0.1:$lines" --statsd.listen-udp= \
  --statsd.mapping-config="$folder/rules.yml" 2>/dev/null &
exporter=$!
curl --silent --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$web/-/ready" >/dev/null
printf 'shop.orders.failed:1|c\nshop.orders:5|c\ndone:1|c\n' >"/dev/tcp/127.0.0.1/$lines"
for _ in $(seq 100); do
  curl --silent "http://127.0.0.1:$web/metrics" >"$folder/said" && grep -q '^done' "$folder/said" && break
  sleep 0.1
done
echo "statsd_exporter 0.31.0"
grep -E '^(failed_orders_total|orders_total|shop_)' "$folder/said"
grep -q '^failed_orders_total 1$' "$folder/said"
grep -q '^shop_orders 5$' "$folder/said"
