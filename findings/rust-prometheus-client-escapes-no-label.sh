#!/usr/bin/env bash
# prometheus-client, the official library for Rust, writes label values as they are.
#
# Guessed: `"`, `\` and line feeds come out escaped; the crate belongs to the Prometheus project, and its encoder takes any text as a value.
# Seen: none of the three is. `C:\new` is read back with a line feed in it, a real line feed cuts the line in two, and one disk model with a
# quote makes a scraper refuse all metrics of the process.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install --quiet prometheus-client==0.26.0
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"

[dependencies]
prometheus-client = "=0.24.1"
TOML
cat >src/main.rs <<'RUST'
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::{family::Family, gauge::Gauge};
use prometheus_client::registry::Registry;

fn main() {
    let model = std::env::args().nth(1).unwrap();
    let mut registry = Registry::default();
    let healthy = Family::<Vec<(String, String)>, Gauge>::default();
    registry.register("disk_healthy", "1 is well", healthy.clone());
    healthy.get_or_create(&vec![("model".to_string(), model)]).set(1);
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    print!("{text}");
}
RUST
cargo build --quiet
echo "prometheus-client (Rust) 0.24.1"
for model in 'a 2.5" disk' 'C:\new' $'two\nlines'; do
  target/debug/finding "$model" | tee said
  grep -qF -e "$(head -1 <<<"disk_healthy{model=\"$model")" said
  python/bin/python - "$model" <<'PY'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families

try:
    families = list(text_string_to_metric_families(open("said").read()))
    read = families[0].samples[0].labels["model"]
    assert read != sys.argv[1], "it is read as it was meant"
    print("read by the strict reader as the lines", read.splitlines(), "\n")
except ValueError as error:
    print("refused by the strict reader:", error, "\n")
PY
done
