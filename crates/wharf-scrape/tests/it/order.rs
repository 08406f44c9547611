use expect_test::{Expect, expect};
use wharf_model::Exposition;
use wharf_model::name::EscapingScheme;
use wharf_scrape::{Format, Wanted, render};
use wharf_store::{PUSH_FAILURE_TIME, PUSH_TIME, Store};

use crate::{FORMATS, PLAIN, decoded, joined, put, shown, store};

const OWN: &str = concat!(
    "# HELP b_own_and_pushed Of the gateway.\n# TYPE b_own_and_pushed gauge\nb_own_and_pushed 1\n",
    "# HELP c_own_only Of the gateway.\n# TYPE c_own_only gauge\nc_own_only 1\n"
);

/// Two groups, whose jobs are pushed in the other order than they are shown in.
fn two_groups() -> Store {
    let store = store();
    put(
        &store,
        "z",
        &decoded("# TYPE b_own_and_pushed gauge\nb_own_and_pushed 2\nd_pushed 2\n"),
    );
    put(
        &store,
        "a",
        &decoded(
            "# TYPE b_own_and_pushed gauge\nb_own_and_pushed 3\n# HELP a_pushed Of a job.\na_pushed 3\n",
        ),
    );
    store
}

#[track_caller]
fn check(own: &str, wanted: Wanted, expected: &Expect) {
    let rendered = render(&decoded(own), &two_groups().snapshot(), wanted);
    let body = String::from_utf8(joined(&rendered)).unwrap();
    let is_time = |line: &str| line.contains(PUSH_TIME) || line.contains(PUSH_FAILURE_TIME);
    let lines: Vec<_> = body.split_inclusive('\n').filter(|line| !is_time(line)).collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn a_family_of_both_has_the_gateways_head_and_its_series_first() {
    check(
        OWN,
        PLAIN,
        &expect![[r#"
        # HELP a_pushed Of a job.
        # TYPE a_pushed untyped
        a_pushed{instance="",job="a"} 3
        # HELP b_own_and_pushed Of the gateway.
        # TYPE b_own_and_pushed gauge
        b_own_and_pushed 1
        b_own_and_pushed{instance="",job="a"} 3
        b_own_and_pushed{instance="",job="z"} 2
        # HELP c_own_only Of the gateway.
        # TYPE c_own_only gauge
        c_own_only 1
        # TYPE d_pushed untyped
        d_pushed{instance="",job="z"} 2
    "#]],
    );
}

#[test]
fn in_openmetrics_too() {
    let wanted = Wanted {
        format: Format::OpenMetrics100,
        ..PLAIN
    };
    check(
        OWN,
        wanted,
        &expect![[r#"
        # HELP a_pushed Of a job.
        # TYPE a_pushed unknown
        a_pushed{instance="",job="a"} 3.0
        # HELP b_own_and_pushed Of the gateway.
        # TYPE b_own_and_pushed gauge
        b_own_and_pushed 1.0
        b_own_and_pushed{instance="",job="a"} 3.0
        b_own_and_pushed{instance="",job="z"} 2.0
        # HELP c_own_only Of the gateway.
        # TYPE c_own_only gauge
        c_own_only 1.0
        # TYPE d_pushed unknown
        d_pushed{instance="",job="z"} 2.0
        # EOF
    "#]],
    );
}

#[test]
fn in_protobuf_too() {
    let wanted = Wanted {
        format: Format::ProtobufCompact,
        ..PLAIN
    };
    check(
        OWN,
        wanted,
        &expect![[r#"
        name:"a_pushed" help:"Of a job." type:UNTYPED metric:{label:{name:"instance" value:""} label:{name:"job" value:"a"} untyped:{value:3}}
        name:"b_own_and_pushed" help:"Of the gateway." type:GAUGE metric:{gauge:{value:1}} metric:{label:{name:"instance" value:""} label:{name:"job" value:"a"} gauge:{value:3}} metric:{label:{name:"instance" value:""} label:{name:"job" value:"z"} gauge:{value:2}}
        name:"c_own_only" help:"Of the gateway." type:GAUGE metric:{gauge:{value:1}}
        name:"d_pushed" type:UNTYPED metric:{label:{name:"instance" value:""} label:{name:"job" value:"z"} untyped:{value:2}}
    "#]],
    );
}

#[test]
fn without_own_families_there_are_the_pushed_ones_only() {
    let body = shown(&Exposition::default(), &two_groups());
    assert!(body.starts_with("# HELP a_pushed Of a job.\n"));
    assert!(!body.contains("Of the gateway"));
}

#[test]
fn without_anything_a_body_is_what_its_format_has_for_nothing() {
    for format in FORMATS {
        let wanted = Wanted { format, ..PLAIN };
        let body = joined(&render(&Exposition::default(), &store().snapshot(), wanted));
        let expected = match format {
            Format::OpenMetrics001 | Format::OpenMetrics100 => "# EOF\n",
            _ => "",
        };
        assert_eq!(body, expected.as_bytes(), "{format:?}");
    }
}

#[test]
fn names_that_a_scraper_cannot_read_are_escaped() {
    let store = store();
    put(
        &store,
        "a",
        &decoded("# TYPE \"disk.used\" gauge\n{\"disk.used\",\"mount.point\"=\"/\"} 1\n"),
    );
    for (escaping, line) in [
        (
            EscapingScheme::AllowUtf8,
            r#"{"disk.used",instance="",job="a","mount.point"="/"} 1"#,
        ),
        (
            EscapingScheme::Underscores,
            r#"disk_used{instance="",job="a",mount_point="/"} 1"#,
        ),
        (
            EscapingScheme::Dots,
            r#"disk_dot_used{instance="",job="a",mount_dot_point="/"} 1"#,
        ),
        (
            EscapingScheme::Values,
            r#"U__disk_2e_used{instance="",job="a",U__mount_2e_point="/"} 1"#,
        ),
    ] {
        let wanted = Wanted { escaping, ..PLAIN };
        let body = joined(&render(&Exposition::default(), &store.snapshot(), wanted));
        let body = String::from_utf8(body).unwrap();
        assert!(
            body.lines().any(|found| found == line),
            "expected {line} in {body}"
        );
    }
}
