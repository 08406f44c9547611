//! The chart and the manifests: rendered for a matrix of values, and held against the schemas of Kubernetes.

mod matrix;
pub(super) mod rendered;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use self::rendered::{Rendered, template};
use super::clear;
use crate::dependencies;
use crate::shell::{Step, root};
use crate::tools::{HELM, KUBECONFORM, KUSTOMIZE};

/// A Python package that carries the schemas of Kubernetes, made from its API descriptions.
const SCHEMAS: &str = "kubernetes-validate==1.37.0";
/// The versions that the chart is held against.
const VERSIONS: [&str; 3] = ["1.25.0", "1.30.0", "1.37.0"];

pub(super) fn check() -> Result<()> {
    let helm = HELM.bring()?;
    let chart = root().join("packaging/helm/wharf");
    let schemas = schemas()?;
    let folder = dependencies::target_folder()?.join("kubernetes");
    clear(&folder)?;
    fs::create_dir_all(&folder).context("make a folder for manifests")?;

    let mut rendered = Vec::new();
    for values in values(&chart.join("ci"))? {
        let lint = Step::new(&helm, &["lint", "--strict", "--quiet", "--values"]);
        lint.args([&values, &chart]).run()?;
        let name = values
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let manifest = folder.join(format!("{name}.yaml"));
        Rendered::make(&helm, &values, &manifest)?;
        rendered.push(manifest);
    }
    for (number, values) in matrix::combinations().iter().enumerate() {
        let file = folder.join(format!("combination-{number}.values"));
        fs::write(&file, values).with_context(|| format!("write {}", file.display()))?;
        let manifest = file.with_extension("yaml");
        let objects = Rendered::make(&helm, &file, &manifest)?;
        objects
            .check(&matrix::OTHERS)
            .with_context(|| format!("with the values {}", values.trim()))?;
        rendered.push(manifest);
    }
    for values in values(&chart.join("ci/bad"))? {
        let step = template(&helm).args(["--values"]).args([&values, &chart]);
        ensure!(
            step.output().is_none(),
            "{}: expected values that are refused",
            values.display()
        );
    }

    let manifests = root().join("packaging/kubernetes");
    for name in ["base", "replicas"] {
        let built = folder.join(format!("{name}.yaml"));
        Step::new(KUSTOMIZE.bring()?, &["build"])
            .args([manifests.join(name)])
            .run_into(&built)?;
        rendered.push(built);
    }
    rendered.extend(values(&manifests)?);
    for version in VERSIONS {
        Step::new(
            KUBECONFORM.bring()?,
            &["-strict", "-summary", "-ignore-missing-schemas"],
        )
        .args(["-kubernetes-version", version, "-schema-location"])
        .args([schemas.join(
            "{{ .NormalizedKubernetesVersion }}-local-strict/{{ .ResourceKind }}{{ .KindSuffix }}.json",
        )])
        .args(&rendered)
        .run()?;
    }
    // What schemas of Kubernetes do not have.
    Step::new("go", &["run", "."])
        .folder(&manifests.join("strict"))
        .args(&rendered)
        .run()
}

/// The YAML files of a folder, in order.
fn values(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut paths = paths.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    Ok(paths)
}

/// The folder of the schemas.
fn schemas() -> Result<PathBuf> {
    let folder = dependencies::target_folder()?.join("tools/kubernetes-schemas");
    let schemas = folder.join("kubernetes_validate/kubernetes-json-schema");
    let stamp = folder.join("ready");
    if !stamp.exists() {
        Step::new(
            "python3",
            &[
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--upgrade",
                SCHEMAS,
                "--target",
            ],
        )
        .args([&folder])
        .run()?;
        // They refer to each other by addresses in the network, which are files beside them.
        let edit = r#"find . -name '*.json' -exec sed -i -e 's|^  "$id": |  "x-id": |' -e 's|"/api/_definitions.json#|"_definitions.json#|' {} +"#;
        Step::new("sh", &["-ec", edit]).folder(&schemas).run()?;
        fs::write(&stamp, "").with_context(|| format!("write {}", stamp.display()))?;
    }
    Ok(schemas)
}
