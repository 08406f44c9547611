//! `wharf export -o state`: a Pushgateway starts with the file, and shows what Wharf showed; so does Wharf itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use wharf_testkit::http::{delete, get, post, put};
use wharf_testkit::protobuf::Message;
use wharf_testkit::{Gateway, Random, Spawn};

use super::{assert_same, everything, fill, fill_wharf, push_protobuf, pushed, random_family};
use crate::operators::{fails, stderr, succeeds, tool_at};
use crate::{loaded, wharf};

/// A folder, and the state of a gateway in it; what was said of it has to be `warnings`.
#[track_caller]
fn exported(gateway: &Gateway, warnings: &[&str]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state").display().to_string();
    let output = tool_at(gateway, &["export", "-o", "state", "--out", &path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    let said: Vec<_> = said
        .lines()
        .map(|line| line.strip_prefix("wharf export: warning: ").unwrap_or(line))
        .collect();
    assert_eq!(said, warnings);
    assert!(output.stdout.is_empty());
    (folder, path)
}

fn with_state(spawn: Spawn, path: &str) -> Gateway {
    loaded(spawn.arg(format!("--persistence.file={path}")))
}

/// What the JSON tells, by the labels of the group and the name of the family, times and all.
fn listed(gateway: &Gateway) -> BTreeMap<String, Value> {
    let mut answer = gateway.send(&get("/api/v1/metrics")).json();
    let groups = answer["data"].as_array_mut().unwrap().iter_mut();
    let entries = groups.flat_map(|group| {
        let labels = group["labels"].to_string();
        let families = group.as_object_mut().unwrap().iter_mut();
        families
            .map(move |(name, family)| {
                // The order is that of the scrape here, and that of the push there.
                if let Some(metrics) = family.get_mut("metrics").and_then(Value::as_array_mut) {
                    metrics.sort_by_key(Value::to_string);
                }
                // The Pushgateway shows them as gauges of 0.
                if family["type"] == "GAUGE_HISTOGRAM" {
                    family["metrics"] = Value::Null;
                }
                (format!("{labels} {name}"), family.take())
            })
            .collect::<Vec<_>>()
    });
    entries.collect()
}

/// The pushed families in the words of protobuf, but for units, which a Pushgateway keeps to itself, and help, of which it
/// shows that of any group; the JSON has that of each.
fn in_words(gateway: &Gateway) -> Vec<String> {
    let without = |family: String| {
        let is_kept = |line: &&str| !line.starts_with("unit: ") && !line.starts_with("help: ");
        let lines = family.lines().filter(is_kept);
        lines.collect::<Vec<_>>().join("\n")
    };
    pushed(gateway).into_iter().map(without).collect()
}

#[track_caller]
fn assert_shown_alike(one: &Gateway, other: &Gateway) {
    assert_eq!(listed(one), listed(other));
    assert_eq!(in_words(one), in_words(other));
    let text = |gateway: &Gateway| {
        let scrape = get("/metrics").header("Accept", "text/plain;version=0.0.4;escaping=allow-utf-8");
        let text = gateway.send(&scrape).text();
        let own = ["go_", "process_", "pushgateway_", "wharf_", "promhttp_"];
        let is_own = |line: &str| {
            let name = line.trim_start_matches("# TYPE ");
            own.iter().any(|own| name.starts_with(own)) || line.starts_with("# HELP ")
        };
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| !is_own(line))
            .map(str::to_owned)
            .collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(text(one), text(other));
}

const UTF8: &str = "1 group with names beyond letters, digits and underscores: give the Pushgateway --push.enable-utf8-names";

#[test]
fn the_pushgateway_starts_with_all_that_it_can_hold() {
    let Some(real) = Spawn::real() else { return };
    let source = everything(wharf()).start();
    fill_wharf(&source);
    let (_folder, path) = exported(
        &source,
        &[
            "a Pushgateway knows no times to live: 1 group with one will stay until they are deleted",
            "a Pushgateway knows neither infos nor state sets: 2 families of these will be gauges",
            UTF8,
        ],
    );
    let back = with_state(real.arg("--push.enable-utf8-names"), &path);
    assert_shown_alike(&back, &source);
    // It goes on from there: a push finds its group, and so does a delete.
    back.push("/metrics/job/names/U__a_2e_b/1", "m 7\n");
    back.push("/metrics/job/plain/instance/i", "u{instance=\"own\"} 2\n");
    back.send(&delete("/metrics/job/exact/x@base64/w6QvYg"));
    let groups = listed(&back);
    let labels = |name: &str| groups.keys().filter(|key| key.ends_with(name)).count();
    assert_eq!((labels(" labels"), labels(" native_int")), (7, 0));
    let scrape = back.scrape();
    assert_eq!(
        scrape.value("m", &[("a_b", "1"), ("instance", ""), ("job", "names")]),
        Some("7")
    );
    assert_eq!(
        scrape.value("u", &[("instance", "i"), ("job", "plain")]),
        Some("2")
    );
}

#[test]
fn whatever_is_pushed_is_in_the_state_file() {
    let (Some(real), Some(reference)) = (Spawn::real(), Spawn::real()) else {
        return;
    };
    let source = everything(wharf()).start();
    let reference = reference.start();
    let mut random = Random::new(11);
    for group in 0..80 {
        let path = format!("/metrics/job/j/group/{}", group % 60);
        let numbers: Vec<usize> = (0..20).filter(|_| random.one_in(4)).collect();
        let families: Vec<Message> = numbers
            .iter()
            .map(|number| random_family(&mut random, *number))
            .collect();
        push_protobuf(&source, &path, &families);
        push_protobuf(&reference, &path, &families);
    }
    let (_folder, path) = exported(&source, &[]);
    let back = with_state(real, &path);
    assert_eq!(listed(&back), listed(&source));
    // Wharf mends histograms in protobuf, so another Pushgateway says what there should be; it was pushed to at other times,
    // and leaves out zeros that were not pushed.
    let without_times = |gateway: &Gateway| {
        let families = in_words(gateway).into_iter();
        let families = families.filter(|family| !family.starts_with("\"push_"));
        let zeros = ["\n    zero_threshold: 0\n", "\n    zero_count: 0\n"];
        let without_zeros = |family: String| {
            zeros
                .iter()
                .fold(family, |family, zero| family.replace(zero, "\n"))
        };
        families.map(without_zeros).collect::<Vec<_>>()
    };
    for (back, reference) in without_times(&back).iter().zip(&without_times(&reference)) {
        assert_eq!(back, reference);
    }
    assert_eq!(without_times(&back).len(), 20);
    // And Wharf reads what Wharf wrote, at a start and with the tool.
    assert_same(&source, &with_state(everything(wharf()), &path));
    let target = everything(wharf()).start();
    succeeds(&target, &["import", &path]);
    assert_same(&source, &target);
}

#[test]
fn wharf_starts_with_it_as_it_was() {
    let source = everything(wharf()).start();
    fill(&source);
    let (_folder, path) = exported(&source, &[]);
    assert_same(&source, &with_state(everything(wharf()), &path));
}

#[test]
fn a_pushgateway_gives_its_state_by_network() {
    let (Some(real), Some(second)) = (Spawn::real(), Spawn::real()) else {
        return;
    };
    let source = real.arg("--push.enable-utf8-names").start();
    fill(&source);
    source.push("/metrics/job/names/U__a_2e_b/1", "m 1\n");
    let (_folder, path) = exported(&source, &[UTF8]);
    let copy = with_state(second.arg("--push.enable-utf8-names"), &path);
    assert_shown_alike(&source, &copy);
}

#[test]
fn standard_output_has_the_same_file_and_selectors_choose() {
    let source = wharf().start();
    source.push("/metrics/job/a", "m 1\n");
    source.push("/metrics/job/b", "m 2\n");
    let (_folder, path) = exported(&source, &[]);
    let output = tool_at(&source, &["export", "-o", "state"]);
    assert_eq!(output.stdout, fs::read(&path).unwrap());
    let some = tool_at(&source, &["export", "-o", "state", "b", "--out", &path]);
    assert_eq!(some.status.code(), Some(0), "{}", stderr(&some));
    let target = with_state(wharf(), &path);
    assert_eq!(
        target.scrape().value("m", &[("instance", ""), ("job", "b")]),
        Some("2")
    );
    assert_eq!(
        target.scrape().value("m", &[("instance", ""), ("job", "a")]),
        None
    );
}

#[test]
fn whoever_leaves_labels_out_gives_the_pushgateway_its_own() {
    let Some(real) = Spawn::real() else { return };
    let source = wharf().arg("--push.instance-label=omit").start();
    source.push("/metrics/job/a", "m 1\nm{instance=\"i\"} 2\n");
    let (_folder, path) = exported(&source, &[]);
    let back = with_state(real, &path).scrape();
    assert_eq!(back.value("m", &[("instance", ""), ("job", "a")]), Some("1"));
    assert_eq!(back.value("m", &[("instance", "i"), ("job", "a")]), Some("2"));
}

#[test]
fn other_forms_go_into_files_too() {
    let source = wharf().start();
    source.push("/metrics/job/a", "m 1\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for form in ["json", "text"] {
        let printed = succeeds(&source, &["export", "-o", form]);
        let silent = succeeds(&source, &["export", "-o", form, "--out", path.to_str().unwrap()]);
        assert_eq!(
            (silent, fs::read_to_string(&path).unwrap()),
            (String::new(), printed)
        );
    }
}

#[test]
fn a_file_is_replaced_only_by_all_of_an_export() {
    let mut source = wharf().start();
    for job in ["a", "b"] {
        source.send(&put(&format!("/metrics/job/{job}")).body("m 1\n"));
    }
    source.send(&post("/metrics/job/b").body("m 2\n"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "before").unwrap();
    let left = |path: &Path| {
        let names = fs::read_dir(folder.path()).unwrap();
        (fs::read_to_string(path).unwrap(), names.count())
    };
    // It is the text of one group.
    let file = path.to_str().unwrap();
    fails(&tool_at(&source, &["export", "-o", "text", "--out", file]), 1);
    assert_eq!(left(&path), ("before".to_owned(), 1));
    source.terminate();
    source.wait();
    for form in ["json", "state"] {
        fails(
            &tool_at(
                &source,
                &["export", "-o", form, "--out", file, "--request-timeout=1s"],
            ),
            1,
        );
        assert_eq!(left(&path), ("before".to_owned(), 1));
    }
    // A folder is none.
    let said = fails(
        &tool_at(&source, &["export", "--out", folder.path().to_str().unwrap()]),
        1,
    );
    assert!(said.contains("expected a file or a name that is free"), "{said}");
}
