//! Tools that are built from Go modules and from crates, into `target/tools`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::dependencies;
use crate::shell::Step;

/// A program of a Go module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoTool {
    /// The package of its main function.
    package: &'static str,
    version: &'static str,
    /// What the program is called.
    name: &'static str,
}

/// Makes packages for Debian and for RPM.
pub(crate) const NFPM: GoTool = GoTool {
    package: "github.com/goreleaser/nfpm/v2/cmd/nfpm",
    version: "v2.48.0",
    name: "nfpm",
};
pub(crate) const HELM: GoTool = GoTool {
    package: "helm.sh/helm/v3/cmd/helm",
    version: "v3.22.0",
    name: "helm",
};
/// Holds objects of Kubernetes against schemas.
pub(crate) const KUBECONFORM: GoTool = GoTool {
    package: "github.com/yannh/kubeconform/cmd/kubeconform",
    version: "v0.8.0",
    name: "kubeconform",
};
/// Puts manifests together.
pub(crate) const KUSTOMIZE: GoTool = GoTool {
    package: "sigs.k8s.io/kustomize/kustomize/v5",
    version: "v5.8.2",
    name: "kustomize",
};

impl GoTool {
    /// Where it is, built if it is not there yet.
    pub(crate) fn bring(self) -> Result<PathBuf> {
        let folder = dependencies::target_folder()?.join("tools");
        let folder = folder.join(format!("{}-{}", self.name, self.version));
        let program = folder.join(self.name);
        if !program.exists() {
            Step::new("go", &["install"])
                .args([format!("{}@{}", self.package, self.version)])
                .env("GOBIN", &folder)
                .env("CGO_ENABLED", "0")
                .run()
                .with_context(|| format!("build {}", self.name))?;
        }
        Ok(program)
    }
}

/// A server of etcd. Its module replaces others, so that `go install` refuses it: it is built in a module that requires it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EtcdServer {
    pub(crate) version: &'static str,
}

/// The lines of etcd that Wharf is tried with, beside Debian's 3.5.
pub(crate) const ETCDS: [EtcdServer; 2] = [
    EtcdServer { version: "v3.6.16" },
    EtcdServer { version: "v3.7.3" },
];

impl EtcdServer {
    /// Where it is, built if it is not there yet.
    pub(crate) fn bring(self) -> Result<PathBuf> {
        let package = "go.etcd.io/etcd/server/v3";
        let folder = dependencies::target_folder()?.join("tools");
        let folder = folder.join(format!("etcd-{}", self.version));
        let program = folder.join("etcd");
        if program.exists() {
            return Ok(program);
        }
        std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        let module = folder.join("go.mod");
        std::fs::write(&module, "module wharf/etcd\n")
            .with_context(|| format!("write {}", module.display()))?;
        let step = |arguments: &[&str]| {
            Step::new("go", &["-C"])
                .args([&folder])
                .args(arguments)
                .env("CGO_ENABLED", "0")
                .run()
                .with_context(|| format!("build etcd {}", self.version))
        };
        step(&["get", &format!("{package}@{}", self.version)])?;
        step(&["build", "-o", "etcd", package])?;
        Ok(program)
    }
}

/// A program of a crate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CrateTool {
    /// The crate, and the program in it.
    name: &'static str,
    version: &'static str,
}

/// Judges licences, sources and doubles among other people's crates.
pub(crate) const CARGO_DENY: CrateTool = CrateTool {
    name: "cargo-deny",
    version: "0.20.2",
};

/// Makes a site of the documentation.
pub(crate) const MDBOOK: CrateTool = CrateTool {
    name: "mdbook",
    version: "0.5.4",
};

impl CrateTool {
    /// Where it is, built if it is not there yet.
    pub(crate) fn bring(self) -> Result<PathBuf> {
        let folder = dependencies::target_folder()?.join("tools");
        let folder = folder.join(format!("{}-{}", self.name, self.version));
        let program = folder.join("bin").join(self.name);
        if !program.exists() {
            Step::cargo(&[
                "install",
                "--locked",
                "--quiet",
                self.name,
                "--version",
                self.version,
            ])
            .args(["--root".as_ref(), folder.as_os_str()])
            // Nothing of ours is built with it.
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .run()
            .with_context(|| format!("build {}", self.name))?;
            std::fs::remove_dir_all(folder.join("target")).context("remove what the build has left")?;
        }
        Ok(program)
    }
}
