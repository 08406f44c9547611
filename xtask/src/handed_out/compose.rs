//! The compose file: docker-compose reads it, and Wharf and Prometheus run with the files that it mounts. No engine runs
//! containers here, and Grafana is in no repository of Debian: of what is for it, only that it fits together is looked at.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{apart, clear};
use crate::package::{self, Packages};
use crate::peers;
use crate::shell::{Step, root};

pub(super) fn check(packages: &Packages) -> Result<()> {
    let peers = peers::bring_for_compose()?;
    let folder = root().join("packaging/container");
    let compose = peers.join("compose/usr/libexec/docker/cli-plugins/docker-compose");
    let read = |name: &str| -> Result<Value> {
        let config = Step::new(&compose, &["--file"])
            .args([folder.join(name)])
            .args(["config", "--format", "json"]);
        let config = config
            .output()
            .with_context(|| format!("docker-compose does not read {name}"))?;
        serde_json::from_str(&config).context("read what docker-compose makes of it")
    };
    fits(&read("compose.yaml")?)?;
    let wharf = packages.image_context.join("root/bin/wharf");
    fits_replicas(&read("compose-replicas.yaml")?, &wharf)?;

    let place = package::folder()?.join("compose");
    clear(&place)?;
    fs::create_dir_all(&place).context("make a folder for a trial")?;
    apart("exec sh \"$0\" \"$@\"")
        .args([
            folder.join("try-compose.sh"),
            packages.image_context.join("root/bin/wharf"),
            peers.join("prom-3/usr/bin/prometheus"),
            peers.join("prom-3/usr/bin/promtool"),
            place.clone(),
        ])
        .run()?;
    clear(&place)
}

/// Three gateways of this version name the same etcd, and have flags that Wharf takes.
fn fits_replicas(config: &Value, wharf: &Path) -> Result<()> {
    let services = config["services"].as_object().cloned().unwrap_or_default();
    let image = format!("wharf:{}", env!("CARGO_PKG_VERSION"));
    let replicas: Vec<_> = services
        .iter()
        .filter(|(_, service)| service["image"] == *image)
        .collect();
    ensure!(
        replicas.len() == 3 && services.contains_key("etcd"),
        "expected three gateways of this version and etcd, found {:?}",
        services.keys()
    );
    for (name, service) in replicas {
        let command = service["command"].as_array().cloned().unwrap_or_default();
        let flags: Vec<&str> = command.iter().filter_map(Value::as_str).collect();
        ensure!(
            flags.contains(&"--storage.etcd=http://etcd:2379")
                && flags.contains(&&*format!("--replica.name={name}")),
            "{name}: expected flags that name etcd and the replica, found {flags:?}"
        );
        // A flag that it does not know is refused before it comes to the last one.
        Step::new(wharf, &flags).args(["--version"]).run()?;
    }
    Ok(())
}

/// All services are there, all files that they mount exist, and those of Grafana name each other.
fn fits(config: &Value) -> Result<()> {
    let image = &config["services"]["wharf"]["image"];
    ensure!(
        image == &format!("wharf:{}", env!("CARGO_PKG_VERSION")),
        "expected the image of this version, found {image}"
    );
    let mounts = |service: &str| {
        let mounts = config["services"][service]["volumes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        mounts
            .into_iter()
            .filter(|mount| mount["type"] == "bind")
            .filter_map(|mount| {
                let [source, target] =
                    ["source", "target"].map(|name| mount[name].as_str().map(str::to_owned));
                Some((source?, target?))
            })
    };
    let all: Vec<_> = ["prometheus", "grafana"].into_iter().flat_map(mounts).collect();
    ensure!(
        all.len() == 5,
        "expected five files and folders of ours, found {all:?}"
    );
    for (source, _) in &all {
        ensure!(
            fs::exists(source)?,
            "compose.yaml mounts {source}, which does not exist"
        );
    }
    let folder = root().join("packaging/container/grafana");
    let read = |name: &str| fs::read_to_string(folder.join(name)).with_context(|| format!("read {name}"));
    let provider = read("dashboards.yml")?;
    let path = provider
        .lines()
        .find_map(|line| line.trim().strip_prefix("path: "));
    ensure!(
        path.is_some_and(|path| all.iter().any(|(_, target)| target == path)),
        "expected Grafana to find its dashboards where they are mounted, found {path:?}"
    );
    let source = read("datasources.yml")?;
    ensure!(
        source.contains("url: http://prometheus:9090") && config["services"]["prometheus"].is_object(),
        "expected Grafana to ask the service prometheus, found\n{source}"
    );
    Ok(())
}
