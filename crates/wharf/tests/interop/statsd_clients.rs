//! Clients of `StatsD` as services use them: what their lines come to in Wharf, and where that is not what they come to in the exporter.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;

use expect_test::expect_file;
use wharf_testkit::{Scrape, peers, until};

use crate::run::sources;
use crate::statsd_exporter::{exporter, scrape};
use crate::wharf;

macro_rules! clients {
    ($($module:ident = $folder:literal,)*) => {
        const CLIENTS: &[&str] = &[$($folder),*];
        $(mod $module {
            #[test]
            fn loses_nothing_that_it_means() {
                super::loses_nothing($folder);
            }
        })*
    };
}

clients! {
    statsd_go = "statsd-go",
    statsd_java = "statsd-java",
    statsd_node = "statsd-node",
    statsd_python = "statsd-python",
    statsd_rust = "statsd-rust",
}

#[test]
fn every_folder_has_its_test() {
    let entries = std::fs::read_dir(sources()).unwrap().map(|entry| entry.unwrap());
    let with_job = entries.filter(|entry| entry.path().join("send").exists());
    let mut folders: Vec<String> = with_job
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    assert_eq!(folders, CLIENTS);
}

/// What the clients find in a container of `DataDog`'s.
const CONTAINER: [(&str, &str); 3] = [
    ("DD_EXTERNAL_ENV", "it-false,cn-nginx"),
    ("DD_CARDINALITY", "low"),
    ("DD_SERVICE", "shop"),
];

/// Runs the job of a client against Wharf and against the exporter, as it is by default and as in a container. `expected.txt` has all series
/// that Wharf shows then, and how those of the exporter differ: `+` is what only Wharf has, `-` what only the exporter has.
#[track_caller]
fn loses_nothing(client: &str) {
    let (Some(built), Some(theirs)) = (peers::client(client), peers::client("statsd-exporter")) else {
        return;
    };
    let mut report = String::new();
    for mode in ["default", "container"] {
        let gateway = wharf()
            .arg("--statsd.listen-udp=127.0.0.1:0")
            // Members are gathered for as long as it takes.
            .arg("--statsd.set-interval=1h")
            .start();
        let line = gateway.log_line("way=udp ");
        let (_, address) = line.rsplit_once("address=").unwrap();
        let ours = sent(
            client,
            &built,
            mode,
            gateway.address(),
            address.trim_matches('"').parse().unwrap(),
        );
        // It does not say which port it got.
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let socket = free.local_addr().unwrap();
        drop(free);
        let udp = format!("--statsd.listen-udp={socket}");
        let (_exporter, address) = exporter(&theirs.join("statsd_exporter"), &[udp]);
        let theirs = sent(client, &built, mode, address, socket);
        writeln!(report, "# {mode}").unwrap();
        for series in &ours {
            writeln!(report, "{series}").unwrap();
        }
        writeln!(report, "\n# {mode}: statsd_exporter").unwrap();
        for series in ours.symmetric_difference(&theirs) {
            let side = if ours.contains(series) { '+' } else { '-' };
            writeln!(report, "{side} {series}").unwrap();
        }
        report.push('\n');
    }
    expect_file![sources().join(client).join("expected.txt")].assert_eq(report.trim_end_matches('\n'));
}

/// The series that are shown after the job has sent its lines there.
fn sent(client: &str, built: &Path, mode: &str, shown: SocketAddr, socket: SocketAddr) -> BTreeSet<String> {
    until("a first scrape", || scrape(shown)).unwrap();
    let mut job = Command::new(sources().join(client).join("send"));
    job.arg(built).arg(socket.to_string()).arg(mode);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DD_")) {
        job.env_remove(name);
    }
    if mode == "container" {
        job.envs(CONTAINER);
    }
    let output = job.output().unwrap();
    assert!(output.status.success(), "{client}: {output:?}");
    // What is sent to a socket of this machine is there in the order in which it was sent.
    let after = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    after.send_to(b"the.end:1|c", socket).unwrap();
    until("the end of the lines", || {
        let scrape = scrape(shown)?.unwrap();
        scrape.value("the_end", &[]).is_some().then(|| series(&scrape))
    })
}

/// The series that lines have made, and what was counted of lines that made none.
fn series(scrape: &Scrape) -> BTreeSet<String> {
    let counts = [
        "statsd_exporter_sample_errors_total",
        "statsd_exporter_events_error_total",
        "wharf_statsd_messages_total",
    ];
    let others = [
        "go_",
        "process_",
        "promhttp_",
        "statsd_exporter_",
        "statsd_metric_mapper_",
        "wharf_",
        "pushgateway_",
        "push_",
        "the_end",
        // What clients say of themselves. It differs from run to run.
        "datadog_dogstatsd_client_",
    ];
    let samples = scrape.samples.iter().filter(|sample| {
        counts.contains(&sample.name.as_str()) || !others.iter().any(|prefix| sample.name.starts_with(prefix))
    });
    let series = samples.map(|sample| {
        let mut labels = sample.labels.clone();
        labels.retain(|name, value| {
            !(name == "job" && value == "statsd" || name == "instance" && value.is_empty())
        });
        if let Some(id) = labels.get_mut("container_id")
            && id.starts_with("in-")
        {
            // The number of a folder of the machine.
            "in-NUMBER".clone_into(id);
        }
        let labels: Vec<String> = labels
            .iter()
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let (open, close) = if labels.is_empty() { ("", "") } else { ("{", "}") };
        format!(
            "{}{open}{}{close} {}",
            sample.name,
            labels.join(","),
            sample.value
        )
    });
    series.collect()
}
