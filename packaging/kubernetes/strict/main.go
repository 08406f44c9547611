// Reads manifests and holds the objects of the Prometheus operator and of the Gateway API against the types that these projects
// publish: a field that they do not know, or of another type, is a mistake. `cargo xtask packaging kubernetes` runs it. Objects of
// Kubernetes itself are passed over: schemas judge them.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"bufio"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	document "k8s.io/apimachinery/pkg/util/yaml"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// An empty object of each kind that is looked at.
var kinds = map[string]func() any{
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
	"monitoring.coreos.com/v1 PodMonitor":     func() any { return &monitoring.PodMonitor{} },
	"gateway.networking.k8s.io/v1 HTTPRoute":  func() any { return &gateway.HTTPRoute{} },
}

func check(path string) (looked int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	reader := document.NewYAMLReader(bufio.NewReader(file))
	for {
		text, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return looked, nil
		}
		if err != nil {
			return looked, err
		}
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(text, &kind); err != nil {
			return looked, err
		}
		if empty, ok := kinds[kind.APIVersion+" "+kind.Kind]; ok {
			if err := yaml.UnmarshalStrict(text, empty()); err != nil {
				return looked, fmt.Errorf("%s: %w", kind.Kind, err)
			}
			looked++
		}
	}
}

func main() {
	total, failed := 0, false
	for _, path := range os.Args[1:] {
		looked, err := check(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
		}
		total += looked
	}
	fmt.Printf("%d monitors and routes in %d files\n", total, len(os.Args)-1)
	if failed || total == 0 {
		os.Exit(1)
	}
}
