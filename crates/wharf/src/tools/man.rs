//! `wharf man`: the manual pages, that of the gateway and one a tool.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap_mangen::Man;

use super::{TOOLS, Tool};

/// Print the manual page of the gateway or of a tool, or write all of them into a folder.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf man | man -l -
  wharf man --out /usr/local/share/man/man1")]
pub(super) struct Arguments {
    /// The tool; the gateway if none is named
    #[arg(value_name = "TOOL", value_parser = tool)]
    tool: Option<&'static Tool>,

    /// Write every page into this folder, which must be there: wharf.1, wharf-ls.1, ...
    #[arg(long, value_name = "DIR", conflicts_with = "tool")]
    out: Option<PathBuf>,
}

fn tool(name: &str) -> Result<&'static Tool, String> {
    super::find(name).ok_or_else(|| "expected the name of a tool".to_owned())
}

/// Runs `wharf man`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::carry_out("man", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &arguments.out {
        let write = |name: String, page: Vec<u8>| {
            let path = folder.join(name);
            std::fs::write(&path, page).with_context(|| format!("write {}", path.display()))
        };
        write("wharf.1".to_owned(), of_gateway())?;
        for tool in &TOOLS {
            write(format!("wharf-{}.1", tool.name), of_tool(tool)?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let page = match arguments.tool {
        Some(tool) => of_tool(tool)?,
        None => of_gateway(),
    };
    std::io::stdout().lock().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}

fn of_gateway() -> Vec<u8> {
    crate::args::man_page("wharf").into_bytes()
}

fn of_tool(tool: &Tool) -> anyhow::Result<Vec<u8>> {
    let command = tool
        .outline()
        .display_name(format!("wharf-{}", tool.name))
        .bin_name(format!("wharf {}", tool.name))
        .disable_version_flag(true);
    let mut page = Vec::new();
    let source = format!("wharf {}", crate::version::BUILD.version);
    Man::new(command).source(source).render(&mut page)?;
    Ok(page)
}
