//! `wharf undo`: what `rm` and `wipe` say of it, taking back, and the list.

use wharf_testkit::Gateway;
use wharf_testkit::http::{delete, get, put};

use super::{admin, fails, jobs, json, stdout, succeeds, tool, tool_at};
use crate::{gateways, wharf};

fn with_three_groups() -> Gateway {
    let gateway = admin(wharf()).start();
    for path in ["a/x/1", "a/x/2", "b"] {
        gateway.push(&format!("/metrics/job/{path}"), "m 1\nn 2\n");
    }
    gateway
}

/// The arguments of the command that a hint names.
fn hinted(text: &str) -> Vec<String> {
    let (_, command) = text.split_once("`wharf ").unwrap();
    let (command, _) = command.split_once('`').unwrap();
    command.split(' ').map(str::to_owned).collect()
}

/// Runs the command of a hint as it stands there.
#[track_caller]
fn follow(text: &str) -> String {
    let command = hinted(text);
    let output = tool(&command.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    stdout(&output)
}

#[test]
fn what_rm_and_wipe_remove_comes_back_by_the_command_that_they_name() {
    let gateway = with_three_groups();
    let before = succeeds(&gateway, &["export"]);
    for (arguments, groups) in [
        (&["rm", "a", "--yes"][..], "2 groups with 8 series"),
        (&["rm", "{}", "--family=m", "--yes"], "3 groups with 3 series"),
        (&["wipe", "--yes"], "3 groups with 12 series"),
    ] {
        let said = succeeds(&gateway, arguments);
        assert!(said.contains("take it back with `wharf undo "), "{said}");
        assert!(said.contains(" until 20") && said.ends_with("Z\n"), "{said}");
        let back = follow(&said);
        assert!(
            back.contains(&format!(" is undone: {groups} came back\n")),
            "{back}"
        );
        assert_eq!(succeeds(&gateway, &["export"]), before);
    }
}

#[test]
fn groups_that_go_one_by_one_come_back_by_one_command_too() {
    let gateway = wharf().start();
    for job in ["a", "b"] {
        gateway.push(&format!("/metrics/job/{job}"), "m 1\n");
    }
    let said = succeeds(&gateway, &["rm", "a", "b", "--yes"]);
    assert!(said.contains("take them back with `wharf undo "), "{said}");
    assert_eq!(jobs(&gateway, &[]), [""; 0]);
    let back = follow(&said);
    assert_eq!(
        back.matches(" is undone: 1 group with 3 series came back\n")
            .count(),
        2,
        "{back}"
    );
    assert_eq!(jobs(&gateway, &[]), ["a", "b"]);
}

#[test]
fn without_a_number_the_newest_removal_is_taken_back() {
    let gateway = with_three_groups();
    succeeds(&gateway, &["rm", "b", "--yes"]);
    succeeds(&gateway, &["rm", "a", "--yes"]);
    let would = succeeds(&gateway, &["undo", "--dry-run"]);
    assert!(
        would.contains(" would bring back 2 groups with 8 series\n"),
        "{would}"
    );
    assert_eq!(jobs(&gateway, &[]), [""; 0]);
    for left in [&["a", "a"][..], &["a", "a", "b"]] {
        succeeds(&gateway, &["undo"]);
        assert_eq!(jobs(&gateway, &[]), left);
    }
    let said = fails(&tool_at(&gateway, &["undo"]), 1);
    assert!(said.contains("there is nothing that you can undo"), "{said}");
}

#[test]
fn what_stays_away_is_named_with_the_reason() {
    let gateway = with_three_groups();
    let said = succeeds(&gateway, &["wipe", "--yes"]);
    gateway.push("/metrics/job/b", "m 77\n");
    let back = follow(&said);
    assert!(
        back.ends_with(
            "2 groups with 8 series came back\n1 group, pushed since, and left alone:\n  {job=\"b\"}\n"
        ),
        "{back}"
    );
    let shown = succeeds(&gateway, &["get", "b"]);
    assert!(shown.contains("m{instance=\"\",job=\"b\"} 77\n"), "{shown}");
    // What cannot come back now can later, and that is no success.
    succeeds(&gateway, &["rm", "{x=\"1\"}", "--yes"]);
    succeeds(&gateway, &["rm", "{}", "--family=n", "--yes"]);
    gateway.push("/metrics/job/c", "# TYPE n counter\nn 1\n");
    let output = tool_at(&gateway, &["undo"]);
    let said = fails(&output, 1);
    assert!(said.contains("1 group of removal "), "{said}");
    assert!(said.contains("\nhint: "), "{said}");
    let shown = stdout(&output);
    assert!(
        shown.contains("1 group, refused:\n  {job=\"a\",x=\"2\"}: "),
        "{shown}"
    );
    assert_eq!(gateway.send(&delete("/metrics/job/c")).status, 202);
    // That is the newest now.
    let listed = json(&succeeds(&gateway, &["undo", "--list", "-o", "json"]));
    let family = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["kind"] == "family")
        .unwrap();
    succeeds(&gateway, &["undo", &family["id"].to_string()]);
    assert!(succeeds(&gateway, &["get", "a"]).contains("n{"));
}

