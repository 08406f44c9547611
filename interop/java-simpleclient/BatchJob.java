import io.prometheus.client.Collector;
import io.prometheus.client.CollectorRegistry;
import io.prometheus.client.Counter;
import io.prometheus.client.Enumeration;
import io.prometheus.client.Gauge;
import io.prometheus.client.Histogram;
import io.prometheus.client.Info;
import io.prometheus.client.Summary;
import io.prometheus.client.exporter.BasicAuthHttpConnectionFactory;
import io.prometheus.client.exporter.PushGateway;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** A batch job that pushes its metrics with the simpleclient, which many programs on the JVM still have. */
class BatchJob {
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    /** What a run of the job has measured. Counters, histograms and summaries bring a `_created` series each. */
    static CollectorRegistry batchJob() {
        var registry = new CollectorRegistry();
        duration(12.5).register(registry);
        var records = Counter.build("batch_job_records_processed_total", "Records by outcome").labelNames("status")
            .register(registry);
        var processing = Histogram.build("batch_job_record_processing_seconds", "How long a record took")
            .buckets(0.001, 0.005, 0.01, 0.05, 0.1, 0.5).register(registry);
        var lastSuccess = Gauge.build("batch_job_last_success_timestamp", "When the job succeeded last").register(registry);
        records.labels("success").inc(990);
        records.labels("error").inc(10);
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
        var gauge = Gauge.build("batch_job_duration_seconds", "How long the job took").create();
        gauge.set(seconds);
        return gauge;
    }

    /** The types that the batch job does not use. */
    static CollectorRegistry otherTypes() {
        var registry = new CollectorRegistry();
        var latency = Summary.build("batch_job_latency_seconds", "Latency").quantile(0.5, 0.01).quantile(0.99, 0.001)
            .register(registry);
        for (double seconds : new double[] {0.1, 0.2, 0.3, 0.4}) {
            latency.observe(seconds);
        }
        Info.build("batch_job_build", "What has run").register(registry).info("version", "1.2.3", "note", "a \"quoted\" \\ \n");
        Enumeration.build("batch_job_state", "State").states("running", "done").register(registry).state("done");
        Gauge.build("batch_job_nan", "Nothing").register(registry).set(Double.NaN);
        return registry;
    }

    static Collector withTimestamp() {
        return new Collector() {
            @Override
            public List<MetricFamilySamples> collect() {
                var name = "batch_job_duration_seconds";
                var sample = new MetricFamilySamples.Sample(name, List.of(), List.of(), 12.5, 1_600_000_000_000L);
                return List.of(new MetricFamilySamples(name, Type.GAUGE, "How long the job took", List.of(sample)));
            }
        };
    }

    /** Has the name of a gauge that others push. */
    static Summary durationSummary() {
        var summary = Summary.build("batch_job_duration_seconds", "How long the job took").create();
        summary.observe(12.5);
        return summary;
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

    public static void main(String[] args) throws IOException {
        var gateway = new PushGateway(new URL(System.getenv("GATEWAY")));
        var full = batchJob();
        var worker = Map.of("instance", "worker-1");

        step("replace", () -> gateway.push(full, "daily_report_job", worker));
        step("replace twice",
            () -> gateway.push(full, "replace_twice"),
            () -> gateway.push(duration(1), "replace_twice"));
        step("add",
            () -> gateway.pushAdd(full, "add"),
            () -> gateway.pushAdd(duration(2), "add"));
        step("delete",
            () -> gateway.push(full, "delete", worker),
            () -> gateway.delete("delete", worker));
        step("delete nothing", () -> gateway.delete("never_pushed"));

        for (var value : new String[] {"a/b", "a b", "", "ü", "日本", "a+b%2F", "="}) {
            step("job `" + value + "`", () -> gateway.push(duration(3), value));
            step("label `" + value + "`", () -> gateway.push(duration(4), "label", Map.of("input", value)));
        }

        step("other types", () -> gateway.push(otherTypes(), "other_types"));
        step("empty registry", () -> gateway.push(new CollectorRegistry(), "empty_registry"));
        step("host and port", () ->
            new PushGateway(System.getenv("GATEWAY").replace("http://", "")).push(duration(5), "host_and_port"));

        var authUrl = new URL(System.getenv("GATEWAY_AUTH"));
        var auth = new PushGateway(authUrl);
        step("no password", () -> auth.push(duration(6), "none"));
        auth.setConnectionFactory(new BasicAuthHttpConnectionFactory("batch", "guess"));
        step("wrong password", () -> auth.push(duration(7), "wrong"));
        auth.setConnectionFactory(new BasicAuthHttpConnectionFactory("batch", "s3cret"));
        step("right password",
            () -> auth.push(full, "auth"),
            () -> auth.pushAdd(duration(8), "auth"),
            () -> auth.delete("nobody"));

        step("refused timestamp", () -> gateway.push(withTimestamp(), "refused_timestamp"));
        step("refused type", () -> gateway.push(durationSummary(), "refused_type"));
    }
}
