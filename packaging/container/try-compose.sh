#!/bin/sh
# try-compose.sh WHARF PROMETHEUS PROMTOOL FOLDER: runs Wharf and Prometheus as compose.yaml does, with the files that it mounts.
# `cargo xtask packaging compose` runs it, without a network, in namespaces of its own; FOLDER is empty.
set -eu

wharf=$1
prometheus=$2
promtool=$3
folder=$4

cd "$(dirname "$0")"
# The names that the services have for each other.
echo "127.0.0.1 localhost wharf prometheus" >"$folder/hosts"
mount --bind "$folder/hosts" /etc/hosts
mkdir "$folder/etc"
cp prometheus.yml "$folder/etc/"
cp -r ../mixin/rules "$folder/etc/rules"
"$promtool" check config "$folder/etc/prometheus.yml"

export WHARF_GATEWAY=http://localhost:9091
"$wharf" --storage.path="$folder/wharf-data" >"$folder/wharf.log" 2>&1 &
"$prometheus" --config.file="$folder/etc/prometheus.yml" --storage.tsdb.path="$folder/prometheus" \
    >"$folder/prometheus.log" 2>&1 &

# holds QUERY: whether it has an answer now.
holds() { "$promtool" query instant http://prometheus:9090 "$1" 2>/dev/null | grep --quiet "=>"; }
# awaits WHAT COMMAND...
awaits() {
    what=$1
    shift
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ]; then
            echo "waited in vain for: $what" >&2
            tail -n 20 "$folder/wharf.log" "$folder/prometheus.log" >&2
            exit 1
        fi
        sleep 0.2
    done
    echo "fact: $what"
}
awaits "Wharf is ready" "$wharf" healthy 2>/dev/null
"$wharf" push --job backup --label instance=db1 --metric size_bytes=7
awaits "Prometheus scrapes Wharf" holds 'up{job="wharf",instance="wharf:9091"} == 1'
awaits "what was pushed keeps its labels" holds 'size_bytes{job="backup",instance="db1"} == 7'
awaits "Wharf's own metrics have those of the target" holds 'wharf_groups{job="wharf",instance="wharf:9091"} == 1'
awaits "a recording rule has a result" holds '{__name__=~".+:wharf_.+"} or {__name__=~"wharf:.+"}'
"$promtool" query instant http://prometheus:9090 'count by (alertname) (ALERTS{alertstate="firing"})' | grep "Wharf" && exit 1
echo "Prometheus scrapes Wharf as the compose file has it, and its rules run"
