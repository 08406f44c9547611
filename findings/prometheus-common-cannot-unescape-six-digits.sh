#!/usr/bin/env bash
# prometheus/common escapes names that it cannot unescape: those with a character from U+100000 on.
#
# Guessed: what the scheme `values` escapes, the same library unescapes; the scheme is there so that nothing is lost.
# Seen: characters of five hexadecimal digits come back, those of six (private use, plane 16) do not, and with one of them all of the name stays
# escaped, without an error. The Pushgateway unescapes the label names of its URLs so: the group gets a label called `U__...`.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require github.com/prometheus/common v0.72.1
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/common/model"
)

func main() {
	comesBack := func(name string) bool {
		escaped := model.EscapeName(name, model.ValueEncodingEscaping)
		back := model.UnescapeName(escaped, model.ValueEncodingEscaping)
		fmt.Printf("%+q: escaped %s, unescaped %+q\n", name, escaped, back)
		return back == name
	}
	fmt.Println("prometheus/common 0.72.1")
	if !comesBack("size.\U000fffff") || comesBack("size.\U00100000") {
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
