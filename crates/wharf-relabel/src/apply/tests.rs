use expect_test::{Expect, expect};
use wharf_exposition::text;

use super::*;
use crate::{RuleError, RuleSource};

/// A rule in the notation `action source_labels=a,b regex=x target_label=y`; fields are separated by a blank.
fn rule(line: &str) -> Rule {
    let mut fields = line.split(' ');
    let action = fields.next().map(|action| action.parse().unwrap());
    let mut source = RuleSource {
        action,
        ..RuleSource::default()
    };
    for field in fields {
        let (name, value) = field.split_once('=').unwrap();
        let text = Some(value.to_owned());
        match name {
            "source_labels" => source.source_labels = Some(value.split(',').map(str::to_owned).collect()),
            "separator" => source.separator = text,
            "regex" => source.regex = text,
            "modulus" => source.modulus = Some(value.parse().unwrap()),
            "target_label" => source.target_label = text,
            "replacement" => source.replacement = text,
            _ => panic!("{field}"),
        }
    }
    Rule::new(source, NameRule::Legacy).unwrap()
}

fn relabelled(rules: &[&str], body: &str) -> String {
    let rules: Vec<Rule> = rules.iter().map(|line| rule(line)).collect();
    let key = GroupingKey::new([("job", "backup-db"), ("instance", "i1")]).unwrap();
    let options = text::Options {
        names: NameRule::Legacy,
        strict: false,
    };
    let mut exposition = text::decode(body.as_bytes(), options).unwrap();
    match relabel(&rules, &key, &mut exposition, NameRule::Legacy) {
        Ok(Relabelled { dropped: 0 }) => format!("{exposition:?}"),
        Ok(Relabelled { dropped }) => format!("{exposition:?}dropped: {dropped}\n"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn check(rules: &[&str], body: &str, expected: Expect) {
    expected.assert_eq(&relabelled(rules, body));
}

#[test]
fn replace_writes_what_the_expression_has_found() {
    check(
        &["replace source_labels=a,b separator=- regex=(.+)-(.+) target_label=c replacement=$2/${1}"],
        "m{a=\"x\",b=\"y\"} 1\nm{a=\"x\"} 2\n",
        expect![[r#"
            unknown "m"
              {a="x",b="y",c="y/x"} 1.0
              {a="x"} 2.0
        "#]],
    );
}

#[test]
fn replace_by_nothing_removes_the_label() {
    check(
        &["replace target_label=a replacement="],
        "m{a=\"x\",b=\"y\"} 1\n",
        expect![[r#"
            unknown "m"
              {b="y"} 1.0
        "#]],
    );
}

#[test]
fn a_target_may_have_variables_and_is_left_alone_if_it_is_no_name_then() {
    check(
        &["replace source_labels=a regex=(.+) target_label=x_$1 replacement=1"],
        "m{a=\"b\"} 1\nm{a=\"-\"} 2\n",
        expect![[r#"
            unknown "m"
              {a="b",x_b="1"} 1.0
              {a="-"} 2.0
        "#]],
    );
}

#[test]
fn keep_and_drop_see_the_labels_of_the_group() {
    check(
        &[
            "keep source_labels=job regex=backup-.*",
            "drop source_labels=__name__,a regex=m;x",
        ],
        "m{a=\"x\"} 1\nm{a=\"y\"} 2\nn 3\n",
        expect![[r#"
            unknown "m"
              {a="y"} 2.0
            unknown "n"
              {} 3.0
            dropped: 1
        "#]],
    );
    check(
        &["keep source_labels=job regex=backup"],
        "m 1\n",
        expect![[r"
            dropped: 1
        "]],
    );
}

#[test]
fn keepequal_and_dropequal_compare_two_labels() {
    let body = "m{a=\"1\",b=\"1\"} 1\nm{a=\"1\",b=\"2\"} 2\n";
    check(
        &["keepequal source_labels=a target_label=b"],
        body,
        expect![[r#"
            unknown "m"
              {a="1",b="1"} 1.0
            dropped: 1
        "#]],
    );
    check(
        &["dropequal source_labels=a target_label=b"],
        body,
        expect![[r#"
            unknown "m"
              {a="1",b="2"} 2.0
            dropped: 1
        "#]],
    );
}

#[test]
fn labels_are_mapped_dropped_and_kept_by_name() {
    let body = "m{app_a=\"1\",app_b=\"2\",c=\"3\"} 1\n";
    check(
        &["labelmap regex=app_(.+)"],
        body,
        expect![[r#"
            unknown "m"
              {a="1",app_a="1",app_b="2",b="2",c="3"} 1.0
        "#]],
    );
    check(
        &["labeldrop regex=app_.+"],
        body,
        expect![[r#"
            unknown "m"
              {c="3"} 1.0
        "#]],
    );
    check(
        &["labelkeep regex=__name__|c"],
        body,
        expect![[r#"
            unknown "m"
              {c="3"} 1.0
        "#]],
    );
}

#[test]
fn case_and_shards_are_written_to_the_target() {
    check(
        &[
            "lowercase source_labels=a target_label=low",
            "uppercase source_labels=a target_label=up",
            "hashmod source_labels=a modulus=1000 target_label=shard",
        ],
        "m{a=\"Straße\"} 1\n",
        expect![[r#"
            unknown "m"
              {a="Straße",low="straße",shard="585",up="STRASSE"} 1.0
        "#]],
    );
}

#[test]
fn labels_of_the_group_are_read_only() {
    check(
        &[
            "replace target_label=instance replacement=x",
            "labeldrop regex=instance|job",
            "labelmap regex=job replacement=instance",
            "replace source_labels=instance target_label=seen",
        ],
        "m{job=\"z\"} 1\n",
        expect![[r#"
            unknown "m"
              {seen="i1"} 1.0
        "#]],
    );
}

#[test]
fn what_rules_keep_for_themselves_is_gone_at_the_end() {
    check(
        &[
            "replace source_labels=a target_label=__tmp",
            "replace source_labels=__tmp target_label=b",
        ],
        "m{a=\"x\"} 1\n",
        expect![[r#"
            unknown "m"
              {a="x",b="x"} 1.0
        "#]],
    );
    // One that was pushed stays, for the store to refuse.
    check(
        &["replace target_label=b replacement=y"],
        "m{__a=\"x\"} 1\n",
        expect![[r#"
            unknown "m"
              {__a="x",b="y"} 1.0
        "#]],
    );
}

#[test]
fn a_metric_moves_to_the_family_of_its_new_name() {
    check(
        &["replace source_labels=__name__ regex=old_(.+) target_label=__name__"],
        "# HELP old_m text\n# TYPE old_m gauge\nold_m 1\nold_m{a=\"b\"} 2\n# TYPE n gauge\nn 3\n# TYPE old_n gauge\nold_n{x=\"y\"} 4\n",
        expect![[r#"
            gauge "n"
              {} 3.0
              {x="y"} 4.0
            gauge "m" help="text"
              {} 1.0
              {a="b"} 2.0
        "#]],
    );
}

#[test]
fn families_of_two_types_cannot_become_one() {
    check(
        &["replace regex=.* target_label=__name__ replacement=m"],
        "# TYPE a gauge\na 1\n# TYPE b counter\nb 2\n",
        expect!["relabelling: expected metrics of one type in `m`, found gauge and counter"],
    );
}

#[test]
fn a_metric_needs_a_name_and_labels_need_names() {
    check(
        &["replace target_label=__name__ replacement="],
        "m 1\n",
        expect!["relabelling: expected a metric name for what was pushed as `m`, found ``"],
    );
    check(
        &["labelmap regex=a(.) replacement=$1"],
        "m{a1=\"x\"} 1\n",
        expect!["relabelling: expected a label name in `m`, found `1`"],
    );
}

#[test]
fn histograms_are_one_metric() {
    check(
        &[
            "drop source_labels=__name__ regex=h_bucket",
            "replace target_label=env replacement=prod",
        ],
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n",
        expect![[r#"
            histogram "h"
              {env="prod"} sum=3.0 count=Int(2) le1.0=Int(1) leinf=Int(2)
        "#]],
    );
}

#[test]
fn a_label_that_stands_twice_is_left_to_the_store() {
    // Only protobuf can say so.
    let options = text::Options {
        names: NameRule::Legacy,
        strict: false,
    };
    let mut exposition = text::decode(b"m{a=\"1\",b=\"2\"} 1\n", options).unwrap();
    exposition.labels[1].name = exposition.labels[0].name;
    let key = GroupingKey::new([("job", "a")]).unwrap();
    let rules = [rule("labeldrop regex=a")];
    relabel(&rules, &key, &mut exposition, NameRule::Legacy).unwrap();
    expect![[r#"
        unknown "m"
          {a="1",a="2"} 1.0
    "#]]
    .assert_eq(&format!("{exposition:?}"));
}

#[test]
fn many_labels_cost_what_they_are() {
    let labels: Vec<String> = (0..100_000).map(|n| format!("a{n}=\"x\"")).collect();
    let body = format!("m{{{}}} 1\n", labels.join(","));
    let text = relabelled(
        &["labelmap regex=a(.+) replacement=b$1", "labeldrop regex=a.+"],
        &body,
    );
    assert_eq!(text.matches("b99999=").count(), 1);
    assert_eq!(text.matches("=\"x\"").count(), 100_000);
}

#[test]
fn the_default_rule_does_what_it_does_in_prometheus() {
    let source = RuleSource {
        source_labels: Some(vec!["a".to_owned()]),
        target_label: Some("b".to_owned()),
        ..RuleSource::default()
    };
    assert!(Rule::new(source, NameRule::Legacy).is_ok());
    let missing = Rule::new(RuleSource::default(), NameRule::Legacy).unwrap_err();
    assert!(matches!(missing, RuleError::Missing { .. }));
}

/// What becomes of rules that may take so many steps, and how many they take.
fn within(rules: &[&str], body: &str, max_steps: u64) -> (Result<u64, RelabelError>, u64) {
    let rules: Vec<Rule> = rules.iter().map(|line| rule(line)).collect();
    let key = GroupingKey::new([("job", "a")]).unwrap();
    let mut exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let effort = Effort::new(max_steps, 0);
    let memory = Meter::unlimited().with_effort(&effort);
    let relabelled = relabel_within(&rules, &key, &mut exposition, NameRule::Utf8, &memory);
    (relabelled.map(|relabelled| relabelled.dropped), effort.steps())
}

#[test]
fn rules_are_paid_for_by_what_they_look_at() {
    let drop = ["drop source_labels=l regex=x+"];
    let steps = |rules: &[&str], body: &str| {
        let (relabelled, steps) = within(rules, body, u64::MAX);
        relabelled.unwrap();
        steps
    };
    let (short, long) = ("m{l=\"y\"} 1\n", format!("m{{l=\"{}\"}} 1\n", "y".repeat(10_000)));
    let of_short = steps(&drop, short);
    assert!((RULE_STEPS..2 * RULE_STEPS).contains(&of_short));
    let of_long = steps(&drop, &long);
    assert!((20_000..21_000).contains(&of_long), "{of_long}");
    assert_eq!(steps(&[drop[0], drop[0]], &long), 2 * of_long);
    // What a rule makes, the next one looks at.
    let doubles = "replace source_labels=l target_label=l replacement=$1$1";
    assert!(steps(&[doubles; 5], &long) > 30 * of_long);
    assert!(steps(&["labeldrop regex=x+"], &long) < 2 * RULE_STEPS);
    // Nothing is counted where nobody counts.
    assert_eq!(relabelled(&drop, short), "unknown \"m\"\n  {l=\"y\"} 1.0\n");
}

#[test]
fn rules_that_take_too_much_are_given_up() {
    let body = format!("m{{l=\"{}\"}} 1\n", "y".repeat(10_000));
    let drop = ["drop source_labels=l regex=y+"];
    let stopped = |stopped| Err(RelabelError::Stopped(stopped));
    assert_eq!(within(&drop, &body, 100_000).0, Ok(1));
    let max_steps = 10_000;
    assert_eq!(
        within(&drop, &body, max_steps).0,
        stopped(Stopped::TooCostly { max_steps })
    );
    // An expression of many parts, on a text so long that each of them may take a look at each byte.
    let costly = ["drop source_labels=l regex=(?:[ab]*a[ab]{0,1000}){2}"];
    let max_steps = 30_000_000;
    assert_eq!(
        within(&costly, &body, max_steps).0,
        stopped(Stopped::TooCostly { max_steps })
    );
}

#[test]
fn rules_that_nobody_waits_for_are_given_up() {
    let body: Vec<String> = (0..3000)
        .map(|number| format!("m{{l=\"{number}\"}} 1\n"))
        .collect();
    let body = body.concat();
    let key = GroupingKey::new([("job", "a")]).unwrap();
    let mut exposition = text::decode(body.as_bytes(), text::Options::default()).unwrap();
    let effort = Effort::unlimited();
    effort.is_gone().store(true, std::sync::atomic::Ordering::Relaxed);
    let memory = Meter::unlimited().with_effort(&effort);
    let rules = [rule("drop source_labels=l regex=x+")];
    let relabelled = relabel_within(&rules, &key, &mut exposition, NameRule::Utf8, &memory);
    assert_eq!(relabelled, Err(RelabelError::Stopped(Stopped::Gone)));
}

#[test]
fn an_expression_of_many_parts_counts_as_several() {
    let few = rule("drop source_labels=l regex=ci-.*|web-[0-9]+");
    let many = rule("drop source_labels=l regex=(?:[ab]*a[ab]{0,1000}){2}");
    assert_eq!(crate::looks(&[]), 0);
    assert_eq!(crate::looks(&[few.clone(), few]), 2);
    assert!(crate::looks(&[many]) > 8);
}
