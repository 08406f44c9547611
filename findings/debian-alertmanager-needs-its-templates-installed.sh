#!/usr/bin/env bash
# Debian's Alertmanager does not start where its package is unpacked and not installed.
#
# Guessed: as upstream, one program that has its default templates in itself.
# Seen: the program is patched to read them from /usr/share/prometheus/alertmanager, and takes no flag for another place. Without them it refuses
# its configuration, whatever that is, and ends. It runs where that folder is there in its view of the file system alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download --quiet prometheus-alertmanager=0.25.0-1+b4 >/dev/null 2>&1
dpkg -x prometheus-alertmanager_*.deb package
printf 'route: {receiver: nobody}\nreceivers: [{name: nobody}]\n' > config.yml
program=$PWD/package/usr/bin/prometheus-alertmanager
run() { timeout 5 "$@" --config.file=config.yml --storage.path=data --web.listen-address=127.0.0.1:0 --cluster.listen-address= > log 2>&1 || true; }
"$program" --version 2>&1 | head -1
if [ -e /usr/share/prometheus/alertmanager ]; then
    echo "the package is installed here"
    exit 1
fi
run "$program"
grep 'default.tmpl: no such file' log
cat > view.sh <<'END'
mount -t tmpfs tmpfs /usr/share
ln -s "$1/package/usr/share/prometheus" /usr/share/prometheus
shift
exec "$@"
END
run unshare --user --map-root-user --mount sh view.sh "$PWD" "$program"
grep 'Listening on' log
