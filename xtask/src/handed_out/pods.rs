//! The pods of the chart, run without a cluster: arguments, variables, files from `Secret`s and `ConfigMap`s, probes and scrapes are
//! those that it renders; the root is that of the image.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::kubernetes::rendered::Rendered;
use super::{apart, clear};
use crate::package::{self, Packages};
use crate::shell::{Step, root};
use crate::tools::HELM;

/// A pod, and what somebody who knows its values expects.
struct Trial {
    values: &'static str,
    /// Who scrapes: by values where the chart makes a Secret for it, or by what is in another one.
    user: &'static str,
    /// A metric that it has.
    holds: &'static str,
}

const TRIALS: [Trial; 7] = [
    Trial {
        values: "{}",
        user: "",
        holds: "wharf_groups",
    },
    Trial {
        values: "{webConfiguration: {basicAuthUsers: {jobs: secret, admin: 12345}}, podMonitor: {enabled: true}, runAsStatefulSet: false}",
        user: "jobs:secret",
        holds: "",
    },
    Trial {
        values: "{webConfiguration: {basicAuthUsers: {jobs: secret}, tls: {secretName: wharf-tls}}, serviceMonitor: {enabled: true}}",
        user: "jobs:secret",
        holds: "wharf_tls_certificate_expiry_timestamp_seconds",
    },
    Trial {
        values: "{webConfiguration: {existingSecret: {name: web}}}",
        user: "prober:secret",
        holds: "",
    },
    Trial {
        values: "{webConfiguration: {existingSecret: {name: web-tls}, tls: {secretName: wharf-tls}, probeSecret: probe}}",
        user: "prober:secret",
        holds: "",
    },
    // From the community's chart, with the volume that was there.
    Trial {
        values: "{extraArgs: [--persistence.file=/data/pushgateway.data], persistentVolume: {existingClaim: claim}}",
        user: "",
        holds: "push_time_seconds",
    },
    Trial {
        values: "{config: {quotas: [{match: '{}', pushes_per_second: 20, per: [job]}]}, extraVars: [{name: WHARF_LOG_LEVEL, value: debug}], \
                 persistentVolume: {enabled: false}}",
        user: "",
        holds: "",
    },
];

/// A state file of the Pushgateway, as it may lie on a volume.
const STATE: &str = "crates/wharf/tests/fixtures/pushgateway-state/1.11.2.gob";

/// Files of Secrets that values name and the chart does not make.
type Secrets = BTreeMap<&'static str, BTreeMap<String, String>>;

pub(super) fn check(packages: &Packages) -> Result<()> {
    let helm = HELM.bring()?;
    let folder = package::folder()?.join("pods");
    clear(&folder)?;
    fs::create_dir_all(&folder).context("make a folder for pods")?;
    let secrets = secrets(&helm, &folder)?;
    for (number, trial) in TRIALS.iter().enumerate() {
        eprintln!("a pod with the values {}", trial.values);
        let objects = render(&helm, &folder, trial.values)?;
        let place = folder.join(number.to_string());
        let mount = lay(&place, packages, &objects, trial, &secrets)
            .with_context(|| format!("a pod with the values {}", trial.values))?;
        apart("exec sh \"$0\" \"$@\"")
            .args([root().join("packaging/helm/try-pod.sh"), place])
            .args([mount])
            .run()?;
    }
    clear(&folder)
}

fn render(helm: &Path, folder: &Path, values: &str) -> Result<Rendered> {
    let file = folder.join("values.yaml");
    fs::write(&file, values).with_context(|| format!("write {}", file.display()))?;
    Rendered::make(helm, &file, &folder.join("rendered.yaml"))
}

/// What somebody else has made.
fn secrets(helm: &Path, folder: &Path) -> Result<Secrets> {
    let web_config = |more: &str| -> Result<String> {
        let values = format!("{{webConfiguration: {{basicAuthUsers: {{prober: secret}}{more}}}}}");
        let objects = render(helm, folder, &values)?;
        let secret = objects
            .named("Secret", "wharf-web-config")
            .context("expected a Secret")?;
        let text = secret["stringData"]["web-config.yaml"].as_str();
        Ok(text.context("expected a web config file")?.to_owned())
    };
    let keys = ["tls.key", "tls.crt"].map(|name| folder.join(name));
    let [key, certificate] = &keys;
    Step::new(
        "openssl",
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days=2",
            "-subj=/CN=wharf",
        ],
    )
    .args([
        "-keyout".as_ref(),
        key.as_os_str(),
        "-out".as_ref(),
        certificate.as_os_str(),
    ])
    .run()?;
    let read = |path: &PathBuf| fs::read_to_string(path).with_context(|| format!("read {}", path.display()));
    let files = |files: &[(&str, String)]| {
        files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.clone()))
            .collect()
    };
    Ok(Secrets::from([
        ("web", files(&[("web-config.yaml", web_config("")?)])),
        (
            "web-tls",
            files(&[("web-config.yaml", web_config(", tls: {secretName: wharf-tls}")?)]),
        ),
        (
            "wharf-tls",
            files(&[("tls.key", read(key)?), ("tls.crt", read(certificate)?)]),
        ),
        (
            "probe",
            files(&[
                ("username", "prober".to_owned()),
                ("password", "secret".to_owned()),
            ]),
        ),
    ]))
}

