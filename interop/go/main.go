// A batch job that pushes its metrics with client_golang, in every way the library offers.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/push"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var (
	gateway     = os.Getenv("GATEWAY")
	gatewayAuth = os.Getenv("GATEWAY_AUTH")
)

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
	for range 100 {
		processing.Observe(0.003)
	}
	for range 10 {
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

// nativeHistogram has no buckets of its own, and cannot be told in the text format.
func nativeHistogram() prometheus.Collector {
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "batch_job_response_seconds", Help: "How long a response took",
		NativeHistogramBucketFactor: 1.1,
	})
	for _, seconds := range []float64{0, 0.001, 0.02, 0.02, 3, -1} {
		histogram.Observe(seconds)
	}
	return histogram
}

// bothHistograms has buckets of both kinds.
func bothHistograms() prometheus.Collector {
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "batch_job_request_seconds", Help: "How long a request took",
		Buckets:                     []float64{0.01, 1},
		NativeHistogramBucketFactor: 1.5,
	})
	for _, seconds := range []float64{0.001, 0.02, 3} {
		histogram.Observe(seconds)
	}
	return histogram
}

func latency() prometheus.Collector {
	summary := prometheus.NewSummary(prometheus.SummaryOpts{
		Name: "batch_job_latency_seconds", Help: "Latency",
		Objectives: map[float64]float64{0.5: 0.05, 0.99: 0.001},
	})
	for _, seconds := range []float64{0.1, 0.2, 0.3, 0.4} {
		summary.Observe(seconds)
	}
	return summary
}

// durationSummary has the name of a gauge that others push.
func durationSummary() prometheus.Collector {
	summary := prometheus.NewSummary(prometheus.SummaryOpts{
		Name: "batch_job_duration_seconds", Help: "How long the job took",
	})
	summary.Observe(12.5)
	return summary
}

// constant is a collector of metrics that are made when they are asked for.
type constant []prometheus.Metric

func (constant) Describe(chan<- *prometheus.Desc) {}

func (c constant) Collect(metrics chan<- prometheus.Metric) {
	for _, metric := range c {
		metrics <- metric
	}
}

func withExemplars() prometheus.Collector {
	bytes := prometheus.NewDesc("batch_job_bytes_total", "Bytes read", nil, nil)
	counter := prometheus.MustNewConstMetric(bytes, prometheus.CounterValue, 5)
	size := prometheus.NewDesc("batch_job_record_bytes", "Size of a record", nil, nil)
	histogram := prometheus.MustNewConstHistogram(size, 3, 120, map[float64]uint64{10: 1, 100: 3})
	exemplar := func(value float64) prometheus.Exemplar {
		return prometheus.Exemplar{Value: value, Labels: prometheus.Labels{"trace_id": "abc"}, Timestamp: time.Unix(1.6e9, 0)}
	}
	return constant{
		prometheus.MustNewMetricWithExemplars(counter, exemplar(2)),
		prometheus.MustNewMetricWithExemplars(histogram, exemplar(7), exemplar(70)),
	}
}

func withTimestamp() prometheus.Collector {
	desc := prometheus.NewDesc("batch_job_duration_seconds", "How long the job took", nil, nil)
	metric := prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 12.5)
	return constant{prometheus.NewMetricWithTimestamp(time.Unix(1.6e9, 0), metric)}
}

func untyped() prometheus.Collector {
	desc := prometheus.NewDesc("batch_job_untyped", "", []string{"path"}, nil)
	return constant{prometheus.MustNewConstMetric(desc, prometheus.UntypedValue, 1, "C:\\a\n\"b\"")}
}

// step runs the actions up to the first that fails, and says how that went.
func step(name string, actions ...func() error) {
	outcome := "ok"
	for _, action := range actions {
		if err := action(); err != nil {
			outcome = strings.ReplaceAll(err.Error(), "\n", `\n`)
			// Messages print with one or two blanks between fields, as a build of the protobuf library has it.
			outcome = strings.ReplaceAll(outcome, "  ", " ")
			break
		}
	}
	fmt.Printf("%s: %s\n", name, outcome)
}

