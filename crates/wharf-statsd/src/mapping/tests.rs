use expect_test::{Expect, expect};

use super::*;

/// What rules make of names: `name{labels}` or nothing, for each of `kind name` between commas.
#[track_caller]
fn maps(file: &str, cases: &[(&str, &str)]) {
    let mapping = Mapping::read(file).unwrap_or_else(|error| panic!("{error}"));
    for (name, expected) in cases {
        assert_eq!(show(&mapping, name), *expected, "{name}");
    }
}

fn show(mapping: &Mapping, name: &str) -> String {
    let (kind, name) = match name.split_once('|') {
        Some((name, "g")) => (MetricKind::Gauge, name),
        Some((name, "ms")) => (MetricKind::Observer, name),
        _ => (MetricKind::Counter, name),
    };
    let Some(mapped) = mapping.find(name, kind) else {
        return "-".to_owned();
    };
    if mapped.rule.is_drop {
        return "drop".to_owned();
    }
    let labels = mapped.labels.iter();
    let labels: Vec<_> = labels.map(|(name, value)| format!("{name}={value}")).collect();
    if labels.is_empty() {
        mapped.name
    } else {
        format!("{}{{{}}}", mapped.name, labels.join(","))
    }
}

#[test]
fn the_first_glob_wins_that_matches_all_parts() {
    let star_first = "mappings: [{match: a.*.c, name: star}, {match: a.b.*, name: bstar}]";
    maps(star_first, &[("a.b.c", "star"), ("a.b.d", "bstar"), ("a.b", "-")]);
    let star_last = "mappings: [{match: a.b.*, name: bstar}, {match: a.*.c, name: star}]";
    maps(star_last, &[("a.b.c", "bstar"), ("a.x.c", "star")]);
    maps(
        "mappings: [{match: '*.*.*', name: any}, {match: a.b.c, name: exact}]",
        &[("a.b.c", "any")],
    );
    maps(
        "mappings: [{match: a.b.*.d, name: one}, {match: a.*.c.e, name: two}]",
        &[("a.b.c.e", "two"), ("a.b.c.d", "one")],
    );
    maps(
        "mappings: [{match: a.b, name: short}, {match: a.b.c, name: long}]",
        &[("a.b.c", "long"), ("a.b", "short")],
    );
    maps(
        "mappings: [{match: a.*, name: one}]",
        &[
            ("a", "-"),
            ("a.b.c", "-"),
            ("a.", "one"),
            ("A.b", "-"),
            ("a.*", "one"),
        ],
    );
    maps(
        "mappings: [{match: a.b, name: first}, {match: '*.b', name: star}, {match: a.b, name: second}]",
        &[("a.b", "first"), ("x.b", "star")],
    );
    maps(
        "mappings: [{match: a-b.c, name: n}]",
        &[("a-b.c", "n"), ("a_b.c", "-")],
    );
}

#[test]
fn without_an_order_the_names_own_parts_win() {
    let file = "defaults: {glob_disable_ordering: true}\n\
                mappings: [{match: '*.*.*', name: any}, {match: a.*.*, name: astar}, {match: a.b.c, name: exact}]";
    maps(
        file,
        &[
            ("a.b.c", "exact"),
            ("a.b.x", "astar"),
            ("a.x.y", "astar"),
            ("x.b.c", "any"),
        ],
    );
    let file = "defaults: {glob_disable_ordering: true}\n\
                mappings: [{match: a.*.c, name: star}, {match: a.b.*, name: bstar}]";
    maps(file, &[("a.b.c", "bstar"), ("a.x.c", "star")]);
}

#[test]
fn rules_may_be_about_one_kind_of_samples() {
    maps(
        "mappings: [{match: a.*, name: any}, {match: a.b, match_metric_type: counter, name: cnt}]",
        &[("a.b", "any")],
    );
    maps(
        "mappings: [{match: a.b, match_metric_type: counter, name: cnt}, {match: a.b, name: any}]",
        &[("a.b", "cnt"), ("a.b|g", "any")],
    );
    maps(
        "mappings: [{match: a.*, match_metric_type: observer, name: obs}]",
        &[("a.b|ms", "obs"), ("a.b", "-")],
    );
    maps(
        "mappings: [{match: a, match_type: regex, match_metric_type: gauge, name: g}, {match: ., match_type: regex, name: any}]",
        &[("a", "any"), ("a|g", "g")],
    );
}