/// Writes the files that `packaging/helm/try-pod.sh` needs, and returns where the volume is mounted.
fn lay(
    place: &Path,
    packages: &Packages,
    objects: &Rendered,
    trial: &Trial,
    secrets: &Secrets,
) -> Result<String> {
    let volume = place.join("volume");
    fs::create_dir_all(&volume).context("make a volume")?;
    Step::new("cp", &["-a", "--"])
        .args([packages.image_context.join("root"), place.join("rootfs")])
        .run()?;
    let workload = objects.workload()?;
    let pod = &workload["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let files_of = |kind: &str, name: &str| -> Result<BTreeMap<String, String>> {
        if let Some(files) = secrets.get(name) {
            return Ok(files.clone());
        }
        let object = objects
            .named(kind, name)
            .with_context(|| format!("expected the {kind} {name}"))?;
        let data = ["data", "stringData"]
            .into_iter()
            .filter_map(|field| object[field].as_object())
            .flatten();
        let texts = data.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())));
        Ok(texts.collect())
    };

    let mut volume_at = None;
    for mount in container["volumeMounts"].as_array().into_iter().flatten() {
        let path = mount["mountPath"].as_str().context("expected a path")?;
        let volumes = pod["volumes"].as_array().into_iter().flatten();
        let source = volumes.into_iter().find(|volume| volume["name"] == mount["name"]);
        let source = source.unwrap_or(&Value::Null);
        let config_map = source["configMap"]["name"]
            .as_str()
            .map(|name| ("ConfigMap", name));
        let secret = source["secret"]["secretName"]
            .as_str()
            .map(|name| ("Secret", name));
        let Some((kind, name)) = config_map.or(secret) else {
            volume_at = Some(path.to_owned());
            continue;
        };
        let folder = place.join("rootfs").join(path.trim_start_matches('/'));
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        for (file, text) in files_of(kind, name)? {
            fs::write(folder.join(file), text).context("write a file of a Secret")?;
        }
    }
    if trial.values.contains("existingClaim") {
        let state = volume.join("pushgateway.data");
        fs::copy(root().join(STATE), state).context("copy a state file")?;
    }

    let mut env = String::new();
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"]
            .as_str()
            .context("expected the name of a variable")?;
        let from = &variable["valueFrom"]["secretKeyRef"];
        let value = match (
            variable["value"].as_str(),
            from["name"].as_str(),
            from["key"].as_str(),
        ) {
            (Some(value), ..) => value.to_owned(),
            (None, Some(secret), Some(key)) => files_of("Secret", secret)?
                .remove(key)
                .context("expected a key of a Secret")?,
            _ => bail!("expected a value of {name}"),
        };
        writeln!(env, "{name}={value}")?;
    }
    let args = container["args"].as_array().into_iter().flatten();
    let args: Vec<_> = args
        .filter_map(Value::as_str)
        .map(|arg| format!("{arg}\n"))
        .collect();
    let probes = ["startupProbe", "livenessProbe", "readinessProbe"];
    let probes: Result<String> = probes.into_iter().map(|name| probe(&container[name])).collect();
    let scheme = if container.to_string().contains("/etc/wharf/tls") {
        "https"
    } else {
        "http"
    };
    check_credentials(objects, trial)?;
    for (file, text) in [
        ("env", env),
        ("args", args.concat()),
        ("probes", probes?),
        ("scrape", format!("{scheme} {}\n", trial.user)),
        ("holds", format!("{}\n", trial.holds)),
    ] {
        fs::write(place.join(file), text).with_context(|| format!("write {file}"))?;
    }
    volume_at.context("expected a volume")
}

/// A probe, as a line.
fn probe(probe: &Value) -> Result<String> {
    if let Some(request) = probe.get("httpGet") {
        let text = |name: &str| {
            request[name]
                .as_str()
                .with_context(|| format!("expected `{name}` of a probe"))
        };
        let header = &request["httpHeaders"][0];
        let header = match (header["name"].as_str(), header["value"].as_str()) {
            (Some(name), Some(value)) => format!(" {name}: {value}"),
            _ => String::new(),
        };
        let scheme = text("scheme")?.to_lowercase();
        return Ok(format!("http {scheme} {}{header}\n", text("path")?));
    }
    if probe.get("tcpSocket").is_some() {
        return Ok("tcp\n".to_owned());
    }
    let command = probe["exec"]["command"].as_array().context("expected a probe")?;
    let words: Vec<_> = command.iter().filter_map(Value::as_str).collect();
    Ok(format!("exec {}\n", words.join(" ")))
}

/// Monitors ask with the user and the password that the trial asks with.
fn check_credentials(objects: &Rendered, trial: &Trial) -> Result<()> {
    for monitor in objects.of_kind(&["ServiceMonitor", "PodMonitor"]) {
        let spec = &monitor["spec"];
        let endpoint = spec
            .get("endpoints")
            .or(spec.get("podMetricsEndpoints"))
            .context("expected an endpoint")?;
        let basic = &endpoint[0]["basicAuth"];
        let read = |part: &str| -> Result<String> {
            let [name, key] = ["name", "key"].map(|field| basic[part][field].as_str());
            let secret = objects
                .named("Secret", name.unwrap_or_default())
                .context("expected a Secret for the monitor")?;
            let text = secret["stringData"][key.unwrap_or_default()].as_str();
            Ok(text.context("expected a key of the Secret")?.to_owned())
        };
        let found = format!("{}:{}", read("username")?, read("password")?);
        // The first user by name is taken.
        let is_known =
            found == trial.user || (trial.values.contains("admin: 12345") && found == "admin:12345");
        ensure!(
            is_known,
            "expected a monitor that asks as {}, found {found}",
            trial.user
        );
    }
    Ok(())
}
