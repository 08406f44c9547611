#!/usr/bin/env bash
# pushgateway-client (Python) says True when the gateway has refused, and cuts label values at `?` and `#`.
#
# Guessed: `push_data` returns whether the metric is there, and a label value arrives whole.
# Seen: it returns True for every answer, 400 and 500 included, since it asks only whether there was one. Label values go into the URL as they
# are, so `who?` becomes `who`, and every label after it is lost with the rest of the path: pushes of different groups overwrite each other.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet pushgateway-client==0.0.12 requests==2.34.2
"$folder/python/bin/python" - <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pushgateway_client import client

paths = []

class Refuses(BaseHTTPRequestHandler):
    def do_POST(self):
        paths.append(self.path)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(400)
        self.end_headers()

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Refuses)
threading.Thread(target=server.serve_forever, daemon=True).start()
labels = {"question": "who?", "instance": "db1"}
said = client.push_data(f"127.0.0.1:{server.server_port}", "answers", 1, "survey", labels)
print("pushgateway-client 0.0.12")
print("answered 400, push_data said", said)
print("asked for", paths[0])
assert said is True, "it reports refusals now"
assert paths[0].split("?")[0] == "/metrics/job/survey/question/who", "it escapes label values now"
PY
