#!/usr/bin/env bash
# In etcd, the value of a key that does not exist is neither equal to "mine" nor different from it.
#
# Guessed: of two compares on one key, value equal and value not equal, one always succeeds.
# Seen: on a missing key both fail, while compares of its version or revisions take it for 0. "Go on unless the lock is mine", written as a
# compare for not equal, works for as long as somebody holds the lock, and refuses everybody once nobody does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet etcd-server=3.4.23-4+b4 >/dev/null 2>&1
dpkg -x etcd-server_*.deb package
cat >look.py <<'PY'
import base64, json, socket, subprocess, sys, time, urllib.request

folder = sys.argv[1]

def free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]

clients, peers = (f"http://127.0.0.1:{free()}" for _ in range(2))

def ask(path, **body):
    request = urllib.request.Request(clients + path, json.dumps(body).encode() if body else None)
    return json.loads(urllib.request.urlopen(request).read())

def start():
    etcd = subprocess.Popen(
        [folder + "/package/usr/bin/etcd", "--data-dir", folder + "/data", "--listen-client-urls", clients,
         "--advertise-client-urls", clients, "--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers,
         "--initial-cluster", "default=" + peers],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            if ask("/health")["health"] == "true":
                return etcd
        except OSError:
            time.sleep(0.1)
    etcd.kill()
    raise SystemExit("etcd does not come up")

def word(text):
    return base64.b64encode(text.encode()).decode()

def holds(result):
    compare = {"key": word("lock"), "target": "VALUE", "result": result, "value": word("mine")}
    return ask("/v3/kv/txn", compare=[compare]).get("succeeded", False)

etcd = start()
try:
    print("etcd", ask("/version")["etcdserver"])
    seen = []
    for state in ["missing", "other", "mine"]:
        if state != "missing":
            ask("/v3/kv/put", key=word("lock"), value=word(state))
        seen.append((holds("EQUAL"), holds("NOT_EQUAL")))
        print(f"key {state}: equal to mine {seen[-1][0]}, not equal {seen[-1][1]}")
    version = {"key": word("nothing"), "target": "VERSION", "result": "EQUAL", "version": 0}
    print("missing key, version equal to 0:", ask("/v3/kv/txn", compare=[version])["succeeded"])
finally:
    etcd.terminate()
    etcd.wait()
assert seen == [(False, False), (False, True), (True, False)], "it changed"
PY
python3 look.py "$folder"
