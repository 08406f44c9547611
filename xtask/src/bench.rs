//! `cargo xtask bench`: Wharf as it is released, beside the programs that one would otherwise use.

use anyhow::Result;

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
