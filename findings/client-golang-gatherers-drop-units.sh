#!/usr/bin/env bash
# client_golang loses the unit of a metric family wherever gatherers are put together.
#
# Guessed: `prometheus.Gatherers`, which a program uses to expose several registries as one, and the Pushgateway to expose its groups, hands on
# what it was given; `MetricFamily` has a field for the unit, and the encoders of the same project write it.
# Seen: name, help and type are copied, the unit is not. What was pushed with a unit comes out of every scrape without one, in protobuf and in
# OpenMetrics alike; a backup or a proxy built on scrapes cannot get it back.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require (
	github.com/prometheus/client_golang v1.25.0
	github.com/prometheus/client_model v0.6.3
)
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func main() {
	name, unit, value, gauge := "took_seconds", "seconds", 1.5, dto.MetricType_GAUGE
	one := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		metric := &dto.Metric{Gauge: &dto.Gauge{Value: &value}}
		return []*dto.MetricFamily{{Name: &name, Unit: &unit, Type: &gauge, Metric: []*dto.Metric{metric}}}, nil
	})
	alone, err := one.Gather()
	if err != nil {
		panic(err)
	}
	together, err := prometheus.Gatherers{one}.Gather()
	if err != nil {
		panic(err)
	}
	fmt.Printf("client_golang 1.25.0\nalone:    %q\nin a list of one: %q\n", alone[0].GetUnit(), together[0].GetUnit())
	if alone[0].GetUnit() != "seconds" || together[0].GetUnit() != "" {
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
