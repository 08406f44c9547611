#!/usr/bin/env bash
# The library VictoriaMetrics/metrics for Go pushes with GET.
#
# Guessed: a function that sends a body to a push gateway sends it with POST or PUT, as the clients of Prometheus do.
# Seen: without `PushOptions.Method` the body goes out with GET. VictoriaMetrics takes that; a Pushgateway answers 405, and a proxy between them may
# drop the body, or answer from its cache.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module push

go 1.21

require github.com/VictoriaMetrics/metrics v1.45.0
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/VictoriaMetrics/metrics"
)

func main() {
	var method string
	var length int
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		method, length = request.Method, len(body)
	}))
	defer gateway.Close()
	set := metrics.NewSet()
	set.NewCounter("files_total").Inc()
	push := func(options *metrics.PushOptions) {
		if err := set.PushMetrics(context.Background(), gateway.URL+"/metrics/job/nightly", options); err != nil {
			panic(err)
		}
	}
	fmt.Println("VictoriaMetrics/metrics 1.45.0")
	push(&metrics.PushOptions{Method: http.MethodPut})
	fmt.Printf("with Method PUT: %s\n", method)
	push(nil)
	fmt.Printf("without: %s with a body of %d bytes\n", method, length)
	if method != http.MethodGet || length == 0 {
		panic("it pushes with another method now")
	}
}
GO
GOPATH=$folder/go GOFLAGS=-mod=mod go run . 2>&1 | grep -v '^go: '
