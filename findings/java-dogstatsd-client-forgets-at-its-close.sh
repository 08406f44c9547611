#!/usr/bin/env bash
# DataDog's client for Java loses what a short job has counted, although the job closes it.
#
# Guessed: `close()` of a client that gathers samples sends what it has gathered, as those for Go and Python do; `try (client)` is enough for a
# batch job.
# Seen: by default `close()` stops the threads that send, and what they have not sent by then is gone, mostly all of it: no exception, nothing at
# the error handler, exit code 0. With `blocking(true)` everything comes. A job that lives longer than its flush interval loses the last interval only, so nobody
# misses anything in a test of a service.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >pom.xml <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>job</groupId><artifactId>job</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>com.datadoghq</groupId><artifactId>java-dogstatsd-client</artifactId><version>4.4.5</version>
  </dependency></dependencies>
</project>
XML
mvn --quiet --batch-mode org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory=libraries >/dev/null
cat >Job.java <<'JAVA'
import com.timgroup.statsd.NonBlockingStatsDClientBuilder;
import com.timgroup.statsd.StatsDClient;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.SocketTimeoutException;

public class Job {
    static int samples(boolean blocking) throws Exception {
        try (DatagramSocket server = new DatagramSocket(0, InetAddress.getByName("127.0.0.1"))) {
            server.setSoTimeout(3000);
            try (StatsDClient client = new NonBlockingStatsDClientBuilder()
                    .hostname("127.0.0.1").port(server.getLocalPort())
                    .enableTelemetry(false).blocking(blocking)
                    .errorHandler(error -> System.out.println("error handler: " + error))
                    .build()) {
                client.count("rows", 5);
                client.gauge("size", 7);
                client.histogram("took", 2);
            }
            int samples = 0;
            try {
                while (true) {
                    DatagramPacket packet = new DatagramPacket(new byte[65536], 65536);
                    server.receive(packet);
                    samples += new String(packet.getData(), 0, packet.getLength()).trim().split("\n").length;
                }
            } catch (SocketTimeoutException end) {
                return samples;
            }
        }
    }

    public static void main(String[] args) throws Exception {
        int byDefault = samples(false), blocking = samples(true);
        System.out.println("samples of 3 that came: " + byDefault + " by default, " + blocking + " with blocking(true)");
        System.exit(byDefault < 3 && blocking == 3 ? 0 : 1);
    }
}
JAVA
javac -cp 'libraries/*' Job.java
echo "java-dogstatsd-client 4.4.5"
java -cp '.:libraries/*' Job
