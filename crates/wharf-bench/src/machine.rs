//! Where the figures come from: processor, kernel, versions.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Command;

use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use crate::subject::Programs;

/// The machine and the programs on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of the processor.
    pub processor: String,
    /// Processors that we may use.
    pub cores: usize,
    /// Memory, in MiB.
    pub memory_mib: u64,
    /// Kernel name and release.
    pub kernel: String,
    /// Each program with its version.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This machine. What cannot be found out is empty.
    pub fn here(programs: &Programs) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let peer = |path: &str| programs.peers.join(path);
        let versions = [
            ("Wharf", programs.wharf.clone(), "--version"),
            (
                "Pushgateway",
                peer("pgw/usr/bin/prometheus-pushgateway"),
                "--version",
            ),
            ("nginx", peer("nginx/usr/sbin/nginx"), "-v"),
        ];
        Self {
            processor: field(&cpuinfo, "model name").unwrap_or_default().to_owned(),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_mib: field(&meminfo, "MemTotal")
                .and_then(|value| value.split(' ').next()?.parse::<u64>().ok())
                .unwrap_or(0)
                / 1024,
            kernel: format!("Linux {}", release.trim()),
            versions: versions
                .into_iter()
                .filter_map(|(name, program, flag)| {
                    let output = Command::new(program).arg(flag).output().ok()?;
                    let text = [output.stdout, output.stderr].concat();
                    Some((name.to_owned(), version(&String::from_utf8_lossy(&text))?))
                })
                // Its package does not tell the program.
                .chain(
                    packaged_version(&peer("vm"), "victoria-metrics")
                        .map(|version| ("VictoriaMetrics".to_owned(), version)),
                )
                .collect(),
        }
    }
}

/// The value of a `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    })
}

/// The version of a Debian package that is unpacked in `folder`, from its changelog.
fn packaged_version(folder: &Path, package: &str) -> Option<String> {
    let path = folder.join(format!("usr/share/doc/{package}/changelog.Debian.gz"));
    let mut text = String::new();
    let changelog = GzDecoder::new(fs::File::open(path).ok()?);
    // The first line has it.
    changelog.take(200).read_to_string(&mut text).ok()?;
    version(&text)
}

/// The first word with a digit and a dot in it, of what a program says about its version.
fn version(text: &str) -> Option<String> {
    let words = text.split([' ', '\n', ',', '(', ')']);
    let mut versions = words.filter(|word| word.contains('.') && word.contains(|c: char| c.is_ascii_digit()));
    let word = versions.next()?;
    Some(word.rsplit('/').next().unwrap_or(word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        let found = |text| version(text).unwrap();
        assert_eq!(
            found("pushgateway, version 1.11.2 (branch: debian/sid)\n"),
            "1.11.2"
        );
        assert_eq!(found("nginx version: nginx/1.22.1\n"), "1.22.1");
        assert_eq!(
            found("victoria-metrics (1.112.0+ds1-2) unstable; urgency=low\n"),
            "1.112.0+ds1-2"
        );
        assert_eq!(version("no version"), None);
    }

    #[test]
    fn fields_have_a_name_and_a_value() {
        assert_eq!(
            field("a\t: 1\nmodel name\t: X (R)\n", "model name"),
            Some("X (R)")
        );
    }
}
