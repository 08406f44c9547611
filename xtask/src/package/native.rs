//! Packages for Debian and for RPM, made by nfpm from `packaging/linux`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::build::Build;
use super::contents::{Contents, MAINTAINER};
use super::{commit_seconds, create};
use crate::shell::{Step, root, variable};
use crate::tools::NFPM;

/// Makes the packages `wharf` and `wharf-pushgateway` for Debian, and `wharf` for RPM.
pub(super) fn make(packages: &Path, build: &Build, contents: &Contents) -> Result<[PathBuf; 3]> {
    let make = |name, config, packager, file: String| {
        let package = Package {
            name,
            config,
            packager,
            version: VERSION,
        };
        package.make(&packages.join(file), build, contents)
    };
    Ok([
        make(
            "wharf",
            "nfpm.yaml",
            "deb",
            format!("wharf_{VERSION}-1_amd64.deb"),
        )?,
        make(
            "wharf-pushgateway",
            "nfpm-pushgateway.yaml",
            "deb",
            format!("wharf-pushgateway_{VERSION}-1_amd64.deb"),
        )?,
        make(
            "wharf",
            "nfpm.yaml",
            "rpm",
            format!("wharf-{VERSION}-1.x86_64.rpm"),
        )?,
    ])
}

/// The package `wharf` as if it were of a later version, to try an upgrade: `deb` or `rpm`.
pub(super) fn newer(
    packages: &Path,
    build: &Build,
    contents: &Contents,
    packager: &'static str,
) -> Result<PathBuf> {
    let package = Package {
        name: "wharf",
        config: "nfpm.yaml",
        packager,
        version: NEWER,
    };
    let folder = packages.join("newer");
    create(&folder)?;
    package.make(&folder.join(format!("wharf-{NEWER}.{packager}")), build, contents)
}

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Higher than any version that is built here.
const NEWER: &str = "999.0.0";

/// A package that nfpm makes.
struct Package {
    name: &'static str,
    /// Its file in `packaging/linux`.
    config: &'static str,
    packager: &'static str,
    version: &'static str,
}

impl Package {
    fn make(&self, target: &Path, build: &Build, contents: &Contents) -> Result<PathBuf> {
        let maintainer = variable("WHARF_MAINTAINER").unwrap_or_else(|| MAINTAINER.to_owned());
        contents.of_package(self.name, self.version, &maintainer)?;
        let config = root().join("packaging/linux").join(self.config);
        Step::new(NFPM.bring()?, &["package", "--packager", self.packager])
            .args(["--config".as_ref(), config.as_os_str()])
            .args(["--target".as_ref(), target.as_os_str()])
            .env("FILES", &contents.folder)
            .env("ARCH", "amd64")
            .env("VERSION", self.version)
            .env("GLIBC", build.c_library()?)
            .env("MAINTAINER", maintainer)
            .env("SOURCE_DATE_EPOCH", commit_seconds()?)
            .run()?;
        Ok(target.to_owned())
    }
}
