//! A batch job that pushes with the two libraries for it in Rust: `prometheus`, and the exporter of `metrics`.

mod metrics_exporter;
mod prometheus_push;

use std::env;
use std::fmt::Display;

fn main() {
    let gateway = env::var("GATEWAY").unwrap();
    let locked = env::var("GATEWAY_AUTH").unwrap();
    prometheus_push::run(&gateway, &locked);
    metrics_exporter::run(&gateway, &locked);
}

fn step(name: &str, outcome: Result<(), impl Display>) {
    match outcome {
        Ok(()) => println!("{name}: ok"),
        Err(error) => println!("{name}: {}", error.to_string().replace('\n', "\\n")),
    }
}
