//! `cargo xtask interop`: the clients of the folder `interop/`, built and run against both gateways.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::peers;
use crate::shell::{Step, root, variable};

/// `[CLIENT...]`
pub(crate) fn run(names: &[String]) -> Result<()> {
    let all = clients()?;
    if let Some(unknown) = names.iter().find(|name| !all.contains(name)) {
        bail!("unknown client `{unknown}`, expected one of: {}", all.join(", "));
    }
    let peers = peers::bring()?;
    let clients = bring(if names.is_empty() { &all } else { names })?;
    let filters = names.iter().map(|name| filter(name));
    Step::cargo(&[
        "test",
        "--package",
        "wharf",
        "--test",
        "interop",
        "--locked",
        "--",
    ])
    .args(filters)
    .env("WHARF_PEERS", &peers.folder)
    .env("WHARF_INTEROP", clients)
    .env("WHARF_REQUIRE_PEERS", "1")
    .run()
}

/// The test of a client is `clients::its_name::needs_no_change`; what only has a `setup` takes part in `its_name::`.
fn filter(name: &str) -> String {
    let module = name.replace('-', "_");
    if sources().join(name).join("run").exists() {
        format!("clients::{module}::")
    } else {
        format!("{module}::")
    }
}

/// Builds all clients; returns the folder that has them.
pub(crate) fn bring_all() -> Result<PathBuf> {
    bring(&clients()?)
}

/// Runs the `setup` of each client whose files have changed since the last time.
pub(crate) fn bring(names: &[String]) -> Result<PathBuf> {
    let built = match variable("WHARF_INTEROP") {
        Some(folder) => std::path::absolute(folder).context("find the folder of WHARF_INTEROP")?,
        None => peers::target()?.join("interop"),
    };
    for name in names {
        let folder = built.join(name);
        let stamp = built.join(format!("{name}.stamp"));
        let inputs = digest(&sources(), name)?;
        if fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == inputs) && folder.exists() {
            continue;
        }
        // A setup that fails leaves no client that looks whole.
        if stamp.exists() {
            fs::remove_file(&stamp).with_context(|| format!("remove {}", stamp.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        Step::new(sources().join(name).join("setup"), &[])
            .args([&folder])
            .run()?;
        fs::write(&stamp, inputs).with_context(|| format!("write {}", stamp.display()))?;
    }
    Ok(built)
}

fn sources() -> PathBuf {
    root().join("interop")
}

/// The folders that have a client.
fn clients() -> Result<Vec<String>> {
    let entries = entries(&sources())?;
    let clients = entries.iter().filter(|path| path.join("setup").exists());
    Ok(clients
        .filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()))
        .collect())
}

/// A digest of all files that the client is built from: those of its folder, and what stands beside the clients for
/// several of them. It need not be the same for other compilers: then clients are built again.
fn digest(sources: &Path, name: &str) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    let shared = |path: &Path| path.extension().is_none() && !path.join("setup").exists();
    for path in entries(sources)? {
        if path.ends_with(name) || shared(&path) {
            add(&path, &mut hasher)?;
        }
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn add(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    hasher.write(path.as_os_str().as_encoded_bytes());
    hasher.write_u8(0);
    if path.is_dir() {
        let files = entries(path)?;
        // What a client has to print is no part of it.
        let expected = |path: &Path| {
            path.file_stem()
                .is_some_and(|stem| stem.to_string_lossy().starts_with("expected"))
        };
        let mut inputs = files.iter().filter(|path| !expected(path));
        return inputs.try_for_each(|path| add(path, hasher));
    }
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    hasher.write_usize(bytes.len());
    hasher.write(&bytes);
    Ok(())
}

/// What is in a folder, in order.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_a_filter_of_tests() {
        assert_eq!(filter("python-requests"), "clients::python_requests::");
        assert_eq!(filter("scrapers"), "scrapers::");
    }

    #[test]
    fn a_client_is_built_again_when_its_files_or_shared_ones_change() {
        let sources = std::env::temp_dir().join(format!("wharf-xtask-interop-{}", std::process::id()));
        let write = |file: &str, text: &str| {
            let path = sources.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
            digest(&sources, "ours").unwrap()
        };
        let first = write("ours/setup", "a");
        assert_ne!(write("ours/setup", "b"), first);
        assert_eq!(write("ours/setup", "a"), first);
        assert_ne!(write("debian-packages", "a"), first);
        let shared = write("java-project/pom.xml", "a");
        assert_ne!(write("java-project/pom.xml", "b"), shared);
        assert_eq!(write("java-project/pom.xml", "a"), shared);

        // What concerns others, or only the comparison.
        assert_eq!(write("theirs/setup", "a"), shared);
        assert_eq!(write("README.md", "a"), shared);
        assert_eq!(write("ours/expected.txt", "a"), shared);
        fs::remove_dir_all(sources).unwrap();
    }
}
