#!/usr/bin/env bash
# node_exporter drops a textfile's metrics because another file explains them, and says that all is well.
#
# Guessed: HELP is a comment. Two files may share a metric, one with a HELP line, one without; what cannot be served sets
# `node_textfile_scrape_error`, since that is what one alerts on.
# Seen: the file without HELP gets a made-up one, which differs from the other's, and its series are left out of the scrape. The error metric
# stays 0, the file's time is exposed as read, and only the log tells. Adding a HELP line to one job takes the other jobs' metrics away.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $exporter 2>/dev/null || true; rm -rf "$folder"' EXIT
exporter=
GOBIN=$folder go install github.com/prometheus/node_exporter@v1.12.1 2>/dev/null
web=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$folder/files"
printf '# TYPE backup_ok gauge\nbackup_ok{of="mail"} 1\n' >"$folder/files/mail.prom"
printf '# TYPE backup_ok gauge\nbackup_ok{of="wiki"} 0\n' >"$folder/files/wiki.prom"
"$folder/node_exporter" --web.listen-address="127.0.0.1:$web" --collector.disable-defaults --collector.textfile \
  --collector.textfile.directory="$folder/files" 2>/dev/null &
exporter=$!
ask() {
  curl --silent --retry 50 --retry-connrefused --retry-delay 1 "http://127.0.0.1:$web/metrics" |
    grep -E '^(backup_ok|node_textfile_scrape_error|node_textfile_mtime_seconds)' | sed "s|$folder/||"
}
echo "node_exporter 1.12.1, no file with HELP:"
ask | tee "$folder/before"
printf '# HELP backup_ok 1 is well\n# TYPE backup_ok gauge\nbackup_ok{of="mail"} 1\n' >"$folder/files/mail.prom"
echo "one with:"
ask | tee "$folder/after"
[ "$(grep -c '^backup_ok' "$folder/before")" = 2 ]
[ "$(grep '^backup_ok' "$folder/after")" = 'backup_ok{of="mail"} 1' ]
grep -q '^node_textfile_scrape_error 0$' "$folder/after"
