import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.LongTaskTimer;
import io.micrometer.core.instrument.Timer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import io.prometheus.metrics.exporter.pushgateway.Format;
import io.prometheus.metrics.exporter.pushgateway.PushGateway;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/** A batch job that measures with Micrometer and pushes its registry with client_java. */
class BatchJob {
    static final String GATEWAY = System.getenv("GATEWAY").replace("http://", "");
    static final String GATEWAY_AUTH = System.getenv("GATEWAY_AUTH").replace("http://", "");
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    /** What a run of the job has measured. A timer becomes a histogram, and a gauge of the longest time beside it. */
    static PrometheusMeterRegistry batchJob() {
        var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        Gauge.builder("batch.job.duration.seconds", () -> 12.5).register(registry);
        registry.counter("batch.job.records.processed", "status", "success").increment(990);
        registry.counter("batch.job.records.processed", "status", "error").increment(10);
        var processing = Timer.builder("batch.job.record.processing").description("How long a record took")
            .serviceLevelObjectives(Duration.ofMillis(1), Duration.ofMillis(5), Duration.ofMillis(50))
            .register(registry);
        for (int i = 0; i < 100; i++) {
            processing.record(Duration.ofMillis(3));
        }
        for (int i = 0; i < 10; i++) {
            processing.record(Duration.ofMillis(20));
        }
        Gauge.builder("batch.job.last.success.timestamp", () -> 1.6e9).register(registry);
        return registry;
    }

    static PrometheusMeterRegistry duration(double seconds) {
        var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        Gauge.builder("batch.job.duration.seconds", () -> seconds).register(registry);
        return registry;
    }

    /** What the batch job does not use. */
    static PrometheusMeterRegistry otherMeters() {
        var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        var size = DistributionSummary.builder("batch.job.record.size").baseUnit("bytes").publishPercentiles(0.5, 0.99)
            .register(registry);
        size.record(100);
        size.record(300);
        LongTaskTimer.builder("batch.job.export").register(registry);
        Gauge.builder("batch.job.queue-length", () -> 3).tag("the.queue", "größe \"x\"").register(registry);
        return registry;
    }

    /** Has the name of a gauge that others push. */
    static PrometheusMeterRegistry durationSummary() {
        var registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        registry.timer("batch.job.duration").record(Duration.ofMillis(1));
        return registry;
    }

    static PushGateway.Builder push(PrometheusMeterRegistry registry, String job) {
        return PushGateway.builder().address(GATEWAY).registry(registry.getPrometheusRegistry()).job(job);
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

        step("replace", push(full, "daily_report_job").groupingKey("instance", "worker-1").build()::push);
        step("replace twice",
            push(full, "replace_twice").build()::push,
            push(duration(1), "replace_twice").build()::push);
        step("add",
            push(full, "add").build()::pushAdd,
            push(duration(2), "add").build()::pushAdd);
        step("delete",
            push(full, "delete").build()::push,
            push(full, "delete").build()::delete);
        step("text", push(full, "text").format(Format.PROMETHEUS_TEXT).build()::push);
        step("other meters", push(otherMeters(), "other_meters").build()::push);
        step("other meters as text", push(otherMeters(), "other_meters_text").format(Format.PROMETHEUS_TEXT).build()::push);
        // A job that pushes at an interval keeps what it counts.
        var interval = push(full, "interval").build();
        step("interval",
            interval::pushAdd,
            () -> full.counter("batch.job.records.processed", "status", "error").increment(5),
            interval::pushAdd);

        var auth = PushGateway.builder().address(GATEWAY_AUTH).registry(full.getPrometheusRegistry()).job("auth");
        step("no password", auth.build()::push);
        step("wrong password", auth.basicAuth("batch", "guess").build()::push);
        step("right password", auth.basicAuth("batch", "s3cret").build()::push);

        step("refused type", push(durationSummary(), "refused_type").build()::push);
    }
}
