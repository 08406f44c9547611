#!/bin/sh
# Installs, upgrades, removes and purges the packages. `cargo xtask packaging debian` runs it in a root that has nothing but
# Debian, without a network and without systemd: what a unit would start is started by hand.
#
# try-in-debian.sh WHARF NEWER-WHARF WHARF-PUSHGATEWAY: the archives of the packages.
set -eu

wharf=$1
newer=$2
wharf_pushgateway=$3

export DEBIAN_FRONTEND=noninteractive
cd /

. "$(dirname "$0")/facts.sh"

# `un` is a package that others name and that is not there.
state() {
    found=$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$1" 2>/dev/null) || found="un "
    if [ "$found" = "un " ]; then echo none; else echo "$found"; fi
}

echo "--- the package wharf"
apt-get --quiet --yes install "$wharf"
fact "it is installed" is "$(state wharf)" "ii "
fact "it has a user of its own without a shell" is "$(getent passwd wharf | cut -d: -f6,7)" "/var/lib/wharf:/usr/sbin/nologin"
fact "its folder is private" is "$(owner /var/lib/wharf)" "wharf:wharf 750"
fact "secrets can be put where only root and the user read them" is "$(owner /etc/wharf)" "root:wharf 750"
fact "its unit is enabled" test -e /etc/systemd/system/multi-user.target.wants/wharf.service
fact "its manual page is there" test -e /usr/share/man/man1/wharf.1.gz

start wharf.service
wharf push --job backup --metric size_bytes=7
stop
fact "groups are kept in its folder" test -d /var/lib/wharf/wharf-data
start wharf.service
fact "and survive a restart" is "$(wharf get backup | grep -c '^size_bytes')" 1
stop

echo 'ARGS="--web.listen-address=127.0.0.1:9091 --log.level=warn"' >/etc/default/wharf
apt-get --quiet --yes install "$newer"
fact "an upgrade keeps the configuration" grep -q "127.0.0.1:9091 --log.level=warn" /etc/default/wharf
fact "it is the new version" is "$(dpkg-query --show --showformat='${Version}' wharf)" "$(dpkg-deb --field "$newer" Version)"
start wharf.service
fact "an upgrade keeps the groups" is "$(wharf get backup | grep -c '^size_bytes')" 1
stop

apt-get --quiet --yes remove wharf
fact "removal leaves the configuration" test -e /etc/default/wharf
fact "removal leaves the groups" test -d /var/lib/wharf/wharf-data
fact "removal takes the program" test ! -e /usr/bin/wharf
apt-get --quiet --yes install "$newer"
start wharf.service
fact "so another installation finds them" is "$(wharf get backup | grep -c '^size_bytes')" 1
stop

echo "secret" >/etc/wharf/web.yml
apt-get --quiet --yes purge wharf
fact "purging takes the configuration" test ! -e /etc/default/wharf
fact "purging takes the groups" test ! -e /var/lib/wharf
fact "purging takes no file that a person has made" test -e /etc/wharf/web.yml
fact "purging leaves nothing of systemd" not sh -c 'ls -A /etc/systemd/system/*/wharf.service /etc/systemd/system/wharf.service 2>/dev/null'
fact "nothing is left of the package" is "$(state wharf)" none
rm -r /etc/wharf

echo "--- the package wharf-pushgateway in the place of prometheus-pushgateway"
apt-get --quiet --yes --no-install-recommends install prometheus-pushgateway
install -d -o prometheus -g prometheus /var/lib/prometheus
sed -i 's|^ARGS=.*|ARGS="--web.listen-address=127.0.0.1:9091 --persistence.file=/var/lib/prometheus/pushgateway.data"|' \
    /etc/default/prometheus-pushgateway
# The package of the Pushgateway, with a group in its state file. Its unit names no folder.
setpriv --reuid=prometheus --regid=prometheus --clear-groups sh -c '
    . /etc/default/prometheus-pushgateway
    exec /usr/bin/prometheus-pushgateway $ARGS' >/tmp/log 2>&1 &
pid=$!
dpkg-deb --extract "$wharf" /tmp/tools
tries=0
until /tmp/tools/usr/bin/wharf healthy 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then cat /tmp/log >&2 && exit 1; fi
    sleep 0.1
done
/tmp/tools/usr/bin/wharf push --job nightly --metric rows=42
stop
fact "the Pushgateway has left a state file" test -s /var/lib/prometheus/pushgateway.data
before=$(sha256sum /var/lib/prometheus/pushgateway.data)

apt-get --quiet --yes install "$wharf_pushgateway"
fact "it is installed" is "$(state wharf-pushgateway)" "ii "
fact "the Pushgateway is removed, and not purged" is "$(state prometheus-pushgateway)" "rc "
fact "its arguments are where they were" grep -q "persistence.file" /etc/default/prometheus-pushgateway
fact "the unit is enabled" test -e /etc/systemd/system/multi-user.target.wants/wharf-pushgateway.service
fact "the unit answers to the old name" is "$(readlink -f /etc/systemd/system/prometheus-pushgateway.service)" \
    /usr/lib/systemd/system/wharf-pushgateway.service
start wharf-pushgateway.service
fact "what the Pushgateway had is there" is "$(wharf get nightly | grep -c '^rows{.*} 42$')" 1
fact "it is Wharf that answers" is "$(wharf get nightly -o json | grep -c rows)" 1
wharf push --job nightly --metric rows=43
stop
fact "the state file is as it was" is "$(sha256sum /var/lib/prometheus/pushgateway.data)" "$before"

apt-get --quiet --yes purge prometheus-pushgateway
fact "the Pushgateway can be purged" is "$(state prometheus-pushgateway)" none
fact "the unit stays enabled" test -e /etc/systemd/system/multi-user.target.wants/wharf-pushgateway.service
start wharf-pushgateway.service
fact "the arguments still count, and the groups are there" is "$(wharf get nightly | grep -c '^rows{.*} 43$')" 1
stop

apt-get --quiet --yes purge wharf-pushgateway
fact "purging takes its own files" test ! -e /etc/default/wharf-pushgateway -a ! -e /var/lib/wharf-pushgateway
fact "purging leaves the folder beside the state file" test -d /var/lib/prometheus/pushgateway.data.wharf

echo "--- back to the Pushgateway"
apt-get --quiet --yes install "$wharf_pushgateway"
apt-get --quiet --yes --no-install-recommends install prometheus-pushgateway
fact "it takes its place again" is "$(state prometheus-pushgateway)" "ii "
fact "and Wharf's package goes" is "$(state wharf-pushgateway)" "rc "
fact "with the name that its unit had taken" test ! -e /etc/systemd/system/prometheus-pushgateway.service -a \
    ! -L /etc/systemd/system/prometheus-pushgateway.service
apt-get --quiet --yes install "$wharf_pushgateway"
fact "which it takes again when it comes again" is "$(readlink -f /etc/systemd/system/prometheus-pushgateway.service)" \
    /usr/lib/systemd/system/wharf-pushgateway.service
fact "and it is enabled" test -e /etc/systemd/system/multi-user.target.wants/wharf-pushgateway.service
echo "all of it holds"
