//! What other people's code the program is made of: whether its licences are allowed, and the list of it.
//!
//! `cargo deny` says more, and needs to be installed; licences are a question that no release may leave open. Which ones are
//! allowed stands in `deny.toml` alone.

mod licence;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use self::licence::Allowed;
use crate::shell::{Step, root};
use crate::tools::CARGO_DENY;

/// What `cargo metadata` says, as far as it matters here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
    #[serde(default)]
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    #[serde(default)]
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// None for what the program is made of, otherwise `build` or `dev`.
    kind: Option<String>,
}

/// Fails if a package, for development or not, on any platform, has a licence that is not allowed.
pub(crate) fn check_licences() -> Result<()> {
    let path = root().join("deny.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let allowed = Allowed::read(&text)?;
    let mut refused = Vec::new();
    for package in metadata(&[])?.packages {
        let licence = package.license.as_deref().unwrap_or("none");
        if !allowed.allows(&package.name, licence) {
            refused.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    ensure!(
        refused.is_empty(),
        "expected licences that deny.toml allows, found\n{}",
        refused.join("\n")
    );
    Ok(())
}

/// Lets `cargo deny` judge licences, doubles and sources, by `deny.toml`; with `checks`, those. Its list of known holes
/// (`advisories`) is a repository of its own, which has to be in reach.
pub(crate) fn deny(checks: &[String]) -> Result<()> {
    let deny = CARGO_DENY.bring()?;
    let usual = ["licenses", "bans", "sources"].map(str::to_owned);
    let checks = if checks.is_empty() { &usual[..] } else { checks };
    Step::new(deny, &["--locked", "check", "--hide-inclusion-graph"])
        .args(checks)
        .run()
}

/// Compiles everything with the lowest version of Rust that `Cargo.toml` names.
pub(crate) fn check_lowest_rust() -> Result<()> {
    let version = concat!(env!("CARGO_PKG_RUST_VERSION"), ".0");
    // Does nothing if it is there.
    Step::new(
        "rustup",
        &["toolchain", "install", version, "--profile", "minimal"],
    )
    .run()?;
    // What another compiler has made is of no use to it.
    let folder = target_folder()?.join("lowest-rust");
    Step::new(
        "rustup",
        &[
            "run",
            version,
            "cargo",
            "check",
            "--workspace",
            "--all-targets",
            "--locked",
        ],
    )
    .env("CARGO_TARGET_DIR", folder)
    .run()
}

/// Writes what the program is made of on this platform to `target/wharf.cdx.json`, in the form of `CycloneDX` 1.6. The same
/// sources give the same bytes.
pub(crate) fn write_bill(path: &Path) -> Result<()> {
    let metadata = metadata(&["--filter-platform", &host()?])?;
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let bill = bill(&metadata, &checksums(&lock))?;
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    fs::write(path, format!("{bill:#}\n")).with_context(|| format!("write {}", path.display()))?;
    eprintln!("{}", path.display());
    Ok(())
}

/// What rustc builds for.
pub(crate) fn host() -> Result<String> {
    let version = Step::new("rustc", &["-vV"])
        .output()
        .context("ask rustc for its host")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("expected a host of rustc")?.to_owned())
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> Result<PathBuf> {
    Ok(metadata(&[])?.target_directory)
}

/// Where cargo unpacks other people's packages.
pub(crate) fn libraries_folder() -> Result<PathBuf> {
    let packages = metadata(&[])?.packages;
    let library = packages.iter().find(|package| package.source.is_some());
    let folder = library.and_then(|library| library.manifest_path.parent()?.parent());
    Ok(folder.context("expected a package from a registry")?.to_owned())
}

fn metadata(args: &[&str]) -> Result<Metadata> {
    let step = Step::cargo(&["metadata", "--format-version", "1", "--locked"]).args(args);
    let text = step.output().context("run `cargo metadata --locked`")?;
    serde_json::from_str(&text).context("read what `cargo metadata` says")
}

/// SHA-256 by name and version, from the text of `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").skip(1);
    let value = |package: &str, key: &str| {
        let mut lines = package.lines();
        let value = lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(value.trim_matches('"').to_owned())
    };
    let checksum = |package| {
        let key = (value(package, "name")?, value(package, "version")?);
        Some((key, value(package, "checksum")?))
    };
    packages.filter_map(checksum).collect()
}

fn bill(metadata: &Metadata, checksums: &BTreeMap<(String, String), String>) -> Result<Value> {
    let program = metadata.packages.iter().find(|package| package.name == "wharf");
    let program = program.context("expected a package `wharf`")?;
    let nodes: BTreeMap<&str, &Node> = metadata
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), node))
        .collect();
    // What is only there to build or test something is no part of the program.
    let parts = |id: &str| {
        let deps = nodes.get(id).map(|node| node.deps.as_slice()).unwrap_or_default();
        let linked = deps
            .iter()
            .filter(|dependency| dependency.dep_kinds.iter().any(|kind| kind.kind.is_none()));
        linked
            .map(|dependency| dependency.pkg.as_str())
            .collect::<BTreeSet<_>>()
    };
    let (mut found, mut open) = (BTreeSet::new(), vec![program.id.as_str()]);
    while let Some(id) = open.pop() {
        if found.insert(id) {
            open.extend(parts(id));
        }
    }
    let packages: BTreeMap<&str, &Package> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let mut references = BTreeMap::new();
    for id in found {
        let Some(package) = packages.get(id) else {
            bail!("expected a package `{id}` in what cargo says, found none");
        };
        references.insert(
            format!("pkg:cargo/{}@{}", package.name, package.version),
            *package,
        );
    }
    let reference = |id: &str| {
        let package = packages.get(id)?;
        Some(format!("pkg:cargo/{}@{}", package.name, package.version))
    };
    let own = format!("pkg:cargo/{}@{}", program.name, program.version);
    let components = references.iter().filter(|(purl, _)| **purl != own);
    let components: Vec<Value> = components
        .map(|(purl, package)| component(purl, package, "library", checksums))
        .collect();
    let dependencies: Vec<Value> = references
        .iter()
        .map(|(purl, package)| {
            let on: BTreeSet<String> = parts(&package.id).into_iter().filter_map(reference).collect();
            json!({ "ref": purl, "dependsOn": on })
        })
        .collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component(&own, program, "application", checksums) },
        "components": components,
        "dependencies": dependencies,
    }))
}

