//! The image for containers: the static program, files with the names of its user and its host, and nothing else.
//!
//! It is written as the standard has it (OCI image layout 1.0), without a program that builds images; `docker load` wants one
//! more file, which others overlook.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::build::Build;
use super::{checksum, copy, create, tar, write};
use crate::shell::Step;

/// `nobody`, as in the image of the Pushgateway.
const USER: u32 = 65534;
/// Where what is stored is kept, as in the image of the Pushgateway.
const WORKING_FOLDER: &str = "pushgateway";

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A file that is named by its checksum.
struct Blob {
    digest: String,
    size: u64,
}

impl Blob {
    /// Gives a file the name of its checksum, in the folder `blobs/sha256` of a layout.
    fn keep(layout: &Path, file: &Path) -> Result<Self> {
        let digest = checksum(file)?;
        let size = fs::metadata(file)
            .with_context(|| format!("look at {}", file.display()))?
            .len();
        let kept = layout.join("blobs/sha256").join(&digest);
        fs::rename(file, &kept).with_context(|| format!("move {} to {}", file.display(), kept.display()))?;
        Ok(Self { digest, size })
    }

    fn of_json(layout: &Path, value: &Value) -> Result<Self> {
        let file = layout.join("blob");
        write(&file, value.to_string())?;
        Self::keep(layout, &file)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({ "mediaType": media_type, "digest": format!("sha256:{}", self.digest), "size": self.size })
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }
}

/// Makes the archive of the image, and beside it `image/root` with what is in it and `image/layout` with the layout.
pub(super) fn make(packages: &Path, build: &Build) -> Result<PathBuf> {
    let (root, layout) = (packages.join("image/root"), packages.join("image/layout"));
    fill(&root, build)?;
    create(&layout.join("blobs/sha256"))?;

    let layer = packages.join("layer.tar");
    tar(0)
        .args(["-cf".as_ref(), layer.as_os_str()])
        .args(["bin", "etc"])
        .folder(&root)
        .run()?;
    tar(USER)
        .args(["-rf".as_ref(), layer.as_os_str()])
        .args([WORKING_FOLDER])
        .folder(&root)
        .run()?;
    let uncompressed = checksum(&layer)?;
    Step::new("gzip", &["-9", "-n"]).args([&layer]).run()?;
    let layer = Blob::keep(&layout, &packages.join("layer.tar.gz"))?;
    let config = Blob::of_json(&layout, &config(&uncompressed))?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config.descriptor(CONFIG),
        "layers": [layer.descriptor(LAYER)],
    });
    let manifest = Blob::of_json(&layout, &manifest)?;
    let version = env!("CARGO_PKG_VERSION");
    let mut entry = manifest.descriptor(MANIFEST);
    if let Some(entry) = entry.as_object_mut() {
        let annotations = json!({ "org.opencontainers.image.ref.name": version });
        entry.insert("annotations".to_owned(), annotations);
    }
    let index = json!({ "schemaVersion": 2, "manifests": [entry] });
    let for_docker = json!([{
        "Config": config.path(),
        "RepoTags": [format!("wharf:{version}")],
        "Layers": [layer.path()],
    }]);
    write(
        &layout.join("oci-layout"),
        json!({ "imageLayoutVersion": "1.0.0" }).to_string(),
    )?;
    write(&layout.join("index.json"), index.to_string())?;
    write(&layout.join("manifest.json"), for_docker.to_string())?;

    let archive = packages.join(format!("wharf-{version}-image.tar"));
    tar(0)
        .args(["-cf".as_ref(), archive.as_os_str()])
        .args(["oci-layout", "index.json", "manifest.json", "blobs"])
        .folder(&layout)
        .run()?;
    Ok(archive)
}

/// What is in the image.
fn fill(root: &Path, build: &Build) -> Result<()> {
    for folder in ["bin", "etc", WORKING_FOLDER] {
        create(&root.join(folder))?;
    }
    copy(&build.program, &root.join("bin/wharf"))?;
    // Command lines that name the program of the Pushgateway's image go on to work.
    symlink("wharf", root.join("bin/pushgateway")).context("link the name of the Pushgateway")?;
    write(
        &root.join("etc/passwd"),
        format!(
            "root:x:0:0:root:/:/sbin/nologin\nnobody:x:{USER}:{USER}:nobody:/{WORKING_FOLDER}:/sbin/nologin\n"
        ),
    )?;
    // The health check asks at `localhost`. Whoever runs containers puts a file of theirs over this one, but not everybody does.
    write(&root.join("etc/hosts"), "127.0.0.1 localhost\n::1 localhost\n")?;
    write(&root.join("etc/group"), format!("root:x:0:\nnogroup:x:{USER}:\n"))
}

/// How the image is run.
fn config(layer: &str) -> Value {
    let seconds = |seconds: u64| seconds * 1_000_000_000;
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "User": format!("{USER}:{USER}"),
            "ExposedPorts": { "9091/tcp": {} },
            "Entrypoint": ["/bin/pushgateway"],
            "Env": ["PATH=/bin"],
            "WorkingDir": format!("/{WORKING_FOLDER}"),
            "Volumes": { format!("/{WORKING_FOLDER}"): {} },
            "StopSignal": "SIGTERM",
            "Labels": {
                "org.opencontainers.image.title": "Wharf",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
            // The standard has no health checks; Docker and Podman read this all the same.
            "Healthcheck": {
                "Test": ["CMD", "/bin/wharf", "healthy"],
                "Interval": seconds(30),
                "Timeout": seconds(10),
                "StartPeriod": seconds(300),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer}")] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "cargo xtask package" }],
    })
}
