import io.prometheus.metrics.core.metrics.Counter;
import io.prometheus.metrics.core.metrics.Gauge;
import io.prometheus.metrics.core.metrics.Histogram;
import io.prometheus.metrics.core.metrics.Info;
import io.prometheus.metrics.core.metrics.StateSet;
import io.prometheus.metrics.core.metrics.Summary;
import io.prometheus.metrics.config.EscapingScheme;
import io.prometheus.metrics.exporter.pushgateway.Format;
import io.prometheus.metrics.exporter.pushgateway.PushGateway;
import io.prometheus.metrics.model.registry.Collector;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot.GaugeDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** A batch job that pushes its metrics with client_java, in every way the library offers. */
class BatchJob {
    /** The library wants an address and a scheme. */
    static final String GATEWAY = System.getenv("GATEWAY").replace("http://", "");
    static final String GATEWAY_AUTH = System.getenv("GATEWAY_AUTH").replace("http://", "");
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    /** What a run of the job has measured. Without further ado a histogram is a classic and a native one. */
    static PrometheusRegistry batchJob() {
        var registry = new PrometheusRegistry();
        registry.register(duration(12.5));
        var records = Counter.builder().name("batch_job_records_processed_total").help("Records by outcome")
            .labelNames("status").register(registry);
        var processing = Histogram.builder().name("batch_job_record_processing_seconds").help("How long a record took")
            .classicUpperBounds(0.001, 0.005, 0.01, 0.05, 0.1, 0.5).register(registry);
        var lastSuccess = Gauge.builder().name("batch_job_last_success_timestamp").help("When the job succeeded last")
            .register(registry);
        records.labelValues("success").inc(990);
        records.labelValues("error").inc(10);
        for (int i = 0; i < 100; i++) {
            processing.observe(0.003);
        }
        for (int i = 0; i < 10; i++) {
            processing.observe(0.02);
        }
        lastSuccess.set(1.6e9);
        return registry;
    }

    static Gauge duration(double seconds) {
        var gauge = Gauge.builder().name("batch_job_duration_seconds").help("How long the job took").build();
        gauge.set(seconds);
        return gauge;
    }

    static Histogram nativeOnly() {
        var histogram = Histogram.builder().name("batch_job_response_seconds").nativeOnly().build();
        for (double seconds : new double[] {0, 0.001, 0.02, 0.02, 3, -1}) {
            histogram.observe(seconds);
        }
        return histogram;
    }

    static Histogram classicOnly() {
        var histogram = Histogram.builder().name("batch_job_request_seconds").classicOnly().build();
        histogram.observe(0.3);
        return histogram;
    }

    /** The types and names that the batch job does not use. */
    static PrometheusRegistry otherTypes() {
        var registry = new PrometheusRegistry();
        var latency = Summary.builder().name("batch_job_latency_seconds").quantile(0.5).quantile(0.99).register(registry);
        for (double seconds : new double[] {0.1, 0.2, 0.3, 0.4}) {
            latency.observe(seconds);
        }
        Summary.builder().name("batch_job_unused_seconds").register(registry);
        Info.builder().name("batch_job_build_info").labelNames("version", "note").register(registry)
            .setLabelValues("1.2.3", "a \"quoted\" \\ \n");
        StateSet.builder().name("batch_job_state").states("running", "done").register(registry).setTrue("done");
        registry.register(dotted("default"));
        Gauge.builder().name("batch_job_nan").register(registry).set(Double.NaN);
        return registry;
    }

    /** Names that not every gateway and scraper knows. */
    static Gauge dotted(String suffix) {
        var gauge = Gauge.builder().name("batch.job.größe." + suffix).labelNames("the.label").build();
        gauge.labelValues("x").set(1);
        return gauge;
    }

    static Collector withTimestamp() {
        return () -> GaugeSnapshot.builder().name("batch_job_duration_seconds").help("How long the job took")
            .dataPoint(new GaugeDataPointSnapshot(12.5, Labels.EMPTY, null, 1_600_000_000_000L)).build();
    }

