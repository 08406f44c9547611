//! `wharf ledger copy`: from a folder into etcd, and back.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use wharf_etcd::{Etcd, EtcdSettings, Member, Unusable};
use wharf_ledger::{Ledger, Options, RealDisk, files_of_a_ledger};
use wharf_shared_log::{Bytes, Committed, Expect, LogError, Put, SharedLog as _, Txn};
use wharf_store::{Reserved, Store, record_of_shared, shared_of_record};

use super::scanned::load;
use crate::tools::output;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  wharf ledger copy wharf-data http://10.0.0.1:2379,http://10.0.0.2:2379
  wharf ledger copy https://etcd.example:2379 wharf-data --ca-file ca.crt --user wharf --password-file password")]
pub(super) struct Arguments {
    /// Where the groups are: a folder, or the URLs of etcd members with commas between them
    from: String,

    /// Where they go: etcd, or a folder, which is to be empty or new
    to: String,

    /// How the keys in etcd begin, as --storage.etcd-prefix
    #[arg(long, default_value = "/wharf/")]
    prefix: String,

    /// User of etcd
    #[arg(long, requires = "password_file")]
    user: Option<String>,

    /// File with the password of that user
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,

    /// File with the authorities that have signed etcd's certificates
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// File with the certificate to show to etcd
    #[arg(long, value_name = "FILE", requires = "key_file")]
    cert_file: Option<PathBuf>,

    /// File with the key of that certificate
    #[arg(long, value_name = "FILE", requires = "cert_file")]
    key_file: Option<PathBuf>,
}

/// How long etcd is asked again while it does not answer.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(200);

pub(super) fn copy(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start a runtime")?;
    match (is_etcd(&arguments.from), is_etcd(&arguments.to)) {
        (false, true) => {
            let etcd = etcd(&arguments.to, arguments)?;
            runtime.block_on(into_etcd(Path::new(&arguments.from), &etcd, out))
        }
        (true, false) => {
            let etcd = etcd(&arguments.from, arguments)?;
            runtime.block_on(into_folder(&etcd, Path::new(&arguments.to), out))
        }
        (false, false) => bail!(
            "expected the URL of an etcd as one of the two, found two folders\n\
             hint: `wharf ledger backup` copies a folder"
        ),
        (true, true) => bail!("expected a folder as one of the two, found two etcds"),
    }
}

fn is_etcd(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

fn etcd(urls: &str, arguments: &Arguments) -> anyhow::Result<Etcd> {
    let members = urls.split(',').map(str::trim).map(str::parse::<Member>);
    let end = if arguments.prefix.ends_with('/') { "" } else { "/" };
    Ok(Etcd::new(EtcdSettings {
        members: members.collect::<Result<_, _>>()?,
        prefix: format!("{}{end}", arguments.prefix).into(),
        user: arguments.user.clone().zip(arguments.password_file.clone()),
        authorities: arguments.ca_file.clone(),
        identity: arguments.cert_file.clone().zip(arguments.key_file.clone()),
    }))
}

/// Waits until etcd can be used.
async fn connect(etcd: &Etcd) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        match etcd.about().await {
            Ok(_) => return Ok(()),
            Err(Unusable::NotNow(_)) if began.elapsed() < PATIENCE => tokio::time::sleep(PAUSE).await,
            Err(error) => bail!("etcd cannot be used: {error}"),
        }
    }
}

async fn into_etcd(folder: &Path, etcd: &Etcd, out: &mut dyn Write) -> anyhow::Result<()> {
    let (store, _) = load(&super::folder::open(folder)?, None)?;
    connect(etcd).await?;
    let limits = etcd.limits();
    let mut groups = Vec::new();
    for record in store.images() {
        let (key, value) = shared_of_record(record).context("a record of a group cannot be read")?;
        ensure!(
            value.len() <= limits.value_bytes,
            "expected at most {} bytes of a group once it is compressed, found {}: {}\n\
             hint: nothing was copied; push this group in parts, or delete it",
            limits.value_bytes,
            value.len(),
            record_of_shared(&key, &[]).map_or_else(String::new, |(key, _)| key.to_string())
        );
        groups.push((key, value));
    }
    let all = groups.len() as u64;
    let mut there = 0;
    let mut txn = Txn::default();
    for (key, value) in groups {
        let put = Put {
            key,
            value,
            expect: Expect::Absent,
            lease: None,
        };
        let is_full =
            txn.operations() >= limits.operations / 2 || txn.bytes() + put.value.len() > limits.txn_bytes;
        if is_full && txn.operations() > 0 {
            there += write(etcd, std::mem::take(&mut txn)).await?;
        }
        txn.puts.push(put);
    }
    if txn.operations() > 0 {
        there += write(etcd, txn).await?;
    }
    let copied = output::counted(all - there, "group", "groups");
    writeln!(out, "copied {copied} into etcd")?;
    if there > 0 {
        let there = output::counted(there, "group", "groups");
        writeln!(out, "left as they were: {there} that etcd had already")?;
    }
    Ok(())
}

/// Writes groups that are not there; how many are.
async fn write(etcd: &Etcd, mut txn: Txn) -> anyhow::Result<u64> {
    let began = Instant::now();
    let mut there = 0;
    // Whether an answer was lost: what is there then may be what was sent.
    let mut was_lost = false;
    while txn.operations() > 0 {
        match etcd.commit(txn.clone()).await {
            Ok(Committed::At(_)) => break,
            Ok(Committed::Stale { keys, .. }) => {
                let found: Vec<Put>;
                (found, txn.puts) = txn.puts.into_iter().partition(|put| keys.contains(&put.key));
                for put in found {
                    let is_ours = was_lost && value_of(etcd, &put.key).await?.as_ref() == Some(&put.value);
                    there += u64::from(!is_ours);
                }
            }
            Err(LogError::Unknown { .. } | LogError::Unreachable { .. }) if began.elapsed() < PATIENCE => {
                was_lost = true;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => bail!("write to etcd: {error}\nhint: what was written before stays; run it again"),
        }
    }
    Ok(there)
}

async fn value_of(etcd: &Etcd, key: &Bytes) -> anyhow::Result<Option<Bytes>> {
    let found = etcd.read(key).await.context("read from etcd")?;
    Ok(found.map(|entry| entry.value))
}

async fn into_folder(etcd: &Etcd, folder: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    connect(etcd).await?;
    let loaded = etcd.load(None).await.context("read from etcd")?;
    let store = Arc::new(Store::new(Reserved::default(), usize::MAX));
    for entry in &loaded.entries {
        let Some((key, record)) = record_of_shared(&entry.key, &entry.value) else {
            continue;
        };
        let record =
            record.with_context(|| format!("group {key}: a later version of Wharf has written it"))?;
        store.replay(&record).with_context(|| format!("group {key}"))?;
    }
    let shown = folder.display();
    let disk = RealDisk::new(folder).with_context(|| format!("make {shown}"))?;
    let names = files_of_a_ledger(&disk)?;
    ensure!(
        names.is_empty(),
        "expected an empty folder, found groups in {shown}"
    );
    let (ledger, recovery) = Ledger::open(Arc::new(disk), Options::default(), &mut |_| Ok(()))
        .with_context(|| format!("make a ledger in {shown}"))?;
    store.attach(ledger.clone(), recovery.last, true);
    store.checkpoint(false).context("write the groups")?;
    ledger.close().context("close the ledger")?;
    let totals = store.totals();
    let groups = output::counted(totals.groups as u64, "group", "groups");
    writeln!(out, "copied {groups} with {} series into {shown}", totals.series)?;
    Ok(())
}