#[test]
fn regular_expressions_come_after_all_globs() {
    maps(
        "mappings: [{match: '^a\\.', match_type: regex, name: re}, {match: a.*, name: glob}]",
        &[("a.b", "glob"), ("a.b.c", "re")],
    );
    maps(
        "defaults: {match_type: regex}\nmappings: [{match: 'a\\..*', name: r1}, {match: 'a\\.b', name: r2}]",
        &[("a.b", "r1")],
    );
    maps(
        "mappings: [{match: 'a\\.(.*)', match_type: regex, name: 're_${1}'}]",
        &[("x.a.b", "re_b")],
    );
    maps(
        r"mappings: [{match: '^\w+$', match_type: regex, name: word}]",
        &[("a", "word"), ("é", "-")],
    );
}

#[test]
fn templates_of_globs() {
    maps(
        "mappings: [{match: a.*, name: 'n_$1_x', labels: {ll: $1_x, mm: '${1}_x', oo: $3}}]",
        &[("a.b", "n_{ll=,mm=b_x,oo=}")],
    );
    maps(
        "mappings: [{match: a.*, name: n, labels: {aa: $$1, bb: $, cc: $name, dd: $0, ee: '${1', ff: '$1}x', gg: '%s${1}${1}', hh: $1$1}}]",
        &[("a.b", "n{aa=,bb=$,cc=,dd=a.b,ee=b,ff=bx,gg=%sbb,hh=}")],
    );
    maps(
        "mappings: [{match: '*.a.*', name: '${2}${1}', labels: {x: '$10 $1'}}]",
        &[("1.a.2", "21{x= 1}")],
    );
    maps(
        "mappings: [{match: a.*, name: '${1}'}]",
        &[("a.", ""), ("a.1x", "1x")],
    );
    maps(
        "mappings: [{match: a.*.c, name: n, labels: {path: $1}}]",
        &[("a.x/y z.c", "n{path=x/y z}"), ("a..c", "n{path=}")],
    );
}

#[test]
fn templates_of_regular_expressions() {
    maps(
        "mappings: [{match: '^a\\.(.*)$', match_type: regex, name: n_$1, labels: {aa: '${1}_x', bb: $$1, cc: $2, dd: $01, ee: '${1', ff: $, gg: '${}'}}]",
        &[("a.b", "n_b{aa=b_x,bb=$1,cc=,dd=,ee=${1,ff=$,gg=${}}")],
    );
    maps(
        "mappings: [{match: '^a\\.(?P<foo>.*)$', match_type: regex, name: n, labels: {x: $foo, y: '${foo}'}}]",
        &[("a.b", "n{x=b,y=b}")],
    );
    maps(
        "mappings: [{match: z(.)(q)?, match_type: regex, name: n, labels: {full: $0, none: $2}}]",
        &[("q.zy.p", "n{full=zy,none=}")],
    );
}

#[test]
fn actions_and_values() {
    maps(
        "mappings: [{match: a.*, action: drop, name: x}]",
        &[("a.b", "drop")],
    );
    maps("mappings: [{match: a.*, action: drop}]", &[("a.b", "drop")]);
    let file = "defaults: {ttl: 1m, observer_type: histogram, histogram_options: {buckets: [1, 2]}}\n\
                mappings:\n\
                - {match: a, name: n, ttl: 0s, scale: -0.5, help: 'Why.', honor_labels: yes}\n\
                - {match: b, name: n, ttl: 2s, histogram_options: {native_histogram_bucket_factor: 1}}\n\
                - {match: c, name: n, observer_type: summary, summary_options: {quantiles: [{quantile: 0.25, error: 0.01}], max_age: 30s}}\n";
    let mapping = Mapping::read(file).unwrap();
    let [a, b, c] = mapping.rules() else { panic!() };
    assert_eq!(
        (a.ttl, a.scale, a.honor_labels),
        (Some(Duration::from_secs(60)), Some(-0.5), true)
    );
    assert_eq!(a.help.as_deref(), Some("Why."));
    assert_eq!(b.ttl, Some(Duration::from_secs(2)));
    let Observer::Histogram(options) = &b.observer else {
        panic!()
    };
    assert_eq!(
        (options.buckets.as_slice(), options.native_factor),
        (&[1.0, 2.0][..], 1.0)
    );
    let Observer::Summary(options) = &c.observer else {
        panic!()
    };
    assert_eq!(
        options.quantiles,
        [Objective {
            quantile: 0.25,
            error: 0.01
        }]
    );
    assert_eq!(
        (options.max_age, options.age_buckets),
        (Duration::from_secs(30), 5)
    );
    assert_eq!(mapping.ttl(), Some(Duration::from_secs(60)));
    assert!(matches!(mapping.observer(), Observer::Histogram(_)));
}

