#!/usr/bin/env bash
# client_golang makes a second metric name of a label, for scrapers that read legacy names only.
#
# Guessed: a name that is not legacy-valid is escaped to one that nothing else means. Names that begin with two underscores are reserved, so no
# label gets one.
# Seen: each dot becomes an underscore, so the label `..name..` is written as `__name__`: the series has two names. The parser of the same
# project refuses the text, and a Prometheus that asks without `escaping=allow-utf-8` loses the whole target over one label.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require (
	github.com/prometheus/client_golang v1.25.0
	github.com/prometheus/common v0.72.1
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func main() {
	registry := prometheus.NewRegistry()
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{Name: "g", ConstLabels: prometheus.Labels{"..name..": "x"}})
	registry.MustRegister(gauge)
	request := httptest.NewRequest("GET", "/metrics", nil)
	request.Header.Set("Accept", "text/plain;version=0.0.4")
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, request)
	text := answer.Body.String()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	_, err := parser.TextToMetricFamilies(strings.NewReader(text))
	fmt.Printf("client_golang 1.25.0, common 0.72.1\n%s%srefused: %v\n", answer.Header().Get("Content-Type")+"\n", text, err)
	if !strings.Contains(text, `g{__name__="x"} 0`) || err == nil {
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
