#!/usr/bin/env bash
# The default registry of Go's client cannot be said in OpenMetrics, and is.
#
# Guessed: a program with nothing but the library's own metrics gives a valid page when it is asked for OpenMetrics.
# Seen: `go_memstats_alloc_bytes` is a gauge there and `go_memstats_alloc_bytes_total` a counter. OpenMetrics takes `_total` off a counter's
# name, so one family comes twice, with two types. A strict reader refuses every Go program that has OpenMetrics turned on and keeps the
# metrics it is born with.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet prometheus-client==0.26.0
cat >go.mod <<'MOD'
module finding

go 1.24

require github.com/prometheus/client_golang v1.25.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/http/httptest"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func main() {
	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(prometheus.DefaultGatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(answer, request)
	fmt.Print(answer.Body.String())
}
GO
go mod tidy >/dev/null 2>&1
go run . >said
echo "client_golang 1.25.0"
grep -E '^(# TYPE )?go_memstats_alloc_bytes' said
[ "$(grep -c '^# TYPE go_memstats_alloc_bytes ' said)" = 2 ]
python/bin/python - <<'PY'
from prometheus_client.openmetrics.parser import text_string_to_metric_families

try:
    list(text_string_to_metric_families(open("said").read()))
    raise SystemExit("the strict reader takes it now")
except ValueError as error:
    print("refused by the strict reader:", error)
PY
