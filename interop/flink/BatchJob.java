import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.function.Predicate;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Histogram;
import org.apache.flink.metrics.Meter;
import org.apache.flink.runtime.metrics.DescriptiveStatisticsHistogram;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;

/**
 * A Flink job in a cluster of its own, whose metrics Flink's reporter pushes every second. The reporter keeps its failures
 * to itself, so the gateway is asked what has come.
 */
class BatchJob {
    static final String GATEWAY = System.getenv("GATEWAY");
    static final String GATEWAY_AUTH = System.getenv("GATEWAY_AUTH");
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    static final Duration PATIENCE = Duration.ofSeconds(120);

    /** Counts records, and stays busy with the last one: metrics of a job are gone when it ends. */
    static class Measured extends RichMapFunction<Long, Long> {
        static final long RECORDS = 1000;
        private transient Counter processed;
        private transient Histogram sizes;

        @Override
        public void open(OpenContext context) {
            var metrics = getRuntimeContext().getMetricGroup().addGroup("batch").addGroup("zone", "eu/1");
            processed = metrics.counter("records_processed");
            sizes = metrics.histogram("record_size", new DescriptiveStatisticsHistogram(100));
            metrics.gauge("duration_seconds", () -> 12.5);
            metrics.meter("records_per_second", new Steady());
        }

        @Override
        public Long map(Long record) throws InterruptedException {
            sizes.update(record);
            processed.inc();
            if (record == RECORDS) {
                Thread.sleep(Long.MAX_VALUE);
            }
            return record;
        }
    }

    /** The same rate at all times. */
    static class Steady implements Meter {
        @Override
        public void markEvent() {}

        @Override
        public void markEvent(long n) {}

        @Override
        public double getRate() {
            return 2.5;
        }

        @Override
        public long getCount() {
            return 1000;
        }
    }

    /** The reporter as in the documentation, for the job's own metrics and without labels that differ from run to run. */
    static Configuration reporter(String url, String jobName) {
        var configuration = new Configuration();
        configuration.setString("metrics.reporters", "gateway");
        set(configuration, "factory.class", "org.apache.flink.metrics.prometheus.PrometheusPushGatewayReporterFactory");
        set(configuration, "hostUrl", url);
        set(configuration, "jobName", jobName);
        set(configuration, "interval", "1 s");
        set(configuration, "filter.includes", "*.batch*");
        set(configuration, "scope.variables.excludes",
            "host;job_id;task_id;task_attempt_id;task_attempt_num;tm_id;operator_id;subtask_index");
        return configuration;
    }

    static void set(Configuration configuration, String option, String value) {
        configuration.setString("metrics.reporter.gateway." + option, value);
    }

    static JobClient start(Configuration configuration) throws Exception {
        var environment = StreamExecutionEnvironment.createLocalEnvironment(1, configuration);
        environment.fromSequence(1, Measured.RECORDS).map(new Measured()).name("measured").sinkTo(new DiscardingSink<>());
        return environment.executeAsync("daily report");
    }

    /** Ends the job, and with it the cluster that runs it. */
    static void stop(JobClient job) throws Exception {
        job.cancel().get();
    }

    /** Asks the gateway until the scrape is as wished. */
    static void await(String step, String url, Predicate<String> wish) throws Exception {
        var client = HttpClient.newHttpClient();
        var credentials = Base64.getEncoder().encodeToString("batch:s3cret".getBytes(StandardCharsets.UTF_8));
        var scrape = HttpRequest.newBuilder(URI.create(url + "/metrics")).header("Authorization", "Basic " + credentials).build();
        var outcome = "not within " + PATIENCE.toSeconds() + " s";
        for (var end = Instant.now().plus(PATIENCE); Instant.now().isBefore(end); Thread.sleep(50)) {
            if (wish.test(client.send(scrape, HttpResponse.BodyHandlers.ofString()).body())) {
                outcome = "ok";
                break;
            }
        }
        OUT.println(step + ": " + outcome);
    }

    /** Whether all records are counted in a group of this job. */
    static Predicate<String> counted(String jobPattern) {
        var series = "(?s).*\nflink_[a-z_]*_batch_zone_records_processed\\{[^\n]*job=\"" + jobPattern + "\"[^\n]*\\} "
            + Measured.RECORDS + "\n.*";
        return text -> text.matches(series);
    }

    static Predicate<String> present(String jobPattern) {
        return text -> text.matches("(?s).*\npush_time_seconds\\{[^\n]*job=\"" + jobPattern + "\".*");
    }

    public static void main(String[] args) throws Exception {
        var random = reporter(GATEWAY, "random");
        var job = start(random);
        await("random suffix", GATEWAY, counted("random[0-9a-f]{32}"));
        stop(job);
        await("deleted when the cluster ends", GATEWAY, present("random[0-9a-f]{32}").negate());

        var fixed = reporter(GATEWAY, "fixed/a b");
        set(fixed, "randomJobNameSuffix", "false");
        set(fixed, "groupingKey", "instance=worker-1;shard=2");
        job = start(fixed);
        await("no suffix", GATEWAY, counted("fixed/a b"));
        stop(job);
        await("also deleted", GATEWAY, present("fixed/a b").negate());

        var auth = reporter(GATEWAY_AUTH, "auth");
        set(auth, "username", "batch");
        set(auth, "password", "s3cret");
        job = start(auth);
        await("right password", GATEWAY_AUTH, counted("auth[0-9a-f]{32}"));
        stop(job);
        await("deleted with a password", GATEWAY_AUTH, present("auth[0-9a-f]{32}").negate());

        var kept = reporter(GATEWAY, "kept");
        set(kept, "randomJobNameSuffix", "false");
        set(kept, "deleteOnShutdown", "false");
        set(kept, "filterLabelValueCharacters", "false");
        set(kept, "groupingKey", "instance=worker-1");
        start(kept);
        await("kept", GATEWAY, counted("kept"));
        // The cluster dies, and what it has pushed last stays.
        Runtime.getRuntime().halt(0);
    }
}
