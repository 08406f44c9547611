#!/usr/bin/env bash
# OpenTelemetry's Prometheus exporter for JavaScript writes a label name twice.
#
# Guessed: two attributes that become one label name (`http.route` and `http_route`) end up in one label, their values joined by `;`, as
# OpenTelemetry's own mapping to Prometheus asks for.
# Seen: both are written, with one name. Prometheus and the Pushgateway refuse the whole text, not just this series. A service that sets
# attributes of old and new conventions side by side loses all of its metrics.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit @opentelemetry/exporter-prometheus@0.223.0 @opentelemetry/sdk-metrics@2.12.1 >/dev/null
cat >say.js <<'JS'
const { PrometheusSerializer } = require("@opentelemetry/exporter-prometheus");
const { MeterProvider, MetricReader } = require("@opentelemetry/sdk-metrics");
class Reader extends MetricReader {
  async onShutdown() {}
  async onForceFlush() {}
}
(async () => {
  const reader = new Reader();
  const meter = new MeterProvider({ readers: [reader] }).getMeter("shop");
  meter.createCounter("requests").add(3, { "http.route": "/cart", http_route: "/cart" });
  const { resourceMetrics } = await reader.collect();
  console.log(new PrometheusSerializer().serialize(resourceMetrics));
})();
JS
echo "@opentelemetry/exporter-prometheus 0.223.0"
line=$(node say.js | grep '^requests_total')
echo "$line"
[ "$(grep -o 'http_route=' <<<"$line" | wc -l)" = 2 ]
