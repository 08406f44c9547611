#!/usr/bin/env bash
# prom-client for Node counts wrongly when the buckets of a histogram are not in order.
#
# Guessed: bounds in another order are sorted, or refused as the clients for Go and Python do.
# Seen: they are taken. A value goes into the first bound of the list that is not below it, and the running sum follows the list: with 10,
# 2.5, 5 a wait of 3 seconds is counted as one of at most 2.5. No error anywhere; only the quantiles in the graphs are too good.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit prom-client@15.1.3 >/dev/null
cat >say.js <<'JS'
const { Histogram, register } = require("prom-client");
const wait = new Histogram({ name: "wait_seconds", help: "in the queue", buckets: [10, 2.5, 5] });
wait.observe(3);
wait.observe(4);
register.metrics().then((text) => console.log(text));
JS
echo "prom-client 15.1.3, observed 3 and 4"
node say.js | grep '^wait_seconds' | tee said
grep -q '^wait_seconds_bucket{le="2.5"} 2$' said
