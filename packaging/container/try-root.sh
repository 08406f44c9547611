#!/bin/sh
# try-root.sh ROOT: runs what is in the image as a container would: its root read-only, one volume, another user, no
# privileges, no network. `cargo xtask packaging image` does so.
set -eu

root=$1
volume=$(mktemp -d)
trap 'umount "$root/pushgateway"; umount "$root/proc"; umount "$root"; rm -r "$volume"' EXIT
# A new volume belongs to whom the folder in the image belongs to.
chown --reference="$root/pushgateway" "$volume"
mkdir "$root/proc"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$volume" "$root/pushgateway"
mount -o remount,bind,ro "$root"

# in_image COMMAND...: as the image says: its user, its working directory, its variables.
in_image() {
    exec env -i PATH=/bin /usr/bin/setpriv --no-new-privs \
        /usr/bin/unshare --root="$root" --wd=/pushgateway --setgid=65534 --setuid=65534 "$@"
}
healthy() { (in_image /bin/wharf healthy) 2>/dev/null; }
start() {
    (in_image /bin/pushgateway "$@") >"$volume.log" 2>&1 &
    pid=$!
    tries=0
    until healthy; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$pid"; then
            cat "$volume.log" >&2
            exit 1
        fi
        sleep 0.1
    done
}
stop() {
    kill "$pid"
    wait "$pid" || true
}

if healthy; then
    echo "the health check succeeds without a gateway" >&2
    exit 1
fi
start --log.level=info
(in_image /bin/wharf push --job backup --metric size_bytes=7)
grep --quiet "^Uid:.65534" "/proc/$pid/status"
stop
# A flag of the Pushgateway, and what was pushed before.
start --web.enable-admin-api --persistence.interval=1m
(in_image /bin/wharf get backup) | grep --quiet "^size_bytes"
test -d "$volume/wharf-data"
stop
rm "$volume.log"
echo "the image runs on a read-only root, keeps what was pushed on its volume, and knows when it is healthy"
