#!/usr/bin/env bash
# Prometheus 3.5 takes a classic histogram for a native one without buckets, if one of its family before it is native.
#
# Guessed: whether a histogram of a protobuf message is a native one is asked of each. A family has both kinds wherever a gateway, a proxy or a
# federation brings together an old program and a new one.
# Seen: behind a native histogram the parser goes on with native ones. The classic one comes out with a count and no buckets, which contradict,
# and since the scrape is refused as a whole, one old program takes down the target for all. Alone, the same histogram is read as it should be.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require (
	github.com/prometheus/client_golang v1.22.0
	github.com/prometheus/common v0.65.0
	github.com/prometheus/prometheus v0.305.0
)
MOD
cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

// The histogram of one program, which has observed 1 once.
func histogram(program string, factor float64) *dto.Metric {
	options := prometheus.HistogramOpts{Name: "h", ConstLabels: prometheus.Labels{"program": program}, NativeHistogramBucketFactor: factor}
	if factor == 0 {
		options.Buckets = []float64{2}
	}
	histogram := prometheus.NewHistogram(options)
	histogram.Observe(1)
	metric := &dto.Metric{}
	if err := histogram.Write(metric); err != nil {
		panic(err)
	}
	return metric
}

// What Prometheus reads, and why it would refuse it.
func read(metrics ...*dto.Metric) (problem error) {
	name, kind := "h", dto.MetricType_HISTOGRAM
	body := &bytes.Buffer{}
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	family := &dto.MetricFamily{Name: &name, Type: &kind, Metric: metrics}
	if err := expfmt.NewEncoder(body, format).Encode(family); err != nil {
		panic(err)
	}
	parser, err := textparse.New(body.Bytes(), string(format), "", false, false, false, labels.NewSymbolTable())
	if err != nil {
		panic(err)
	}
	for {
		entry, err := parser.Next()
		if err != nil {
			return problem
		}
		series := labels.Labels{}
		switch entry {
		case textparse.EntrySeries:
			_, _, value := parser.Series()
			parser.Labels(&series)
			fmt.Printf("  %s %v\n", series, value)
		case textparse.EntryHistogram:
			_, _, native, _ := parser.Histogram()
			parser.Labels(&series)
			if err := native.Validate(); err != nil {
				problem = err
			}
			fmt.Printf("  %s native, count %d, %d buckets\n", series, native.Count, len(native.PositiveBuckets))
		}
	}
}

func main() {
	fmt.Println("Prometheus 3.5.0\nthe classic one alone:")
	alone := read(histogram("old", 0))
	fmt.Println("behind a native one:")
	behind := read(histogram("new", 1.1), histogram("old", 0))
	fmt.Println("refused:", behind)
	if alone != nil || behind == nil {
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
