# What the trials of packages have in common; they read this file. Programs are in a root of their own, without systemd.

# There is no list of hosts.
export WHARF_GATEWAY=http://127.0.0.1:9091

fact() {
    echo "fact: $1"
    shift
    "$@" || {
        echo "this does not hold: $*" >&2
        exit 1
    }
}
is() { [ "$1" = "$2" ] || { echo "expected \`$2\`, found \`$1\`" >&2 && false; }; }
owner() { stat --format='%U:%G %a' "$1"; }
not() { ! "$@"; }

# start UNIT: what the unit starts, as its user, in its folder, with its arguments. Variables end with the process.
start() {
    unit=/usr/lib/systemd/system/$1
    user=$(sed -n 's/^User=//p' "$unit")
    ARGS=
    for file in $(sed -n 's/^EnvironmentFile=-\{0,1\}//p' "$unit"); do
        if [ -e "$file" ]; then . "$file"; fi
    done
    program=$(sed -n 's/^ExecStart=\([^ ]*\) \$ARGS$/\1/p' "$unit")
    folder=$(sed -n 's/^WorkingDirectory=//p' "$unit")
    # The words of the arguments are meant.
    (cd "$folder" && exec setpriv --reuid="$user" --regid="$user" --clear-groups --no-new-privs \
        --bounding-set=-all "$program" $ARGS) >/tmp/log 2>&1 &
    pid=$!
    tries=0
    until wharf healthy 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 300 ] || ! kill -0 "$pid"; then
            cat /tmp/log >&2
            exit 1
        fi
        sleep 0.1
    done
}
stop() {
    kill "$pid"
    wait "$pid" || true
}
