//! Which build this is.

use std::env::consts;

/// The release of the Pushgateway whose behaviour this one follows.
pub const COMPATIBLE_WITH: &str = "1.11.2";

/// This build.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    branch: env!("WHARF_BUILD_BRANCH"),
    revision: env!("WHARF_BUILD_REVISION"),
    build_user: env!("WHARF_BUILD_USER"),
    build_date: env!("WHARF_BUILD_DATE"),
    compiler: concat!("rustc", env!("WHARF_BUILD_RUSTC")),
    os: go_os(),
    arch: go_arch(),
    tags: "unknown",
};

/// What is known about a build. What is not known is `unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// Our own version.
    pub version: &'static str,
    /// The git branch.
    pub branch: &'static str,
    /// The git commit.
    pub revision: &'static str,
    /// Who built it; known only if the packager says so.
    pub build_user: &'static str,
    /// When the commit was made (UTC, `20260102-03:04:05`), so that the same source gives the same binary.
    pub build_date: &'static str,
    /// The compiler, as `rustc1.95.0`. It stands where the Pushgateway names its Go version.
    pub compiler: &'static str,
    /// The operating system under its Go name, which dashboards and scripts know.
    pub os: &'static str,
    /// The processor architecture under its Go name.
    pub arch: &'static str,
    /// Build tags. There are none to choose from.
    pub tags: &'static str,
}

impl Build {
    /// The output of `--version`: the Pushgateway's six lines and one of our own.
    pub fn report(&self) -> String {
        let Self {
            version,
            branch,
            revision,
            build_user,
            build_date,
            compiler,
            os,
            arch,
            tags,
        } = self;
        format!(
            "wharf, version {version} (branch: {branch}, revision: {revision})
  build user:       {build_user}
  build date:       {build_date}
  rust version:     {compiler}
  platform:         {os}/{arch}
  tags:             {tags}
  compatible with:  pushgateway {COMPATIBLE_WITH}
"
        )
    }

    /// The `version` attribute of the first log line.
    pub fn info(&self) -> String {
        format!(
            "(version={}, branch={}, revision={})",
            self.version, self.branch, self.revision
        )
    }

    /// The `build_context` attribute of the second log line.
    pub fn context(&self) -> String {
        let Self {
            build_user,
            build_date,
            compiler,
            os,
            arch,
            tags,
            ..
        } = self;
        format!("(rust={compiler}, platform={os}/{arch}, user={build_user}, date={build_date}, tags={tags})")
    }
}

const fn go_os() -> &'static str {
    match consts::OS.as_bytes() {
        b"macos" => "darwin",
        _ => consts::OS,
    }
}

const fn go_arch() -> &'static str {
    match consts::ARCH.as_bytes() {
        b"x86_64" => "amd64",
        b"x86" => "386",
        b"aarch64" => "arm64",
        b"loongarch64" => "loong64",
        b"powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        b"powerpc64" => "ppc64",
        _ => consts::ARCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: Build = Build {
        version: "1.2.3",
        branch: "HEAD",
        revision: "abc",
        build_user: "unknown",
        build_date: "20260102-03:04:05",
        compiler: "rustc1.95.0",
        os: "linux",
        arch: "amd64",
        tags: "unknown",
    };

    #[test]
    fn the_report_has_the_shape_of_the_original() {
        let expected = "wharf, version 1.2.3 (branch: HEAD, revision: abc)
  build user:       unknown
  build date:       20260102-03:04:05
  rust version:     rustc1.95.0
  platform:         linux/amd64
  tags:             unknown
  compatible with:  pushgateway 1.11.2
";
        assert_eq!(EXAMPLE.report(), expected);
        assert_eq!(EXAMPLE.info(), "(version=1.2.3, branch=HEAD, revision=abc)");
        let context =
            "(rust=rustc1.95.0, platform=linux/amd64, user=unknown, date=20260102-03:04:05, tags=unknown)";
        assert_eq!(EXAMPLE.context(), context);
    }

    #[test]
    fn every_value_of_this_build_is_filled_in() {
        let Build {
            version,
            branch,
            revision,
            build_user,
            build_date,
            compiler,
            os,
            arch,
            tags,
        } = BUILD;
        for value in [
            version, branch, revision, build_user, build_date, compiler, os, arch, tags,
        ] {
            assert!(!value.is_empty(), "{BUILD:?}");
        }
    }
}
