// Reads dashboards as the types that Grafana publishes: a field that it does not know, of another type, or missing though it is
// required, is a mistake. `cargo xtask packaging dashboard` runs it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// A panel's options and its queries are judged by the plugin that it names, and by nobody if that is not known here.
func check(path string) (panels int, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	// Without mistakes it gives a list of none, which is an error all the same, and leaves panels out.
	if err := new(dashboard.Dashboard).UnmarshalJSONStrict(text); err != nil && err.Error() != "" {
		return 0, err
	}
	var read dashboard.Dashboard
	if err := json.Unmarshal(text, &read); err != nil {
		return 0, err
	}
	if err := read.Validate(); err != nil {
		return 0, err
	}
	for _, panel := range read.Panels {
		if panel.Panel == nil {
			continue
		}
		if _, ok := panel.Panel.Options.(map[string]any); ok {
			return 0, fmt.Errorf("a panel of a type that nobody knows here: %s", panel.Panel.Type)
		}
		panels++
	}
	if panels == 0 {
		return 0, fmt.Errorf("no panels")
	}
	return panels, nil
}

func main() {
	plugins.RegisterDefaultPlugins()
	failed := len(os.Args) < 2
	for _, path := range os.Args[1:] {
		panels, err := check(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			failed = true
			continue
		}
		fmt.Printf("%s: %d panels\n", path, panels)
	}
	if failed {
		os.Exit(1)
	}
}