#[test]
fn files_that_the_exporter_takes() {
    for file in [
        "",
        "# nothing\n",
        "mappings:\n",
        r#"{"mappings": [{"match": "a.*", "name": "n", "labels": {"x": 1, "yy": true}}]}"#,
        "mappings: [{match: '*', name: _}, {match: '*.a', name: $1$2}, {match: a.1b, name: '${10}'}]",
        "mappings: [{match: a-b.c, name: n$1}, {match: _a, name: $12x}, {match: A_b.C, name: n}]",
        "mappings: [{match: a, match_metric_type: counter, name: n, labels: {le: x, job: y, quantile: z}}]",
        "defaults: {ttl: 0}\nmappings: [{match: a, name: n, match_type: '', action: '', observer_type: ''}]",
        "mappings: [{match: 'a{b', match_type: regex, name: n}, {match: 'a.{b}.c', match_type: regex, name: n}]",
        "mappings: [{match: a, name: n, labels: {x: }, scale: '+1.5'}]",
    ] {
        if let Err(error) = Mapping::read(file) {
            panic!("{file}: {error}");
        }
    }
}

#[track_caller]
fn refused(file: &str, expected: &Expect) {
    match Mapping::read(file) {
        Ok(_) => panic!("{file} was taken"),
        Err(error) => expected.assert_eq(&error.to_string()),
    }
}

#[test]
fn patterns_and_names_are_those_of_the_exporter() {
    let patterns = [
        "a*", "a.b*", "1a.b", "a b", "a..b", ".a", "a.", "a/b.c", "a:b", "a.**", "-a", "a.-b", "é", "''",
    ];
    for pattern in patterns {
        assert!(
            Mapping::read(&format!("mappings: [{{match: {pattern}, name: n}}]")).is_err(),
            "{pattern}"
        );
    }
    for name in [
        "1n", "n-x", "n$", "n.x", "'n{x}'", "n:x", "ñ", "$name", "'n '", "''",
    ] {
        assert!(
            Mapping::read(&format!("mappings: [{{match: a, name: {name}}}]")).is_err(),
            "{name}"
        );
    }
    for label in ["1a", "a-b", "a.b", "é1", "__ab", "''"] {
        let file = format!("mappings: [{{match: a, name: n, labels: {{{label}: x}}}}]");
        assert!(Mapping::read(&file).is_err(), "{label}");
    }
}

