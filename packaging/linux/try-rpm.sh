#!/bin/sh
# Installs, upgrades and erases the RPM with the real rpm. `cargo xtask packaging rpm` runs it in a root of its own, without a
# network. There is no systemd: what the unit would start is started by hand, and what the scripts tell systemd is written down.
#
# try-rpm.sh SYSTEM WHARF NEWER-WHARF: the archives of the packages; the first one stands for what a system has anyway.
set -eu

system=$1
wharf=$2
newer=$3

cd /
. "$(dirname "$0")/facts.sh"

told=/tmp/told
cat >/usr/bin/systemctl <<END
#!/bin/sh
echo "\$*" >>$told
END
chmod +x /usr/bin/systemctl
mkdir -p /run/systemd/system
# What systemd was told since the last question.
told() { if [ -e "$told" ]; then tr '\n' ';' <"$told" && rm "$told"; fi; }
version() { rpm --query --queryformat '%{version}' wharf; }
# One of its plugins wants a file system of its own for scripts, which a root within a root cannot have.
rpm() { command rpm --noplugins "$@"; }
# systemd makes the folder, when it starts the unit.
start_unit() {
    install -d -o wharf -g wharf -m 0750 /var/lib/wharf
    start wharf.service
}

rpm --install "$system"
fact "what it needs is asked for" is "$(rpm --query --requires --package "$wharf" | grep -c -e glibc -e useradd -e '^systemd$')" 3

echo "--- the package wharf"
rpm --install "$wharf"
fact "it is installed" is "$(rpm --query wharf | grep -c .)" 1
fact "all its files are as they were packed" rpm --verify wharf
fact "it has a user of its own without a shell" is "$(getent passwd wharf | cut -d: -f6,7)" "/var/lib/wharf:/sbin/nologin"
fact "secrets can be put where only root and the user read them" is "$(owner /etc/wharf)" "root:wharf 750"
fact "the presets of the system decide whether it starts" is "$(told)" "--no-reload preset wharf.service;"
fact "its manual page is there" test -e /usr/share/man/man1/wharf.1.gz

start_unit
wharf push --job backup --metric size_bytes=7
stop
fact "groups are kept in its folder" test -d /var/lib/wharf/wharf-data

echo 'ARGS="--web.listen-address=127.0.0.1:9091 --log.level=warn"' >/etc/sysconfig/wharf
rpm --upgrade "$newer"
fact "it is the new version" is "$(version)" "$(rpm --query --package --queryformat '%{version}' "$newer")"
fact "an upgrade keeps the configuration" grep -q "127.0.0.1:9091 --log.level=warn" /etc/sysconfig/wharf
fact "an upgrade starts it again, if it ran" is "$(told)" "daemon-reload;try-restart wharf.service;"
start_unit
fact "an upgrade keeps the groups" is "$(wharf get backup | grep -c '^size_bytes')" 1
stop

echo "secret" >/etc/wharf/web.yml
rpm --erase wharf
fact "it is gone" not rpm --query --quiet wharf
fact "it is stopped and disabled first" is "$(told)" "--no-reload disable --now wharf.service;daemon-reload;"
fact "the program is gone" test ! -e /usr/bin/wharf
fact "the changed configuration is kept" test -e /etc/sysconfig/wharf.rpmsave
fact "the groups are kept" test -d /var/lib/wharf/wharf-data
fact "a file that a person has made is kept" test -e /etc/wharf/web.yml

rpm --install "$wharf"
start_unit
fact "another installation finds the groups" is "$(wharf get backup | grep -c '^size_bytes')" 1
stop
rpm --erase wharf

echo "--- without systemd"
told >/dev/null
rm -r /run/systemd /usr/bin/systemctl
rpm --install "$wharf"
rpm --erase wharf
fact "nothing is told to nobody" is "$(told)" ""
echo "all of it holds"
