#!/usr/bin/env bash
# Prometheus' translation of OpenTelemetry names takes "total" out of the middle of a counter's name, and makes two counters one.
#
# Guessed: a counter gets `_total` at its end unless it has it there; `jobs.total.failed` becomes `jobs_total_failed_total`.
# Seen: every part "total" is removed, then one is appended. `jobs.failed` and `jobs.total.failed` are both `jobs_failed_total`, with the same
# labels, so a receiver sees two values of one series for one time and keeps one of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require github.com/prometheus/otlptranslator v1.0.0
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/otlptranslator"
)

func main() {
	fmt.Println("otlptranslator 1.0.0, underscores and suffixes, as Prometheus uses it by default")
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	names := map[string]bool{}
	for _, name := range []string{"jobs.failed", "jobs.total.failed", "total.jobs.failed"} {
		metric := otlptranslator.Metric{Name: name, Type: otlptranslator.MetricTypeMonotonicCounter}
		translated, err := namer.Build(metric)
		if err != nil {
			panic(err)
		}
		names[translated] = true
		fmt.Printf("%-18s %s\n", name, translated)
	}
	if len(names) != 1 || !names["jobs_failed_total"] {
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
