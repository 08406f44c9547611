#!/usr/bin/env bash
# The receiver of remote write that the Prometheus project offers as a library takes version 2.0 for 1.0 after a blank.
#
# Guessed: `application/x-protobuf; proto=…v2.Request` and the same without the blank are one media type, as in all of HTTP; what is not
# understood is refused with 415.
# Seen: with the blank, the parameter's name is " proto", which is passed over. The body of 2.0 goes to the store as a message of 1.0; the two
# share no field, so it reads as an empty one. The answer is 204, and a sender that goes by the status takes its data for stored. Even a
# message type that does not exist is taken this way.
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'MOD'
module finding

go 1.24

require github.com/prometheus/client_golang/exp v0.0.0-20261019101427-217707f26b14
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/prometheus/client_golang/exp/api/remote"
)

type store struct{ got string }

func (s *store) Store(_ *http.Request, kind remote.WriteMessageType) (*remote.WriteResponse, error) {
	s.got = string(kind)
	return remote.NewWriteResponse(), nil
}

func main() {
	all := remote.MessageTypes{remote.WriteV1MessageType, remote.WriteV2MessageType}
	fmt.Println("client_golang/exp 217707f26b14")
	got := map[string]string{}
	for _, parameter := range []string{";proto=io.prometheus.write.v2.Request", "; proto=io.prometheus.write.v2.Request", "; proto=no.such.Type"} {
		stored := &store{got: "nothing"}
		quiet := remote.WithWriteHandlerLogger(slog.New(slog.NewTextHandler(io.Discard, nil)))
		handler := remote.NewWriteHandler(stored, all, quiet)
		// An empty message, compressed.
		request := httptest.NewRequest("POST", "/api/v1/write", strings.NewReader("\x00"))
		request.Header.Set("Content-Type", "application/x-protobuf"+parameter)
		request.Header.Set("Content-Encoding", "snappy")
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		got[parameter] = fmt.Sprint(answer.Code, " ", stored.got)
		fmt.Printf("%-44s %s\n", parameter, got[parameter])
	}
	if got[";proto=io.prometheus.write.v2.Request"] != "204 io.prometheus.write.v2.Request" ||
		got["; proto=io.prometheus.write.v2.Request"] != "204 prometheus.WriteRequest" ||
		got["; proto=no.such.Type"] != "204 prometheus.WriteRequest" {
		os.Exit(1)
	}
}
GO
go mod tidy >/dev/null 2>&1
go run .
