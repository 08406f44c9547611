import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.slf4j.LoggerFactory;
import org.springframework.boot.Banner;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.micrometer.metrics.export.prometheus.PrometheusPushGatewayManager;
import org.springframework.context.annotation.Bean;

/**
 * A batch job as a Spring Boot application. Spring pushes its meters: once at the start, then at an interval, and at the
 * end what `shutdown-operation` says. Failures go to the log and nowhere else.
 */
@SpringBootConfiguration
@EnableAutoConfiguration
class BatchJob {
    static final String GATEWAY = System.getenv("GATEWAY").replace("http://", "");
    static final String GATEWAY_AUTH = System.getenv("GATEWAY_AUTH").replace("http://", "");
    static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    /** What Spring logs about pushes, of which the one at the start may fail at any time. */
    static class Log extends AppenderBase<ILoggingEvent> {
        final CopyOnWriteArrayList<String> lines = new CopyOnWriteArrayList<>();

        @Override
        protected void append(ILoggingEvent event) {
            lines.add(event.getFormattedMessage() + ": " + event.getThrowableProxy().getMessage());
        }
    }

    @Bean
    CommandLineRunner job(MeterRegistry registry) {
        return arguments -> {
            awaitFirstPush(arguments[0]);
            if (arguments[0].equals("refused_type")) {
                registry.timer("batch.job.duration").record(Duration.ofMillis(1));
                return;
            }
            Gauge.builder("batch.job.duration.seconds", () -> 12.5).register(registry);
            registry.counter("batch.job.records.processed", "status", "success").increment(990);
            registry.counter("batch.job.records.processed", "status", "error").increment(10);
            var processing = Timer.builder("batch.job.record.processing").description("How long a record took")
                .publishPercentileHistogram().register(registry);
            for (int i = 0; i < 100; i++) {
                processing.record(Duration.ofMillis(3));
            }
            Gauge.builder("batch.job.last.success.timestamp", () -> 1.6e9).register(registry);
        };
    }

    /** Lets the push at the start, of no meters yet, come first in each run. Without a password it never comes. */
    static void awaitFirstPush(String job) throws Exception {
        if (job.endsWith("_password")) {
            return;
        }
        var client = HttpClient.newHttpClient();
        var credentials = Base64.getEncoder().encodeToString("batch:s3cret".getBytes(StandardCharsets.UTF_8));
        var scrape = HttpRequest.newBuilder(URI.create("http://" + (job.equals("auth") ? GATEWAY_AUTH : GATEWAY) + "/metrics"))
            .header("Authorization", "Basic " + credentials).build();
        while (!client.send(scrape, HttpResponse.BodyHandlers.ofString()).body().contains("job=\"" + job + "\"")) {
            Thread.sleep(20);
        }
    }

    /** Runs the application to its end, and says what went to the log then. */
    static void step(String name, Map<String, String> pushgateway) {
        var properties = new TreeMap<String, Object>();
        pushgateway.forEach((key, value) -> properties.put("management.prometheus.metrics.export.pushgateway." + key, value));
        properties.putIfAbsent("management.prometheus.metrics.export.pushgateway.address", GATEWAY);
        properties.put("management.prometheus.metrics.export.pushgateway.enabled", "true");
        // What Java and the machine have to say differs from run to run.
        properties.put("management.metrics.enable.all", "false");
        properties.put("management.metrics.enable.batch", "true");
        properties.put("logging.level.root", "off");
        properties.put("logging.level." + PrometheusPushGatewayManager.class.getName(), "warn");
        properties.put("logging.threshold.console", "off");

        var log = new Log();
        var application = new SpringApplicationBuilder(BatchJob.class).properties(properties).bannerMode(Banner.Mode.OFF);
        application.application().addListeners(event -> {
            // The logging system begins anew with each application.
            var logger = (Logger) LoggerFactory.getLogger(PrometheusPushGatewayManager.class);
            if (!logger.isAttached(log)) {
                log.start();
                logger.addAppender(log);
            }
        });
        application.run(pushgateway.get("job")).close();

        var operation = pushgateway.get("shutdown-operation").toUpperCase();
        var outcome = log.lines.stream().filter(line -> line.contains(operation)).collect(Collectors.joining("; "));
        OUT.println(name + ": " + (outcome.isEmpty() ? "ok" : outcome.replace("\n", "\\n")));
    }

    public static void main(String[] args) {
        step("put at the end", Map.of("job", "put", "shutdown-operation", "put"));
        step("post at the end", Map.of("job", "post", "shutdown-operation", "post", "grouping-key.instance", "worker-1"));
        step("delete at the end", Map.of("job", "delete", "shutdown-operation", "delete"));
        step("text", Map.of("job", "text", "shutdown-operation", "put", "format", "text"));
        step("slash and empty label",
            Map.of("job", "daily/report", "shutdown-operation", "put", "grouping-key.zone", "", "grouping-key.shard", "a b"));
        step("right password", Map.of("address", GATEWAY_AUTH, "username", "batch", "password", "s3cret",
            "job", "auth", "shutdown-operation", "put"));
        step("wrong password", Map.of("address", GATEWAY_AUTH, "username", "batch", "password", "guess",
            "job", "wrong_password", "shutdown-operation", "put"));
        step("no password", Map.of("address", GATEWAY_AUTH, "job", "no_password", "shutdown-operation", "put"));
        step("refused type", Map.of("job", "refused_type", "shutdown-operation", "put"));
    }
}