func main() {
	full := batchJob()
	to := func(job string) *push.Pusher { return push.New(gateway, job) }

	step("replace", to("daily_report_job").Grouping("instance", "worker-1").Gatherer(full).Push)
	step("replace twice",
		to("replace_twice").Gatherer(full).Push,
		to("replace_twice").Collector(duration(1)).Push)
	step("add",
		to("add").Gatherer(full).Add,
		to("add").Collector(duration(2)).Add)
	step("delete",
		to("delete").Grouping("instance", "worker-1").Gatherer(full).Push,
		to("delete").Grouping("instance", "worker-1").Delete)
	step("delete nothing", to("never_pushed").Delete)

	for _, value := range []string{"a/b", "a b", "", "ü", "日本", "a+b%2F", "="} {
		step(fmt.Sprintf("job `%s`", value), to(value).Collector(duration(3)).Push)
		step(fmt.Sprintf("label `%s`", value), to("label").Grouping("input", value).Collector(duration(4)).Push)
	}

	protobuf := expfmt.NewFormat(expfmt.TypeProtoDelim)
	step("protobuf", to("protobuf").Gatherer(full).Format(protobuf).Push)
	step("protobuf with escaping",
		to("escaping").Gatherer(full).Format(protobuf.WithEscapingScheme(model.ValueEncodingEscaping)).Push)
	step("text", to("text").Gatherer(full).Format(expfmt.NewFormat(expfmt.TypeTextPlain)).Push)
	// The library leaves out the `# EOF` at the end. Only gauges look the same in both text formats.
	step("OpenMetrics",
		to("openmetrics").Collector(duration(12.5)).Format(expfmt.NewFormat(expfmt.TypeOpenMetrics)).Push)

	step("collectors and gatherers",
		to("several").Collector(latency()).Gatherer(full).Collector(untyped()).Push)
	step("several labels",
		to("labels").Grouping("instance", "").Grouping("zone", "eu/1").Grouping("shard", "1").Collector(duration(5)).Push)
	step("native histogram", to("native").Collector(nativeHistogram()).Collector(bothHistograms()).Push)
	step("native histogram as text",
		to("native_text").Collector(bothHistograms()).Format(expfmt.NewFormat(expfmt.TypeTextPlain)).Push)
	step("exemplars", to("exemplars").Collector(withExemplars()).Push)
	step("nothing", to("nothing").Push)
	step("label of the key in a metric", to("key_label").Grouping("path", "x").Collector(untyped()).Push)
	step("host and port", push.New(strings.TrimPrefix(gateway, "http://"), "host_and_port").Collector(duration(6)).Push)
	step("slash at the end", push.New(gateway+"/", "slash").Collector(duration(7)).Push)
	step("header",
		to("header").Header(http.Header{"X-Scope-Orgid": {"tenant"}}).Collector(duration(8)).Push)
	step("UTF-8 label name", to("utf8_label").Grouping("größe", "x").Collector(duration(9)).Push)
	step("UTF-8 label name of a metric", to("utf8_metric").Collector(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "batch_job_utf8", ConstLabels: prometheus.Labels{"größe": "x"}},
		func() float64 { return 1 })).Push)
	step("deadline", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return to("deadline").Collector(duration(10)).PushContext(ctx)
	})
	step("canceled", func() error {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		err := to("canceled").Collector(duration(11)).PushContext(ctx)
		if errors.Is(err, context.Canceled) {
			return context.Canceled
		}
		return err
	})

	auth := func(job string) *push.Pusher { return push.New(gatewayAuth, job).Collector(duration(12)) }
	step("right password",
		auth("auth").BasicAuth("batch", "s3cret").Push,
		auth("auth").BasicAuth("batch", "s3cret").Add,
		auth("nobody").BasicAuth("batch", "s3cret").Delete)
	step("wrong password", auth("wrong").BasicAuth("batch", "guess").Push)
	step("no password", auth("none").Push)
	step("no password to delete", auth("auth").Delete)

	step("refused timestamp", to("refused_timestamp").Collector(withTimestamp()).Push)
	step("refused type", to("refused_type").Collector(durationSummary()).Push)
	step("refused job label", to("job_label").Collector(prometheus.NewGaugeFunc(
		prometheus.GaugeOpts{Name: "batch_job_x", ConstLabels: prometheus.Labels{"job": "mine"}},
		func() float64 { return 1 })).Push)
}
