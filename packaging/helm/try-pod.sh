#!/bin/sh
# try-pod.sh FOLDER MOUNT: runs a container of the chart as a node would: its root read-only, its volume at MOUNT, its user, its
# arguments and variables, and then asks its probes. `cargo xtask packaging pods` writes the files of FOLDER, and runs this without
# a network, in namespaces of its own.
#
#   rootfs/     the image, with what the pod mounts besides
#   volume/     its volume
#   args, env   one a line
#   probes      one a line: `http SCHEME PATH [HEADER]`, `tcp` or `exec COMMAND`; the first one is for the start
#   scrape      `SCHEME [USER:PASSWORD]`, as its monitors ask
#   holds       a metric that has to be there
set -eu

folder=$1
mount=$2
root=$folder/rootfs
mkdir -p "$root/proc" "$root$mount"
chown 65534:65534 "$folder/volume"
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --bind "$folder/volume" "$root$mount"
mount -o remount,bind,ro "$root"

environment=$(tr '\n' ' ' <"$folder/env")
arguments=$(tr '\n' ' ' <"$folder/args")
# The words of both are meant.
in_pod() {
    exec env -i PATH=/bin $environment /usr/bin/setpriv --no-new-privs \
        /usr/bin/unshare --root="$root" --wd="$mount" --setgid=65534 --setuid=65534 "$@"
}
ask() { curl --silent --show-error --fail --insecure --max-time 10 --output /dev/null "$@"; }
probe() {
    kind=$1
    shift
    case $kind in
    http)
        scheme=$1
        path=$2
        shift 2
        if [ $# -gt 0 ]; then ask --header "$*" "$scheme://127.0.0.1:9091$path"; else ask "$scheme://127.0.0.1:9091$path"; fi
        ;;
    # Any answer will do.
    tcp) curl --silent --max-time 10 --output /dev/null http://127.0.0.1:9091/ ;;
    exec) (in_pod "$@") ;;
    esac
}

(in_pod /bin/pushgateway $arguments) >"$folder/log" 2>&1 &
pid=$!
trap 'status=$?; [ "$status" -eq 0 ] || cat "$folder/log" >&2' EXIT
tries=0
read -r first <"$folder/probes"
until probe $first 2>/dev/null; do
    tries=$((tries + 1))
    kill -0 "$pid"
    [ "$tries" -le 300 ]
    sleep 0.1
done
while read -r line; do
    # shellcheck disable=SC2086
    probe $line
    echo "fact: probe $line"
done <"$folder/probes"

read -r scheme user <"$folder/scrape"
gateway=$scheme://127.0.0.1:9091
set --
if [ -n "$user" ]; then
    if ask "$gateway/metrics" 2>/dev/null; then
        echo "a scrape without a password is answered" >&2
        exit 1
    fi
    set -- --user "$user"
fi
echo "pushed 1" | ask "$@" --data-binary @- "$gateway/metrics/job/try"
curl --silent --insecure "$@" "$gateway/metrics" >"$folder/scraped"
for metric in pushed $(cat "$folder/holds"); do
    grep --quiet "^$metric[{ ]" "$folder/scraped"
    echo "fact: it has $metric"
done
kill "$pid"
wait "$pid"
[ -n "$(ls -A "$folder/volume")" ]
echo "fact: it ends in order, and groups are on its volume"
