#!/usr/bin/env bash
# Debian's Pushgateway is not the one of the release page: without any flag it keeps its metrics in a file.
#
# Guessed: the package has the defaults of upstream, where `--persistence.file` is empty and everything is gone after a restart.
# Seen: the program itself is patched, the default is `/var/lib/prometheus/pushgateway.data`. Moving a machine between Debian's package and
# the container image, in either direction, changes whether metrics outlive a restart, although no flag differs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet prometheus-pushgateway=1.5.1-2+b5 >/dev/null 2>&1
dpkg -x prometheus-pushgateway_*.deb package
program=package/usr/bin/prometheus-pushgateway
"$program" --version 2>&1 | head -1
"$program" --help 2>&1 | grep -A1 -e '--persistence.file' | tee said
grep -q 'persistence.file="/var/lib/prometheus/pushgateway.data"' said
