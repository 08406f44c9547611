//! `cargo xtask bench`: Wharf as it is released, beside the programs that one would otherwise use.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::interop;
use crate::peers;
use crate::shell::Step;

/// `[list | report | QUESTION...] [OPTIONS]`, all handed on to `wharf-bench`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    // These only print or write.
    let measures = !args
        .iter()
        .any(|arg| matches!(arg.as_str(), "list" | "report" | "help"));
    let harness = ["run", "--release", "--locked", "--package", "wharf-bench", "--"];
    if !measures {
        return Step::cargo(&harness).args(args).run();
    }
    let peers = peers::bring_for_benchmarks()?;
    bring_exporter(&peers)?;
    // The harness finds what is built here from where it is itself.
    Step::cargo(&["build", "--release", "--locked", "--package", "wharf"]).run()?;
    if args.iter().any(|arg| arg == "--dist") {
        Step::cargo(&["build", "--profile", "dist", "--locked", "--package", "wharf"]).run()?;
    }
    Step::cargo(&harness)
        .args(args)
        .args(["--peers".as_ref(), peers.as_os_str()])
        .run()
}

/// Puts the exporter of `StatsD`, which is built for the tests too, beside the other programs.
fn bring_exporter(peers: &Path) -> Result<()> {
    let name = "statsd-exporter";
    let built = interop::bring(&[name.to_owned()])?.join(name);
    let program = "statsd_exporter";
    let folder = peers.join(name);
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    fs::copy(built.join(program), folder.join(program))
        .with_context(|| format!("copy {program} to {}", folder.display()))?;
    Ok(())
}
