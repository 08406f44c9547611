//! `wharf man`: the manual pages, that of the gateway and one a tool.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::command::carry_out_with;
use super::tool::{Tool, find, listed};

/// Print the manual page of the gateway or of a tool, or write all of them into a folder.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf man | man -l -
  wharf man --out /usr/local/share/man/man1")]
pub(super) struct Arguments {
    /// The tool; the gateway if none is named
    #[arg(value_name = "TOOL", value_parser = no_tool)]
    tool: Option<&'static Tool>,

    /// Write every page into this folder, which must be there: wharf.1, wharf-ls.1, ...
    #[arg(long, value_name = "DIR", conflicts_with = "tool")]
    out: Option<PathBuf>,
}

/// Which tools there are, is known when it runs.
fn no_tool(_name: &str) -> Result<&'static Tool, String> {
    Err("expected the name of a tool".to_owned())
}

/// Runs `wharf man`.
pub(super) fn run(tools: &'static [Tool], arguments: &[OsString]) -> ExitCode {
    let tool = |name: &str| find(tools, name).map_or_else(|| no_tool(name), Ok);
    let fit = |command: clap::Command| command.mut_arg("tool", |argument| argument.value_parser(tool));
    carry_out_with("man", fit, arguments, |arguments| execute(tools, arguments))
}

fn execute(tools: &[Tool], arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(folder) = &arguments.out {
        let write = |name: String, page: Vec<u8>| {
            let path = folder.join(name);
            std::fs::write(&path, page).with_context(|| format!("write {}", path.display()))
        };
        write("wharf.1".to_owned(), of_gateway(tools))?;
        for tool in tools {
            let command = whole(tool);
            for command in std::iter::once(&command).chain(command.get_subcommands()) {
                write(format!("{}.1", title(command)), page(command.clone())?)?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let page = match arguments.tool {
        Some(tool) => page(whole(tool))?,
        None => of_gateway(tools),
    };
    std::io::stdout().lock().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}

fn of_gateway(tools: &[Tool]) -> Vec<u8> {
    crate::args::man_page("wharf", &listed(tools)).into_bytes()
}

/// The command line of a tool, with its name as it is called.
pub(super) fn whole(tool: &Tool) -> clap::Command {
    let mut command = tool
        .outline()
        .display_name(format!("wharf-{}", tool.name))
        .bin_name(format!("wharf {}", tool.name))
        .disable_help_subcommand(true)
        .disable_version_flag(true);
    // What is below it learns its own name.
    command.build();
    command
}

/// What the page of a tool, or of one of its commands, is called: `wharf-ledger-check`.
fn title(command: &clap::Command) -> String {
    command
        .get_display_name()
        .unwrap_or(command.get_name())
        .to_owned()
}

fn page(command: clap::Command) -> anyhow::Result<Vec<u8>> {
    let mut usage = command.clone();
    let source = format!("wharf {}", crate::version::BUILD.version);
    let has_commands = command.has_subcommands();
    let man = Man::new(command).source(source);
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    // The line of the help, which says what has to be given and in which order; flags have a section of their own.
    let usage = usage.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let mut synopsis = Roff::default();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.text([roman(usage)]);
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_commands {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_extra_section(&mut page)?;
    Ok(page)
}
