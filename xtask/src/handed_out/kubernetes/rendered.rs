//! What the chart makes of values: its objects, and what has to hold for each of them.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::shell::{Step, root};

/// `helm template` without a cluster: it would otherwise take it for an old one.
pub(super) fn template(helm: &Path) -> Step {
    let args = [
        "template",
        "wharf",
        "--namespace=monitoring",
        "--kube-version=1.37.0",
    ];
    Step::new(helm, &args)
}

/// The objects of one release called `wharf`.
#[derive(Debug)]
pub(in super::super) struct Rendered {
    pub(in super::super) objects: Vec<Value>,
}

impl Rendered {
    /// Renders the chart into a file, and reads it.
    pub(in super::super) fn make(helm: &Path, values: &Path, into: &Path) -> Result<Self> {
        template(helm)
            .args(["--values"])
            .args([values, &root().join("packaging/helm/wharf")])
            .run_into(into)?;
        let text = std::fs::read_to_string(into).with_context(|| format!("read {}", into.display()))?;
        let objects: Vec<Value> =
            serde_saphyr::from_multiple(&text).with_context(|| format!("read {}", into.display()))?;
        let objects = objects.into_iter().filter(Value::is_object).collect();
        Ok(Self { objects })
    }

    pub(in super::super) fn of_kind<'a>(&'a self, kinds: &'a [&str]) -> impl Iterator<Item = &'a Value> {
        let is_one = |object: &&Value| object["kind"].as_str().is_some_and(|kind| kinds.contains(&kind));
        self.objects.iter().filter(is_one)
    }

    pub(in super::super) fn named(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects
            .iter()
            .find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
    }

    /// The `StatefulSet` or `Deployment`.
    pub(in super::super) fn workload(&self) -> Result<&Value> {
        let mut workloads = self.of_kind(&["StatefulSet", "Deployment"]);
        let workload = workloads
            .next()
            .context("expected a StatefulSet or a Deployment")?;
        ensure!(
            workloads.next().is_none(),
            "expected one StatefulSet or Deployment, found two"
        );
        Ok(workload)
    }

    /// What has to hold whatever the values are, and `others` are the objects that the values say are there.
    pub(super) fn check(&self, others: &[&str]) -> Result<()> {
        let workload = self.workload()?;
        let pod = &workload["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        for (pointer, expected) in [
            ("/securityContext/allowPrivilegeEscalation", Value::Bool(false)),
            ("/securityContext/readOnlyRootFilesystem", Value::Bool(true)),
            ("/securityContext/capabilities/drop/0", "ALL".into()),
            ("/name", "wharf".into()),
        ] {
            let found = container.pointer(pointer);
            ensure!(
                found == Some(&expected),
                "{pointer}: expected {expected}, found {found:?}"
            );
        }
        ensure!(
            pod["securityContext"]["runAsNonRoot"] == true,
            "expected a pod that is not root"
        );
        ensure!(
            pod["automountServiceAccountToken"] == false,
            "expected a pod without a token"
        );
        self.check_volumes(workload, others)?;
        self.check_encryption(container)?;
        for monitor in self.of_kind(&["ServiceMonitor", "PodMonitor"]) {
            let endpoints = [
                &monitor["spec"]["endpoints"],
                &monitor["spec"]["podMetricsEndpoints"],
            ];
            let endpoint = endpoints.into_iter().find_map(|endpoints| endpoints.get(0));
            let keeps = endpoint.is_some_and(|endpoint| endpoint["honorLabels"] == true);
            ensure!(keeps, "expected a monitor that keeps labels, found {monitor}");
        }
        Ok(())
    }

    /// What is mounted is there.
    fn check_volumes(&self, workload: &Value, others: &[&str]) -> Result<()> {
        let pod = &workload["spec"]["template"]["spec"];
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let (volumes, claims) = (
            list(&pod["volumes"]),
            list(&workload["spec"]["volumeClaimTemplates"]),
        );
        for mount in list(&pod["containers"][0]["volumeMounts"]) {
            let name = &mount["name"];
            let claim = claims.iter().any(|claim| &claim["metadata"]["name"] == name);
            let volume = volumes.iter().find(|volume| &volume["name"] == name);
            ensure!(claim || volume.is_some(), "expected a volume {name}");
            let Some(volume) = volume else { continue };
            let sources = [
                ("ConfigMap", &volume["configMap"]["name"]),
                ("Secret", &volume["secret"]["secretName"]),
                (
                    "PersistentVolumeClaim",
                    &volume["persistentVolumeClaim"]["claimName"],
                ),
            ];
            for (kind, source) in sources {
                if let Some(source) = source.as_str() {
                    let is_there = self.named(kind, source).is_some() || others.contains(&source);
                    ensure!(
                        is_there,
                        "expected the {kind} {source}, of which a volume is made"
                    );
                }
            }
        }
        Ok(())
    }

    /// With a certificate, nobody asks without TLS.
    fn check_encryption(&self, container: &Value) -> Result<()> {
        let mounts = container["volumeMounts"].as_array().into_iter().flatten();
        let is_encrypted = mounts.into_iter().any(|mount| mount["name"] == "tls");
        let scheme = if is_encrypted { "HTTPS" } else { "HTTP" };
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let probe = &container[probe];
            ensure!(probe.is_object(), "expected probes, found {container}");
            if let Some(request) = probe.get("httpGet") {
                ensure!(
                    request["scheme"] == scheme,
                    "expected probes by {scheme}, found {probe}"
                );
            }
        }
        for monitor in self.of_kind(&["ServiceMonitor", "PodMonitor"]) {
            let spec = &monitor["spec"];
            let endpoints = [&spec["endpoints"], &spec["podMetricsEndpoints"]];
            let endpoint = endpoints.into_iter().find_map(|endpoints| endpoints.get(0));
            let found = endpoint.and_then(|endpoint| endpoint["scheme"].as_str());
            let expected = scheme.to_lowercase();
            ensure!(
                found == Some(&expected),
                "expected scrapes by {expected}, found {found:?}"
            );
        }
        Ok(())
    }
}
