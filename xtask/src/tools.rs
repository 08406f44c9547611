//! Tools that are built from Go modules, into `target/tools`.

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
    version: "v2.45.2",
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
    version: "v5.8.3",
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