fn component(
    purl: &str,
    package: &Package,
    kind: &str,
    checksums: &BTreeMap<(String, String), String>,
) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "scope": "required",
        "purl": purl,
    });
    let mut add = |key: &str, value: Option<Value>| {
        if let (Some(value), Some(members)) = (value, component.as_object_mut()) {
            members.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.as_ref().map(|text| Value::from(text.trim()));
    add("description", text(&package.description));
    let expression = package.license.as_deref().map(licence::expression);
    add(
        "licenses",
        expression.map(|expression| json!([{ "expression": expression }])),
    );
    let repository = package.repository.as_ref();
    add(
        "externalReferences",
        repository.map(|url| json!([{ "type": "vcs", "url": url }])),
    );
    let key = (package.name.clone(), package.version.clone());
    let checksum = package.source.as_ref().and_then(|_| checksums.get(&key));
    add(
        "hashes",
        checksum.map(|checksum| json!([{ "alg": "SHA-256", "content": checksum }])),
    );
    component
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_stand_beside_name_and_version() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ff\"\n\n\
                    [[package]]\nname = \"own\"\nversion = \"0.1.0\"\ndependencies = [\n \"a\",\n]\n";
        let expected = (("a".to_owned(), "1.0.0".to_owned()), "ff".to_owned());
        assert_eq!(checksums(lock), BTreeMap::from([expected]));
    }

    #[test]
    fn what_only_builds_or_tests_is_no_part_of_the_program() {
        let package = |name: &str| json!({ "id": name, "name": name, "version": "1.0.0" });
        let on = |name: &str, kinds: Value| json!({ "pkg": name, "dep_kinds": kinds });
        let packages = ["wharf", "a", "b", "c", "d"].map(package);
        let metadata = json!({
            "packages": packages,
            "resolve": { "nodes": [
                { "id": "wharf", "deps": [
                    on("a", json!([{ "kind": null }, { "kind": "dev" }])),
                    on("b", json!([{ "kind": "build" }])),
                    on("c", json!([{ "kind": "dev" }])),
                ] },
                { "id": "a", "deps": [on("d", json!([{ "kind": null }]))] },
                { "id": "d", "deps": [] },
            ] },
        });
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        let bill = bill(&metadata, &BTreeMap::new()).unwrap();
        let components = bill["components"].as_array().unwrap();
        let names: Vec<_> = components.iter().map(|component| &component["name"]).collect();
        assert_eq!(names, ["a", "d"]);
        assert_eq!(bill["dependencies"][0]["dependsOn"], json!(["pkg:cargo/d@1.0.0"]));
    }
}