    /** Has the name of a gauge that others push. */
    static Summary durationSummary() {
        var summary = Summary.builder().name("batch_job_duration_seconds").build();
        summary.observe(12.5);
        return summary;
    }

    static PushGateway.Builder to(String job) {
        return PushGateway.builder().address(GATEWAY).job(job);
    }

    static PushGateway.Builder auth(String job) {
        return PushGateway.builder().address(GATEWAY_AUTH).job(job);
    }

    interface Action {
        void run() throws IOException;
    }

    /** Runs the actions up to the first that fails, and says how that went. */
    static void step(String name, Action... actions) {
        var outcome = "ok";
        try {
            for (var action : actions) {
                action.run();
            }
        } catch (IOException | RuntimeException e) {
            outcome = e.toString().replace("\n", "\\n");
        }
        OUT.println(name + ": " + outcome);
    }

    public static void main(String[] args) {
        var full = batchJob();

        step("replace", to("daily_report_job").groupingKey("instance", "worker-1").registry(full).build()::push);
        step("replace twice",
            to("replace_twice").registry(full).build()::push,
            () -> to("replace_twice").build().push(duration(1)));
        step("add",
            to("add").registry(full).build()::push,
            () -> to("add").build().pushAdd(duration(2)));
        step("delete",
            to("delete").groupingKey("instance", "worker-1").registry(full).build()::push,
            to("delete").groupingKey("instance", "worker-1").build()::delete);
        step("delete nothing", to("never_pushed").build()::delete);

        for (var value : new String[] {"a/b", "a b", "", "ü", "日本", "a+b%2F", "="}) {
            step("job `" + value + "`", () -> to(value).build().push(duration(3)));
            step("label `" + value + "`", () -> to("label").groupingKey("input", value).build().push(duration(4)));
        }

        step("protobuf", to("protobuf").format(Format.PROMETHEUS_PROTOBUF).registry(full).build()::push);
        step("text", to("text").format(Format.PROMETHEUS_TEXT).registry(full).build()::push);
        step("native histogram", () -> to("native").build().push(nativeOnly()));
        step("native histogram as text", () -> to("native_text").format(Format.PROMETHEUS_TEXT).build().push(nativeOnly()));
        step("classic histogram", () -> to("classic").build().push(classicOnly()));
        step("other types", to("other_types").registry(otherTypes()).build()::push);
        step("other types as text", to("other_types_text").format(Format.PROMETHEUS_TEXT).registry(otherTypes()).build()::push);
        for (var scheme : EscapingScheme.values()) {
            step("names, " + scheme, () -> to(scheme.name()).escapingScheme(scheme).build().push(dotted(scheme.name())));
        }
        step("label with a dot", () -> to("dot").groupingKey("my.label", "x").build().push(duration(5)));
        step("several labels", () ->
            to("labels").groupingKey("zone", "eu/1").groupingKey("instance", "").groupingKey("shard", "1").build()
                .pushAdd(duration(6)));
        step("timeouts", () ->
            to("timeouts").connectionTimeout(Duration.ofSeconds(5)).readTimeout(Duration.ofSeconds(5)).build()
                .push(duration(7)));
        step("timestamps in milliseconds", () -> to("milliseconds").prometheusTimestampsInMs(true).build().push(duration(8)));

        step("right password",
            () -> auth("auth").basicAuth("batch", "s3cret").build().push(duration(9)),
            () -> auth("auth").basicAuth("batch", "s3cret").build().pushAdd(duration(10)),
            auth("nobody").basicAuth("batch", "s3cret").build()::delete);
        step("wrong password", () -> auth("wrong").basicAuth("batch", "guess").build().push(duration(11)));
        step("no password", () -> auth("none").build().push(duration(12)));
        step("no password to delete", auth("auth").build()::delete);

        step("refused timestamp", () -> to("refused_timestamp").build().push(withTimestamp()));
        step("refused type", () -> to("refused_type").build().push(durationSummary()));
        step("job label in a metric", () -> {
            var gauge = Gauge.builder().name("batch_job_x").labelNames("job").build();
            gauge.labelValues("mine").set(1);
            to("job_label").build().push(gauge);
        });
    }
}
