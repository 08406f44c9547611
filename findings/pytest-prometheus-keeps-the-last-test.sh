#!/usr/bin/env bash
# pytest-prometheus leaves one test of a run on the Pushgateway: the last one.
#
# Guessed: a plugin that reports test results to a Pushgateway leaves a metric for each test.
# Seen: it pushes after each test, by PUT, with a registry that holds this test alone, always to the same group. Each push takes the one
# before it away, and what Prometheus scrapes after the run is the result of the last test. A failure before it is never seen.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet pytest-prometheus==0.1 pytest==9.2.0 prometheus-client==0.26.0
cat >"$folder/test_shop.py" <<'PY'
def test_that_fails():
    assert False

def test_that_passes():
    pass
PY
cat >"$folder/gateway.py" <<'PY'
import os, re, subprocess, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

groups = {}
pushes = []

class Gateway(BaseHTTPRequestHandler):
    """As much of a Pushgateway as a PUT needs: it replaces what the group holds."""
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        pushes.append(self.path)
        groups[self.path] = [line for line in body.splitlines() if not line.startswith("#")]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=server.serve_forever, daemon=True).start()
subprocess.run(
    [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py",
     "--prometheus-pushgateway-url", f"127.0.0.1:{server.server_port}", "--prometheus-metric-prefix", "ci_",
     "--prometheus-extra-label", "branch=main", "--prometheus-job-name", "tests"],
    stdout=subprocess.DEVNULL, cwd=os.path.dirname(os.path.abspath(__file__)))
print("pytest-prometheus 0.1:", len(pushes), "pushes to", sorted(set(pushes)))
left = [line for lines in groups.values() for line in lines]
print("left on the gateway:", left)
assert len(pushes) == 2 and len(left) == 1 and left[0].startswith("ci_test_that_passes"), "all tests are left now"
PY
"$folder/python/bin/python" "$folder/gateway.py"
