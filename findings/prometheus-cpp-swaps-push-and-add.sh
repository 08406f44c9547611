#!/usr/bin/env bash
# In prometheus-cpp, `Push` adds and `PushAdd` replaces.
#
# Guessed: as in the clients for Go, Python, Java and Ruby, `Push` sends PUT, which replaces the group, and `PushAdd` sends POST, which leaves
# what has another name.
# Seen: it is the other way round. Who takes `PushAdd` so that two parts of a program can share a group has each of them wipe the other's
# metrics, and what `Push` should have taken away stays for ever.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet prometheus-cpp-dev=1.0.1-1 libprometheus-cpp-core1.0=1.0.1-1 libprometheus-cpp-push1.0=1.0.1-1 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" package; done
cat >push.cc <<'CC'
#include <memory>
#include <string>

#include <prometheus/counter.h>
#include <prometheus/gateway.h>
#include <prometheus/registry.h>

int main(int, char** arguments) {
  prometheus::Gateway gateway{"127.0.0.1", arguments[1], "nightly"};
  auto registry = std::make_shared<prometheus::Registry>();
  prometheus::BuildCounter().Name("files_total").Register(*registry).Add({}).Increment();
  gateway.RegisterCollectable(registry);
  return std::string{arguments[2]} == "Push" ? gateway.Push() != 200 : gateway.PushAdd() != 200;
}
CC
libraries=$(dirname package/usr/lib/*/libprometheus-cpp-push.so)
g++ -std=c++17 -Ipackage/usr/include push.cc -o push -L"$libraries" -lprometheus-cpp-push -lprometheus-cpp-core \
  -Wl,-rpath-link,"$libraries"
LD_LIBRARY_PATH=$libraries python3 - <<'PY'
import subprocess, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

verbs = []

class Gateway(BaseHTTPRequestHandler):
    def do_POST(self):
        verbs.append(self.command)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    do_PUT = do_POST

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Gateway)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("prometheus-cpp 1.0.1")
for call in ["Push", "PushAdd"]:
    subprocess.run(["./push", str(server.server_port), call], check=True, timeout=30)
    print(f"{call}() sends {verbs[-1]}")
assert verbs == ["POST", "PUT"], "they are the right way round now"
PY
