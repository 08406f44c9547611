import com.timgroup.statsd.Event;
import com.timgroup.statsd.NonBlockingStatsDClientBuilder;
import com.timgroup.statsd.ServiceCheck;
import com.timgroup.statsd.StatsDClient;

/** What services do with DataDog's client for Java, as it is by default, and as it is in a container. */
public class Job {
    public static void main(String[] args) {
        int colon = args[0].lastIndexOf(':');
        NonBlockingStatsDClientBuilder builder = new NonBlockingStatsDClientBuilder()
                .prefix("shop")
                .hostname(args[0].substring(0, colon))
                .port(Integer.parseInt(args[0].substring(colon + 1)))
                .constantTags("env:test")
                .enableTelemetry(false)
                .blocking(true)
                .errorHandler(error -> error.printStackTrace());
        if (args[1].equals("container")) {
            builder.containerID("abc123").enableAggregation(false);
        }
        try (StatsDClient client = builder.build()) {
            client.increment("orders", "country:fr");
            client.count("orders", 2, "country:fr");
            client.increment("visits", "bare");
            client.count("stock", 5);
            client.decrement("stock");
            client.gauge("temperature", 21.5);
            client.gauge("balance", -5);
            client.histogram("size", 1.25);
            client.histogram("size", 2);
            client.distribution("latency", 3);
            client.time("took", 320);
            client.recordSetValue("users", "alice");
            client.recordSetValue("users", "bob");
            client.recordSetValue("users", "alice");
            client.gaugeWithTimestamp("stamped", 7, 1700000000L);
            client.recordEvent(Event.builder().withTitle("deployed").withText("version 2").build());
            client.recordServiceCheckRun(
                    ServiceCheck.builder().withName("database").withStatus(ServiceCheck.Status.OK).build());
            client.increment("last");
        }
    }
}
