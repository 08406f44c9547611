//! The image: real tools accept it, and what is in it runs.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::{apart, clear, prints};
use crate::package::{self, Packages};
use crate::shell::{Step, root};

pub(super) fn check(packages: &Packages) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let archive = packages.image.display();
    let expected = [
        "\"User\": \"65534:65534\"",
        "\"9091/tcp\": {}",
        "\"/bin/pushgateway\"",
        "\"WorkingDir\": \"/pushgateway\"",
    ];
    // As OCI, and as `docker load` reads it.
    for name in [
        format!("oci-archive:{archive}:{version}"),
        format!("docker-archive:{archive}"),
    ] {
        prints(Step::new("skopeo", &["inspect", "--config", &name]), &expected)?;
    }
    let folder = package::folder()?.join("image-bundle");
    clear(&folder)?;
    let layout = packages.image_layout.display();
    Step::new("umoci", &["unpack", "--image", &format!("{layout}:{version}")])
        .args([&folder])
        .run()?;
    let unpacked = folder.join("rootfs");
    let is_ours = Step::new("stat", &["--format=%u:%g"]).args([unpacked.join("pushgateway")]);
    prints(is_ours, &["65534:65534"])?;
    Step::new("cp", &["packaging/container/try-root.sh"])
        .args([&folder])
        .run()?;
    apart("exec sh \"$0/try-root.sh\" \"$0/rootfs\"")
        .args([&folder])
        .run()?;
    clear(&folder)?;
    dockerfile(packages, &expected)
}

/// The Dockerfile makes the same of the same files.
fn dockerfile(packages: &Packages, expected: &[&str]) -> Result<()> {
    let folder = package::folder()?.join("dockerfile");
    clear(&folder)?;
    fs::create_dir_all(&folder).context("make a folder for an image")?;
    let storage = format!("--root={}", folder.join("storage").display());
    let run_root = format!("--runroot={}", folder.join("run").display());
    let buildah = || Step::new("buildah", &["--storage-driver=vfs", &storage, &run_root]);
    buildah()
        .args([
            "build",
            "--isolation=chroot",
            "--format=docker",
            "--tag=wharf",
            "--file",
        ])
        .args([
            root().join("packaging/container/Dockerfile"),
            packages.image_context.clone(),
        ])
        .run()?;
    let target = format!("oci:{}:built", folder.join("layout").display());
    buildah().args(["push", "wharf", &target]).run()?;
    prints(Step::new("skopeo", &["inspect", "--config", &target]), expected)?;
    let bundle = folder.join("bundle");
    Step::new("umoci", &["unpack", "--image", target.trim_start_matches("oci:")])
        .args([&bundle])
        .run()?;
    let listed = |folder: &std::path::Path| {
        let find = Step::new("find", &[".", "-mindepth", "1", "-printf", "%p %M %U:%G %l\\n"]).folder(folder);
        let mut lines: Vec<String> = find
            .output()
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    let built = listed(&bundle.join("rootfs"));
    ensure!(
        built
            .iter()
            .any(|line| line.starts_with("./pushgateway d") && line.contains("65534:65534")),
        "expected a working folder of the user in the image of the Dockerfile, found {built:#?}"
    );
    ensure!(
        built
            .iter()
            .any(|line| line.starts_with("./bin/wharf -rwxr-xr-x 0:0")),
        "expected the program in the image of the Dockerfile, found {built:#?}"
    );
    clear(&folder)
}
