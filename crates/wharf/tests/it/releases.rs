//! What released versions have promised: `docs/releases.md` has the rules.
//!
//! `tests/fixtures/releases/VERSION` is what a version was when it was released, and never changes again:
//!
//! | file | |
//! |---|---|
//! | `promises.txt` | its flags, tools, settings, routes, answers and metrics, one a line |
//! | `folder/` | a storage folder that it has left behind when it was killed |
//! | `groups.txt` | the groups in that folder, as it showed them |

mod promises;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::{Gateway, Spawn, protobuf, until};

use crate::{loaded, wharf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/releases")
}

/// The folder of each version.
fn versions() -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let versions: Vec<_> = paths.filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty());
    versions
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn on(folder: &Path) -> Spawn {
    wharf().args([
        format!("--storage.path={}", folder.display()),
        // Small files, as they are kept for ever.
        "--storage.segment-bytes=64KiB".to_owned(),
        "--web.enable-admin-api".to_owned(),
        "--push.enable-utf8-names".to_owned(),
        // What was removed when the fixtures were made.
        "--undo.max-age=1000000h".to_owned(),
    ])
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All groups with all that was pushed: no other form has as much.
fn groups(gateway: &Gateway) -> String {
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=compact-text;\
                  escaping=allow-utf-8";
    let answer = gateway.send(&get("/metrics?match[]={}").header("Accept", accept));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn data(gateway: &Gateway, path: &str) -> Value {
    let answer = gateway.send(&get(path));
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()["data"].clone()
}

/// Lines without comments, which begin with `#`.
fn lines(text: &str) -> BTreeSet<String> {
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(str::to_owned).collect()
}

#[test]
fn what_a_version_has_promised_is_still_there() {
    let today = lines(&promises::all());
    let given_up = lines(&read(&fixtures().join("given-up.txt")));
    for version in versions() {
        let promised = lines(&read(&version.join("promises.txt")));
        let broken: Vec<_> = promised
            .iter()
            .filter(|promise| !today.contains(*promise) && !given_up.contains(*promise))
            .collect();
        assert!(
            broken.is_empty(),
            "{} has promised what is not there any more: {broken:#?}\ndocs/releases.md says what may be given up, and how",
            version.display()
        );
        let unpromised = given_up.iter().filter(|line| today.contains(*line));
        assert_eq!(
            unpromised.count(),
            0,
            "given-up.txt names something that is there"
        );
    }
}

#[test]
fn the_flags_of_a_version_are_taken_with_their_defaults() {
    let given_up = lines(&read(&fixtures().join("given-up.txt")));
    for version in versions() {
        let promises = lines(&read(&version.join("promises.txt")));
        let flags = promises
            .difference(&given_up)
            .filter_map(|line| line.strip_prefix("flag "));
        let flags = flags.filter_map(|flag| flag.split_once(" = "));
        // An empty one of these says that there is none, which only leaving it out can say; the port has to be free.
        let flags = flags.filter(|(name, default)| !default.is_empty() && *name != "web.listen-address");
        let args: Vec<String> = flags
            .map(|(name, default)| match default {
                "true" => format!("--{name}"),
                "false" => format!("--no-{name}"),
                _ => format!("--{name}={default}"),
            })
            .collect();
        assert!(args.len() > 20, "{args:?}");
        drop(loaded(wharf().args(args)));
    }
}

#[test]
fn a_folder_of_a_version_is_read_with_all_that_is_in_it() {
    for version in versions() {
        let folder = tempfile::tempdir().unwrap();
        copy(&version.join("folder"), folder.path());
        let mut gateway = loaded(on(folder.path()));
        let expected = read(&version.join("groups.txt"));
        assert_eq!(groups(&gateway), expected, "{}", version.display());
        until("the history of pushes", || {
            let history = data(&gateway, "/api/v1/groups/job/a/history");
            (history["pushes"].as_array().unwrap().len() == 3).then_some(())
        });
        assert_ne!(
            data(&gateway, "/api/v1/admin/audit")["entries"],
            serde_json::json!([])
        );
        assert_eq!(gateway.send(&put("/api/v1/admin/undo")).status, 200);
        assert!(groups(&gateway).contains("gone"));

        // And what this version makes of it is read again.
        gateway.push("/metrics/job/a", "later 1\n");
        gateway.terminate();
        assert_eq!(gateway.wait().code, Some(0));
        assert!(groups(&loaded(on(folder.path()))).contains("later"));
    }
}

/// Pushes of every kind.
fn fill(gateway: &Gateway) {
    gateway.replace(
        "/metrics/job/a",
        "# HELP m help\n# TYPE m gauge\nm 1\nn{x=\"1\"} 2\n",
    );
    gateway.push("/metrics/job/a", "m 3\n# TYPE k counter\nk 4\n");
    let many = "h_bucket{job=\"a\",instance=\"i\",le=\"1\"} 1\nh_bucket{job=\"a\",instance=\"i\",le=\"+Inf\"} 2\n\
                h_sum{job=\"a\",instance=\"i\"} 3\nh_count{job=\"a\",instance=\"i\"} 2\ns{job=\"b\",quantile=\"0.5\"} 1\n";
    let many = format!("# TYPE h histogram\n# TYPE s summary\n{many}");
    let many = post("/api/v1/push?group_by=job,instance").body(many);
    assert_eq!(gateway.send(&many).status, 200);
    let openmetrics = "# TYPE c_seconds counter\n# UNIT c_seconds seconds\n\
                       c_seconds_total 7 # {trace_id=\"x\"} 0.5\nc_seconds_created 1.5\n# EOF\n";
    let openmetrics = put("/metrics/job/openmetrics")
        .header(
            "Content-Type",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )
        .body(openmetrics);
    let answer = gateway.send(&openmetrics);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let native = protobuf::delimited(&[protobuf::native_histogram("nh")]);
    let native = put("/metrics/job/native")
        .header("Content-Type", protobuf::CONTENT_TYPE)
        .body(native);
    assert_eq!(gateway.send(&native).status, 200);
    gateway.push("/metrics/job/utf8/ort/K%C3%B6ln", "{\"name.with.dots\"} 1\n");
    gateway.push("/metrics/job/lives?ttl=876000h", "lives 1\n");
    let series = post("/metrics/job/a/instance/i?merge=series")
        .body("# TYPE h histogram\nh_bucket{le=\"1\",x=\"2\"} 1\nh_count{x=\"2\"} 2\n");
    let answer = gateway.send(&series);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(gateway.send(&post("/metrics/job/a").body("m 1 5\n")).status, 400);
}

#[test]
#[ignore = "writes the fixtures of this version; `cargo xtask release` runs it"]
fn record_this_version() {
    let version = fixtures().join(env!("CARGO_PKG_VERSION"));
    assert!(
        !version.exists(),
        "the fixtures are there and must not change: {}",
        version.display()
    );
    let storage = tempfile::tempdir().unwrap();
    let mut gateway = on(storage.path()).start();
    fill(&gateway);
    gateway.push("/metrics/job/gone", "gone 1\n");
    // A checkpoint, and a log behind it.
    gateway.terminate();
    assert_eq!(gateway.wait().code, Some(0));
    let mut gateway = loaded(on(storage.path()));
    gateway.push("/metrics/job/late", "late 1\n");
    assert_eq!(gateway.send(&delete("/metrics/job/gone")).status, 202);
    for name in ["audit", "removed/archive-00000000000000000001"] {
        let file = storage.path().join(name);
        until("what goes to a file later", || {
            fs::metadata(&file)
                .is_ok_and(|file| file.len() > 64)
                .then_some(())
        });
    }
    let groups = groups(&gateway);
    gateway.kill();
    gateway.wait();

    copy(storage.path(), &version.join("folder"));
    for name in ["lock", "removed/lock"] {
        drop(fs::remove_file(version.join("folder").join(name)));
    }
    fs::write(version.join("groups.txt"), groups).unwrap();
    fs::write(version.join("promises.txt"), promises::all()).unwrap();
}
