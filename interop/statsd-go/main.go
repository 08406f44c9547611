// What services do with DataDog's client for Go, as it is by default, and as it is in a container.
package main

import (
	"log"
	"os"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
)

func main() {
	address, mode := os.Args[1], os.Args[2]
	options := []statsd.Option{statsd.WithNamespace("shop"), statsd.WithTags([]string{"env:test"})}
	if mode == "container" {
		options = append(options, statsd.WithContainerID("abc123"), statsd.WithoutClientSideAggregation())
	}
	client, err := statsd.New(address, options...)
	check(err)
	check(client.Incr("orders", []string{"country:fr"}, 1))
	check(client.Count("orders", 2, []string{"country:fr"}, 1))
	check(client.Incr("visits", []string{"bare"}, 1))
	check(client.Count("stock", 5, nil, 1))
	check(client.Decr("stock", nil, 1))
	check(client.Gauge("temperature", 21.5, nil, 1))
	check(client.Gauge("balance", -5, nil, 1))
	check(client.Histogram("size", 1.25, nil, 1))
	check(client.Histogram("size", 2, nil, 1))
	check(client.Distribution("latency", 3, nil, 1))
	check(client.Timing("took", 320*time.Millisecond, nil, 1))
	for _, user := range []string{"alice", "bob", "alice"} {
		check(client.Set("users", user, nil, 1))
	}
	check(client.GaugeWithTimestamp("stamped", 7, nil, 1, time.Unix(1700000000, 0)))
	check(client.SimpleEvent("deployed", "version 2"))
	check(client.SimpleServiceCheck("database", statsd.Ok))
	check(client.Incr("last", nil, 1))
	check(client.Close())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
