//! `wharf ledger show`: the groups of a folder, without a gateway.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use anyhow::bail;
use wharf_model::name::EscapingScheme;
use wharf_model::{Choice, Effort, Exposition};
use wharf_scrape::{Compression, Wanted};

use super::scanned::load;
use crate::tools::output::Pushed;
use crate::tools::remote;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The folder
    #[arg(value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,

    /// Which groups: selectors such as '{job=~"ci-.*"}', or names of jobs; all, without any
    #[arg(value_name = "SELECTOR|JOB")]
    selectors: Vec<String>,

    /// The format, as scrapes have it; protobuf is the one that can say everything
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,

    /// What each record of the log does, one a line, instead of the groups: number, time of the push, push, delete or wipe
    #[arg(long, conflicts_with = "output")]
    records: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Openmetrics,
    Protobuf,
}

impl From<Format> for wharf_scrape::Format {
    fn from(format: Format) -> Self {
        match format {
            Format::Text => Self::Text100,
            Format::Openmetrics => Self::OpenMetrics100,
            Format::Protobuf => Self::ProtobufDelimited,
        }
    }
}

pub(super) fn show(arguments: &Arguments) -> anyhow::Result<()> {
    let selectors = remote::parsed(&remote::selectors(&arguments.selectors)?)?;
    if arguments.output == Format::Protobuf && io::stdout().is_terminal() {
        bail!("expected a file or a program to write protobuf to, found a terminal");
    }
    if arguments.records {
        let disk = super::folder::open(&arguments.folder)?;
        return super::records::list(&disk, &selectors, &mut io::stdout().lock());
    }
    let (store, _) = load(&super::folder::open(&arguments.folder)?, None)?;
    let mut snapshot = store.snapshot();
    if !selectors.is_empty() {
        let choice = Choice::all().and(selectors);
        // Nothing ends it.
        snapshot = snapshot
            .matching(&choice, &Effort::unlimited())
            .unwrap_or(snapshot);
        if snapshot.totals().groups == 0 {
            bail!("expected a group that matches, found none\nhint: without a selector all groups are shown");
        }
    }
    let wanted = Wanted {
        format: arguments.output.into(),
        escaping: EscapingScheme::AllowUtf8,
        compression: Compression::Identity,
    };
    let mut out = Pushed::stdout();
    for part in wharf_scrape::render(&Exposition::default(), &snapshot, wanted).parts {
        out.write(&part)?;
    }
    out.flush()?;
    Ok(())
}
