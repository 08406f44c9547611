#!/usr/bin/env bash
# Go's client pushes OpenMetrics without the line that ends it.
#
# Guessed: `Pusher.Format` with OpenMetrics sends what a scrape of the same registry gives, `# EOF` last; the format demands it, so that a
# text that was cut off is noticed.
# Seen: the encoder is never closed, so `# EOF` is missing, although Content-Type says OpenMetrics 1.0.0. A receiver that keeps to the format
# has to take a whole push for half of one.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require (
	github.com/prometheus/client_golang v1.25.0
	github.com/prometheus/common v0.72.0
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/expfmt"
)

func main() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "took_seconds"}))

	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", "application/openmetrics-text;version=1.0.0")
	scrape := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(scrape, request)

	var pushed, kind string
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		pushed, kind = string(body), r.Header.Get("Content-Type")
	}))
	defer gateway.Close()
	pusher := push.New(gateway.URL, "nightly").Gatherer(registry).Format(expfmt.NewFormat(expfmt.TypeOpenMetrics))
	if err := pusher.Push(); err != nil {
		panic(err)
	}
	fmt.Printf("client_golang 1.25.0\nscraped:\n%s\npushed as %s:\n%s", scrape.Body, kind, pushed)
	if !strings.HasSuffix(scrape.Body.String(), "# EOF\n") || !strings.Contains(kind, "openmetrics") || strings.Contains(pushed, "# EOF") {
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
