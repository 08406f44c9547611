"""A receiver of OTLP over HTTP. It appends each message as a line of JSON to the file that it is given.

What it reads with is generated from the protocol by the OpenTelemetry project. A field that this does not know is a mistake.
"""

import gzip
import http.server
import sys

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def check(message):
    if len(UnknownFieldSet(message)):
        raise ValueError(f"unknown fields in {type(message).__name__}")
    for field, value in message.ListFields():
        values = value if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else [value]
        for inner in values:
            if isinstance(inner, Message):
                check(inner)


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path != "/v1/traces" or self.headers["Content-Type"] != "application/x-protobuf":
            return self.answer(415, b"")
        try:
            message = ExportTraceServiceRequest.FromString(body)
            check(message)
        except Exception as error:
            print(f"refused: {error}", file=sys.stderr, flush=True)
            return self.answer(400, b"")
        with open(sys.argv[1], "a") as output:
            output.write(MessageToJson(message, indent=None) + "\n")
        self.answer(200, ExportTraceServiceResponse().SerializeToString())

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(f"listening at 127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
