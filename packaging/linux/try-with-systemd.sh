#!/bin/sh
# Installs the packages where systemd is process 1. `cargo xtask packaging systemd` boots a root that has nothing but Debian,
# without a network, and lets a unit run this in it.
#
# try-with-systemd.sh WHARF NEWER-WHARF WHARF-PUSHGATEWAY SYSTEM-RPM WHARF-RPM NEWER-WHARF-RPM: the archives of the packages; what
# SYSTEM-RPM is, try-rpm.sh says.
set -eu

wharf=$1
newer=$2
wharf_pushgateway=$3
system_rpm=$4
wharf_rpm=$5
newer_rpm=$6

export DEBIAN_FRONTEND=noninteractive
cd /
# Each system has one.
echo "127.0.0.1 localhost" >/etc/hosts

. "$(dirname "$0")/facts.sh"

# What the unit's journal has is for whoever reads why something does not hold.
trap 'status=$?; [ "$status" -eq 0 ] || journalctl --no-pager --lines=50' EXIT

awaits() {
    echo "fact: $1"
    shift
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ]; then
            echo "waited in vain for: $*" >&2
            exit 1
        fi
        sleep 0.1
    done
}
# What systemd knows of the unit `wharf`, and what the kernel knows of its process.
shown() { systemctl show --property="$1" --value wharf.service; }
of_process() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(shown MainPID)/status"; }
has_metric() { wharf get | grep --quiet "^$1\$"; }
# as_process COMMAND...: with the view that the service has of the file system, though as root.
as_process() { nsenter --mount --target "$(shown MainPID)" "$@" 2>/dev/null; }
# More often than a person would, and systemd lets anybody.
restart() {
    systemctl reset-failed wharf
    systemctl restart wharf
}
size() { wharf get backup | sed -n 's/^size_bytes{.*} //p'; }

echo "--- the unit of the package wharf"
apt-get --quiet --yes install "$wharf"
awaits "the service runs after the installation" wharf healthy
fact "it is enabled" is "$(systemctl is-enabled wharf)" enabled
fact "it is a user of its own" is "$(of_process Uid | cut -f1)" "$(id -u wharf)"
fact "it has no privileges" is "$(of_process CapEff) $(of_process CapBnd)" "0000000000000000 0000000000000000"
fact "and can get none" is "$(of_process NoNewPrivs)" 1
fact "its system calls are filtered" is "$(of_process Seccomp)" 2
wharf push --job backup --metric size_bytes=7
fact "groups are kept in its folder" is "$(owner /var/lib/wharf/wharf-data)" "wharf:wharf 700"
for folder in /etc/wharf /usr/bin /var/lib /var/log; do
    fact "it cannot write into $folder" not as_process touch "$folder/mine"
done
touch /root/mine
fact "it sees no homes" not as_process test -e /root/mine
fact "the log is in the journal" sh -c 'journalctl --unit=wharf | grep --quiet "Listening on"'
fact "systemd finds it closed" systemd-analyze security --no-pager --threshold=20 wharf.service
cd /var/lib/wharf
fact "and wharf doctor, as its user, nothing wrong" setpriv --reuid=wharf --regid=wharf --clear-groups wharf doctor
cd /

restart
awaits "it starts again" wharf healthy
fact "with what was pushed" is "$(size)" 7
killed=$(shown MainPID)
kill -KILL "$killed"
awaits "it is started again when it was killed" sh -c "wharf healthy && ! test -e /proc/$killed"
fact "with what was pushed" is "$(size)" 7

install -o root -g wharf -m 0640 /dev/null /etc/wharf/rules.yml
echo "quotas: [{match: '{}', series: 1000}]" >/etc/wharf/rules.yml
echo 'ARGS="--web.listen-address=127.0.0.1:9091 --config.file=/etc/wharf/rules.yml"' >/etc/default/wharf
restart
awaits "it reads rules in /etc/wharf" has_metric 'wharf_quota_limit{.*} 1000'
echo "quotas: [{match: '{}', series: 2000}]" >/etc/wharf/rules.yml
before=$(shown MainPID)
systemctl reload wharf
awaits "a reload reads them again" has_metric 'wharf_quota_limit{.*} 2000'
fact "without a restart" is "$(shown MainPID)" "$before"