#[test]
fn the_list_says_what_was_removed_by_whom_and_for_how_long_it_can_be_undone() {
    let gateway = with_three_groups();
    succeeds(&gateway, &["rm", "a", "--yes"]);
    assert_eq!(gateway.send(&delete("/metrics/job/b")).status, 202);
    assert_eq!(gateway.send(&delete("/api/v1/groups/job/none")).status, 200);
    gateway.push("/metrics/job/c", "m 1\n");
    assert_eq!(gateway.send(&delete("/api/v1/groups/job/c?family=m")).status, 200);
    assert_eq!(gateway.send(&put("/api/v1/admin/wipe")).status, 202);
    let text = succeeds(&gateway, &["undo", "--list"]);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("BY                   UNDO"), "{text}");
    for (line, what) in
        lines[1..]
            .iter()
            .zip(["everything", "m of {job=\"c\"}", "{job=\"b\"}", "{job=\"a\"}"])
    {
        assert!(line.contains(what), "{what}: {text}");
        assert!(line.ends_with("anonymous 127.0.0.1  for 59m"), "{text}");
    }
    let listed = json(&succeeds(&gateway, &["undo", "--list", "-o", "json"]));
    assert_eq!(listed.as_array().unwrap().len(), 4);
    let id = listed[3]["id"].to_string();
    let one = succeeds(&gateway, &["undo", "--list", &id]);
    assert!(
        one.ends_with(&format!(
            "removal {id}, 2 groups:\n  {{job=\"a\",x=\"1\"}}\n  {{job=\"a\",x=\"2\"}}\n"
        )),
        "{one}"
    );
    let undone = json(&succeeds(&gateway, &["undo", &id, "-o", "json"]));
    assert_eq!(
        (&undone[0]["id"], &undone[0]["groups"]),
        (&listed[3]["id"], &2.into())
    );
    let text = succeeds(&gateway, &["undo", "--list"]);
    assert!(
        text.contains("undone 0s ago") || text.contains("undone 1s ago"),
        "{text}"
    );
    let said = fails(&tool_at(&gateway, &["undo", &id]), 1);
    assert!(said.contains(&format!("removal {id} was undone at ")), "{said}");
}

#[test]
fn a_gateway_that_keeps_nothing_says_so() {
    let gateway = admin(wharf()).arg("--undo.max-age=0").start();
    gateway.push("/metrics/job/a", "m 1\n");
    let said = succeeds(&gateway, &["wipe", "--yes"]);
    assert_eq!(
        said,
        "removed all groups\nit cannot be taken back: nothing that is removed is kept (--undo.max-age, --undo.max-bytes)\n"
    );
    let listed = tool_at(&gateway, &["undo", "--list"]);
    assert!(
        String::from_utf8_lossy(&listed.stderr).contains("nothing that is removed is kept"),
        "{listed:?}"
    );
    fails(&tool_at(&gateway, &["undo"]), 1);
    // The original says nothing of it, and cannot.
    for spawn in gateways() {
        let gateway = spawn.start();
        if gateway.send(&get("/api/v1/admin/removed")).status == 200 {
            continue;
        }
        gateway.push("/metrics/job/a", "m 1\n");
        assert!(succeeds(&gateway, &["rm", "a", "--yes"]).ends_with("removed 1 group\n"));
        for arguments in [&["undo"][..], &["undo", "--list"], &["undo", "7"]] {
            let said = fails(&tool_at(&gateway, arguments), 1);
            assert!(
                said.contains("the Pushgateway keeps nothing of what is removed"),
                "{said}"
            );
        }
    }
}
