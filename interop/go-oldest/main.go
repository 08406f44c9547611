// A batch job that pushes its metrics with the oldest client_golang there is. It takes 202 for success and nothing else,
// has no delete and no authentication, and writes label values into the URL as they are.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
)

var gateway = os.Getenv("GATEWAY")

// batchJob is what a run of the job has measured.
func batchJob() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	records := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "batch_job_records_processed_total", Help: "Records by outcome",
	}, []string{"status"})
	processing := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "batch_job_record_processing_seconds", Help: "How long a record took",
		Buckets: []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5},
	})
	lastSuccess := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "batch_job_last_success_timestamp", Help: "When the job succeeded last",
	})
	registry.MustRegister(duration(12.5), records, processing, lastSuccess)
	records.WithLabelValues("success").Add(990)
	records.WithLabelValues("error").Add(10)
	for i := 0; i < 100; i++ {
		processing.Observe(0.003)
	}
	for i := 0; i < 10; i++ {
		processing.Observe(0.02)
	}
	lastSuccess.Set(1.6e9)
	return registry
}

func duration(seconds float64) prometheus.Collector {
	gauge := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "batch_job_duration_seconds", Help: "How long the job took",
	})
	gauge.Set(seconds)
	return gauge
}

// latency has no observations, which this version tells as NaN.
func latency() prometheus.Collector {
	return prometheus.NewSummary(prometheus.SummaryOpts{
		Name: "batch_job_latency_seconds", Help: "Latency",
	})
}

// durationCounter has the name of a gauge that others push.
func durationCounter() prometheus.Collector {
	return prometheus.NewCounter(prometheus.CounterOpts{
		Name: "batch_job_duration_seconds", Help: "How long the job took",
	})
}

// step says how a push went.
func step(name string, err error) {
	outcome := "ok"
	if err != nil {
		outcome = strings.Replace(err.Error(), "\n", `\n`, -1)
	}
	fmt.Printf("%s: %s\n", name, outcome)
}

func main() {
	full := batchJob()
	worker := map[string]string{"instance": "worker-1"}

	step("replace", push.FromGatherer("daily_report_job", worker, gateway, full))
	step("replace twice, first", push.FromGatherer("replace_twice", nil, gateway, full))
	step("replace twice, second", push.Collectors("replace_twice", nil, gateway, duration(1)))
	step("add, first", push.AddFromGatherer("add", nil, gateway, full))
	step("add, second", push.AddCollectors("add", nil, gateway, duration(2)))

	for _, value := range []string{"a/b", "a b", "", "ü", "日本", "a+b%2F", "="} {
		step(fmt.Sprintf("job `%s`", value), push.Collectors(value, nil, gateway, duration(3)))
		grouping := map[string]string{"input": value}
		step(fmt.Sprintf("label `%s`", value), push.Collectors("label", grouping, gateway, duration(4)))
	}

	step("host and port", push.Collectors("host", nil, strings.TrimPrefix(gateway, "http://"), duration(5)))
	step("summary", push.Collectors("summary", nil, gateway, latency()))
	step("refused type", push.Collectors("refused_type", nil, gateway, durationCounter()))
}
