#!/usr/bin/env bash
# Debian's awk reads numbers by the locale, so its collector for IPMI loses every fraction on a German machine, and is refused.
#
# Guessed: the worst that a locale can do to an awk script is a comma in what `printf` writes. GNU awk, on which most scripts are tried, does
# not even do that unless it is asked to.
# Seen: mawk also reads by the locale. It stops at the point: 41.750 becomes 41, then `41,000000` is written. Mending the comma afterwards
# gives numbers that look right and are not. With the comma, node_exporter and every gateway refuse the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet mawk=1.3.4.20200120-3.1 locales=2.36-9+deb12u14 \
  prometheus-node-exporter-collectors=0.0~git20230203.6f710f8-1+deb12u2 >/dev/null 2>&1
for package in ./*.deb; do dpkg -x "$package" package; done
I18NPATH=package/usr/share/i18n localedef -i de_DE -f UTF-8 "$folder/de_DE.UTF-8"
collector=package/usr/share/prometheus-node-exporter-collectors/ipmitool
echo 'CPU Temp | 41.750 | degrees C | ok' >sensors
basename mawk_*.deb .deb
LC_ALL=C package/usr/bin/mawk -f "$collector" sensors | grep -v '^#' | tee plain
LOCPATH=$folder LC_ALL=de_DE.UTF-8 package/usr/bin/mawk -f "$collector" sensors | grep -v '^#' | tee german
grep -q ' 41\.750000$' plain
grep -q ' 41,000000$' german
