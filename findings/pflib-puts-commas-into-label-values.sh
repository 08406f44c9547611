#!/usr/bin/env bash
# pflib (Python) writes the comma between two labels into the first one's value.
#
# Guessed: a client with a method for labels writes any number of them.
# Seen: with one label the text is right, since its last two characters are cut off and replaced. With two labels it is
# `m{script_name="s",a="1,"b="2"} 5`: the comma stands within the quotes, and no gateway can read it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet pflib==0.0.3 urllib3==2.5.0
"$folder/python/bin/python" - <<'PY'
from pflib.pflib import metric

def line(labels):
    written = metric("files", "gauge", "Files of the last run.", "nightly")
    written.added_label(labels, 5)
    return str(written).splitlines()[-1]

print("pflib 0.0.3")
print("one label: ", line({"a": "1"}))
print("two labels:", line({"a": "1", "b": "2"}))
assert line({"a": "1"}) == 'files{script_name="nightly",a="1"} 5', "one label was right"
assert line({"a": "1", "b": "2"}) == 'files{script_name="nightly",a="1,"b="2"} 5', "two labels are right now"
PY
