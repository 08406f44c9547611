#!/usr/bin/env bash
# Deletes the groups that nobody has pushed to for MAX_AGE_SECONDS: what people run from cron, since the Pushgateway
# itself forgets nothing. NOW, a time in seconds, is for trying it out.
#
# usage: expire.sh PUSHGATEWAY_URL MAX_AGE_SECONDS
set -euo pipefail
gateway=$1
now=${NOW:-$(date +%s.%N)}

# One line a group: the path of its URL. Base64 takes every value: empty, with slashes, in any script.
curl --silent --show-error --fail "$gateway/api/v1/metrics" | jq --raw-output --argjson now "$now" --argjson max_age "$2" '
    def value: @base64 | gsub("\\+"; "-") | gsub("/"; "_") | if . == "" then "=" else . end;
    .data[]
    | select(.push_time_seconds.metrics[0].value | $now - tonumber > $max_age)
    | .labels
    | "job@base64/\(.job | value)" + (del(.job) | to_entries | map("/\(.key)@base64/\(.value | value)") | add // "")
' | sort | while read -r path; do
    curl --silent --show-error --fail --request DELETE "$gateway/metrics/$path"
    echo "deleted $path"
done
