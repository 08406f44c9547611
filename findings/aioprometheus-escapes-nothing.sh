#!/usr/bin/env bash
# aioprometheus writes label values and help texts as they are.
#
# Guessed: a client library escapes `"`, `\` and line feeds, as the text format demands; its maintainers test it against a real reader.
# Seen: nothing is escaped. One label value with a quote, such as a file name or a model of a disk, and every scrape of the process, and
# every push of all its metrics, is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet aioprometheus==23.12.0 prometheus-client==0.26.0
"$folder/python/bin/python" - <<'PY'
from aioprometheus import Gauge, Registry
from aioprometheus.formats import text
from prometheus_client.parser import text_string_to_metric_families

registry = Registry()
Gauge("disk_healthy", "1 is well", registry=registry).set({"model": 'a 2.5" disk'}, 1)
said = text.TextFormatter().marshall(registry).decode()
print("aioprometheus 23.12.0")
print(said)
assert 'model="a 2.5" disk"' in said, "it escapes quotes now"
try:
    read = [sample.labels for family in text_string_to_metric_families(said) for sample in family.samples]
    assert read != [{"model": 'a 2.5" disk'}], "the official reader reads it as it was meant"
    print("read by prometheus_client as", read)
except ValueError as error:
    print("refused by prometheus_client:", error)
PY
