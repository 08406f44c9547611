//! The RPM, as far as a Debian machine can judge it: nothing here runs its scripts on a system that has RPM.

use anyhow::Result;

use super::{clear, prints};
use crate::package::{self, Packages};
use crate::shell::{Step, root};

pub(super) fn check(packages: &Packages) -> Result<()> {
    let rpm = &packages.rpm;
    Step::new("rpmlint", &["--config"])
        .args([root().join("packaging/linux/rpmlint.toml")])
        .args([rpm])
        .run()?;
    let scripts = ["rpm-pre.sh", "rpm-post.sh", "rpm-preun.sh", "rpm-postun.sh"];
    for script in scripts {
        Step::new("sh", &["-n"])
            .args([root().join("packaging/linux").join(script)])
            .run()?;
    }
    // Its files, in a root that has nothing else.
    let folder = package::folder()?.join("rpm-root");
    clear(&folder)?;
    Step::new("rpm", &["--install", "--nodeps", "--noscripts", "--root"])
        .args([&folder, rpm])
        .run()?;
    let query = |what: &str| Step::new("rpm", &["--query", what, "--package"]).args([rpm]);
    prints(query("--configfiles"), &["/etc/sysconfig/wharf"])?;
    prints(query("--requires"), &["glibc >= "])?;
    prints(
        Step::new(folder.join("usr/bin/wharf"), &["version"]),
        &[env!("CARGO_PKG_VERSION")],
    )?;
    clear(&folder)
}
