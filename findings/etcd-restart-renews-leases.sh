#!/usr/bin/env bash
# A restart of etcd gives every lease its whole time again.
#
# Guessed: etcd keeps when a lease ends; a key with a lease of twelve seconds is gone twelve seconds after its owner fell silent.
# Seen: only the length is kept. After a restart, and after each change of leader, the clock of every lease starts anew. "Its lease is gone,
# so the owner is dead" comes as late as the last election wants, and in a cluster that restarts often enough, never.
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

def left(lease):
    return int(ask("/v3/lease/timetolive", ID=lease)["TTL"])

etcd = start()
try:
    print("etcd", ask("/version")["etcdserver"])
    lease = ask("/v3/lease/grant", TTL=12)["ID"]
    while left(lease) > 5:
        time.sleep(0.2)
    before = left(lease)
    etcd.terminate()
    etcd.wait()
    etcd = start()
    after = left(lease)
    print(f"a lease of 12 s: {before} s left, restart, {after} s left")
finally:
    etcd.terminate()
    etcd.wait()
assert before <= 5 and after > 8, "it goes on where it was"
PY
python3 look.py "$folder"