# As docs/install.md has it.
mkdir -p /etc/systemd/system/wharf.service.d /srv/wharf
chown wharf:wharf /srv/wharf
cat >/etc/systemd/system/wharf.service.d/override.conf <<'END'
[Service]
# A port below 1024.
PrivateUsers=no
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
# Another folder; it has to belong to the user wharf.
ReadWritePaths=/srv/wharf
WorkingDirectory=/srv/wharf
END
echo 'ARGS="--web.listen-address=127.0.0.1:91"' >/etc/default/wharf
systemctl daemon-reload
restart
awaits "it can be let listen at a port below 1024" wharf healthy --gateway=http://127.0.0.1:91
fact "and keep groups elsewhere" test -d /srv/wharf/wharf-data
rm -r /etc/systemd/system/wharf.service.d
systemctl daemon-reload
echo 'ARGS="--web.listen-address=127.0.0.1:9091 --log.level=warn"' >/etc/default/wharf
restart
awaits "the unit as it was counts again" wharf healthy

before=$(shown MainPID)
apt-get --quiet --yes install "$newer"
awaits "an upgrade starts it again" sh -c "wharf healthy && ! test -e /proc/$before"
fact "with what was pushed" is "$(size)" 7
systemctl disable --now wharf
apt-get --quiet --yes install --reinstall "$newer"
fact "a service that was disabled stays so" is "$(systemctl is-enabled wharf)" disabled
systemctl start wharf
awaits "it can be started by hand" wharf healthy
before=$(shown MainPID)
apt-get --quiet --yes remove wharf
fact "removal ends it" test ! -e "/proc/$before"
apt-get --quiet --yes purge wharf
fact "systemd knows it no more" is "$(systemctl show --property=LoadState --value wharf.service)" not-found

echo "--- the unit of the package wharf-pushgateway"
dpkg-deb --extract "$wharf" /trial/tools
tool() { /trial/tools/usr/bin/wharf "$@"; }
apt-get --quiet --yes --no-install-recommends install prometheus-pushgateway
install -d -o prometheus -g prometheus /var/lib/prometheus
sed -i 's|^ARGS=.*|ARGS="--web.listen-address=127.0.0.1:9091 --persistence.file=/var/lib/prometheus/pushgateway.data"|' \
    /etc/default/prometheus-pushgateway
systemctl restart prometheus-pushgateway
awaits "the Pushgateway runs" tool healthy
tool push --job nightly --metric rows=42
apt-get --quiet --yes install "$wharf_pushgateway"
awaits "Wharf runs in its place" sh -c 'wharf healthy && systemctl is-active wharf-pushgateway'
fact "the Pushgateway does not" is "$(pidof -x prometheus-pushgateway | wc -w)" 1
fact "what it had is there, up to its end" is "$(wharf get nightly | grep -c '^rows{.*} 42$')" 1
fact "the old name of the service leads to the new one" is \
    "$(systemctl show --property=Id --value prometheus-pushgateway)" wharf-pushgateway.service
systemctl restart prometheus-pushgateway
awaits "and restarts it" wharf healthy
systemctl reload prometheus-pushgateway
apt-get --quiet --yes --no-install-recommends install prometheus-pushgateway
awaits "the Pushgateway can have its place again" sh -c '/trial/tools/usr/bin/wharf healthy && systemctl is-active prometheus-pushgateway'
fact "with what it had" is "$(tool get nightly | grep -c '^rows{.*} 42$')" 1
fact "Wharf's unit is gone" not systemctl is-active wharf-pushgateway
apt-get --quiet --yes install "$wharf_pushgateway"
awaits "and then Wharf once more" sh -c 'wharf healthy && systemctl is-active wharf-pushgateway'
fact "which is enabled" is "$(systemctl is-enabled wharf-pushgateway)" enabled
apt-get --quiet --yes purge wharf-pushgateway prometheus-pushgateway

echo "--- the unit of the RPM"
# One of its plugins wants a file system of its own for scripts, which a root within a root cannot have.
rpm() { command rpm --noplugins "$@"; }
rpm --install "$system_rpm" "$wharf_rpm"
systemctl start wharf
awaits "the service runs" wharf healthy
wharf push --job backup --metric size_bytes=7
before=$(shown MainPID)
rpm --upgrade "$newer_rpm"
awaits "an upgrade starts it again" sh -c "wharf healthy && ! test -e /proc/$before"
fact "with what was pushed" is "$(size)" 7
before=$(shown MainPID)
rpm --erase wharf
fact "erasure ends it" test ! -e "/proc/$before"
fact "and disables it" not systemctl is-enabled --quiet wharf
echo "all of it holds"