#[test]
fn mistakes_have_their_place() {
    refused(
        "mappings:\n- match: a..b\n  name: n\n- match: a\n  name: 1n\n  ttl: 5\n- name: x\n- match: b\n",
        &expect![[r"
            line 2, column 10: expected parts between dots, each a `*` or a word, found `a..b`
            hint: for more than that there is `match_type: regex`
            line 5, column 9: expected the name of a metric, with `$1` or `${1}` in it or not, found `1n`
            line 6, column 8: expected a duration such as 30s, 10m or 1h30m, found `5` without a unit
            line 7, column 3: expected `match` in the rule, found none
            line 8, column 10: expected `name` in the rule, found none"]],
    );
    refused(
        "mappings:\n- {match: a, name: n, match_type: globb, action: keep}\n- {match: a, name: n, match_metric_type: timer}\n- {match: a, name: n, scale: x, honor_labels: 1}\n",
        &expect![[r"
            line 2, column 35: expected one of glob, regex, found `globb`
            line 2, column 50: expected one of map, drop, found `keep`
            line 3, column 42: expected one of counter, gauge, observer, found `timer`
            line 4, column 30: expected a number, found `x`
            line 4, column 47: expected true or false, found `1`"]],
    );
    refused(
        "mappings:\n- match: a\n  name: n\n  observer_type: histogram\n  histogram_options: {buckets: [1, 3, 2]}\n- match: b\n  name: n\n  summary_options: {max_age: 1m}\n- match: c\n  name: n\n  observer_type: summary\n  summary_options: {quantiles: [{quantile: 2}]}\n  histogram_options: {buckets: [1]}\n  labels: {quantile: x}\n",
        &expect![[r"
            line 5, column 39: expected a bucket above the one before it, found `2`
            line 8, column 20: expected `observer_type: summary` beside `summary_options`, found none, so they would have no effect
            line 12, column 44: expected a number from 0 to 1, found `2`
            line 13, column 22: expected `observer_type: histogram` beside `histogram_options`, found `observer_type: summary`
            line 14, column 12: expected a label that the series of observations do not have already, found `quantile`
            hint: if the rule is about counters alone, say `match_metric_type: counter`"]],
    );
    // All of them are told, and none because of another.
    refused(
        "mappings: [{match: a..b, name: 1n, ttl: 5, labels: {1x: y}}, {match: a, name: n, observer_type: histogrm, histogram_options: {buckets: [1]}}]",
        &expect![[r"
            line 1, column 20: expected parts between dots, each a `*` or a word, found `a..b`
            hint: for more than that there is `match_type: regex`
            line 1, column 32: expected the name of a metric, with `$1` or `${1}` in it or not, found `1n`
            line 1, column 41: expected a duration such as 30s, 10m or 1h30m, found `5` without a unit
            line 1, column 53: expected the name of a label (letters, digits, `_`), found `1x`
            line 1, column 97: expected one of summary, histogram, found `histogrm`"]],
    );
    refused(
        "defaults: {summary_options: {age_buckets: 4294967295}}\nmappings: [{match: a, name: n, scale: 010}, {match: b, name: n, scale: 1_000}, {match: c, name: n, scale: '++1'}]",
        &expect![[r"
            line 1, column 43: expected at most 100 age buckets, found 4294967295
            line 2, column 39: expected a number, found `010`
            line 2, column 72: expected a number, found `1_000`
            line 2, column 107: expected a number, found `++1`"]],
    );
    refused(
        "mappings: [{match: '(', match_type: regex, name: n}]",
        &expect![[r"line 1, column 20: expected a regular expression, found `(`: unclosed group"]],
    );
    refused(
        "mappings: [{match: a, name: n, timer_type: summary}]",
        &expect![
            "line 1, column 32: unknown field `timer_type`, expected one of match, name, labels, honor_labels, observer_type, match_type, help, action, match_metric_type, ttl, summary_options, histogram_options, scale, gauge_signs"
        ],
    );
    refused(
        "mappings: [{match: a, name: n, name: m}]",
        &expect!["line 1, column 32: expected each key once, found `name` twice"],
    );
    refused(
        "mappings: [{match: a, name: n}]\n---\nmappings: []\n",
        &expect![[r"
            line 3, column 1: expected one document, found another one
            hint: what stands behind `---` would have no effect"]],
    );
    refused(
        "- a\n",
        &expect!["line 1, column 1: expected keys with values, found something else"],
    );
    refused(
        "mappings:\n\t- a\n",
        &expect!["line 2, column 2: tabs disallowed within this context (block indentation)"],
    );
}

#[track_caller]
fn warned(file: &str, expected: &Expect) {
    let mapping = Mapping::read(file).unwrap_or_else(|error| panic!("{error}"));
    let warnings: Vec<_> = mapping.warnings().iter().map(ToString::to_string).collect();
    expected.assert_eq(&warnings.join("\n"));
}

#[test]
fn rules_that_never_apply_are_told() {
    warned(
        "mappings:\n- {match: '*.*', name: any}\n- {match: a.b, name: n}\n- {match: 'a.*.c', name: n}\n- {match: 'a.*.c', name: m}\n",
        &expect![[r"
            line 3, column 11: the rule never applies: `*.*` in line 2 comes first
            hint: put the narrower rule in front
            line 5, column 11: the rule never applies: `a.*.c` in line 4 comes first
            hint: remove one of them"]],
    );
    // Two of three kinds are left.
    warned(
        "mappings: [{match: a, match_metric_type: counter, name: n}, {match: a, name: n}]",
        &expect![[""]],
    );
    warned(
        "mappings:\n- {match: a, match_metric_type: counter, name: n}\n- {match: a, match_metric_type: gauge, name: n}\n- {match: '*', match_metric_type: observer, name: n}\n- {match: a, name: n}\n",
        &expect![[r"
            line 5, column 11: the rule never applies: `a` in line 2 comes first
            hint: remove one of them"]],
    );
    warned(
        "defaults: {glob_disable_ordering: true}\nmappings: [{match: '*.b', name: any}, {match: a.b, name: n}, {match: a.b, name: m}]",
        &expect![[r"
            line 2, column 70: the rule never applies: `a.b` in line 2 comes first
            hint: remove one of them"]],
    );
    warned(
        "mappings: [{match: x, match_type: regex, name: n}, {match: x, match_type: regex, name: m}]",
        &expect![[r"
            line 1, column 60: the rule never applies: `x` in line 1 comes first
            hint: remove one of them"]],
    );
    warned(
        "mappings: [{match: a.b.c, name: long}, {match: a.b, name: short}]",
        &expect![
            "line 1, column 48: statsd_exporter never applies the rule, since a longer one that begins with it comes first; Wharf does"
        ],
    );
    // It has a tree for each kind.
    warned(
        "mappings: [{match: a.b.c, match_metric_type: counter, name: long}, {match: a.b, match_metric_type: gauge, name: short}]",
        &expect![[""]],
    );
    warned(
        "mappings: [{match: a.b.c, match_metric_type: counter, name: long}, {match: a.b, name: short}]",
        &expect![
            "line 1, column 76: statsd_exporter does not apply the rule to metrics of type counter, since a longer one that begins with it comes first; Wharf does"
        ],
    );
}

#[test]
fn quantiles_without_an_error_have_the_least_one_and_that_is_told() {
    let file =
        |error: &str| format!("defaults: {{summary_options: {{quantiles: [{{quantile: 0.9{error}}}]}}}}\n");
    for (error, found) in [("", "none"), (", error: 0", "0"), (", error: 0.00001", "0.00001")] {
        let mapping = Mapping::read(&file(error)).unwrap();
        let Observer::Summary(options) = mapping.observer() else {
            panic!()
        };
        assert_eq!(options.quantiles[0].error.to_string(), "0.0001");
        let warning = mapping.warnings()[0].to_string();
        assert!(
            warning.contains(&format!("found {found}: it is 0.0001")),
            "{warning}"
        );
    }
    assert_eq!(Mapping::read(&file(", error: 0.001")).unwrap().warnings(), []);
}

#[test]
fn references_to_nothing_are_told() {
    warned(
        "mappings: [{match: a.*, name: n_$1_x, labels: {x: $2, y: $1_y, z: '$1'}}]",
        &expect![[r"
            line 1, column 31: `$1_x` is always empty: the pattern has no such part
            hint: write `${1}_x`
            line 1, column 51: `$2` is always empty
            line 1, column 58: `$1_y` is always empty
            hint: write `${1}_y`"]],
    );
    // Only what would give something is a hint.
    warned(
        "mappings: [{match: a.*, name: n, labels: {x: $5_x, y: $3 $1_y}}]",
        &expect![[r"
            line 1, column 46: `$5_x` is always empty
            line 1, column 55: `$3` is always empty: the pattern has no such part"]],
    );
}

#[test]
fn a_bound_that_is_there_in_any_case_may_be_the_only_one() {
    let mapping =
        Mapping::read("defaults: {observer_type: histogram, histogram_options: {buckets: [.inf]}}").unwrap();
    let Observer::Histogram(options) = mapping.observer() else {
        panic!()
    };
    assert_eq!(options.buckets, []);
}

#[test]
fn ten_thousand_rules_are_no_trouble() {
    let rules = (0..10_000).map(|rule| {
        format!("- {{match: 'shop{rule}.*.orders.*', name: 'orders_{rule}', labels: {{country: $1}}}}\n")
    });
    let file: String = std::iter::once("mappings:\n".to_owned()).chain(rules).collect();
    maps(
        &file,
        &[
            ("shop0.fr.orders.x", "orders_0{country=fr}"),
            ("shop9999.de.orders.y", "orders_9999{country=de}"),
        ],
    );
}
