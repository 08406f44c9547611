use expect_test::{Expect, expect};
use wharf_testkit::Certificate;

use super::*;

/// What the configuration means, or what is wrong with it.
fn read_text(text: &str) -> String {
    match parse(text, NameRule::Legacy, Path::new("")) {
        Ok(policy) => {
            let mut lines = Vec::new();
            for ExpiryRule {
                selector,
                ttl,
                keep_times,
                series_ttl,
            } in policy.expiry
            {
                let series = series_ttl.map_or_else(String::new, |ttl| format!(" series_ttl={ttl:?}"));
                lines.push(format!(
                    "expiry {selector} ttl={ttl:?} keep_times={keep_times}{series}"
                ));
            }
            for quota in policy.quotas {
                lines.push(format!(
                    "quota {} groups={:?} series={:?} bytes={:?} rate={:?} per={:?}",
                    quota.selector,
                    quota.max_groups,
                    quota.max_series,
                    quota.max_bytes,
                    quota.rate,
                    quota.rate_per
                ));
            }
            for rule in policy.aggregation {
                lines.push(format!("aggregate {} {:?}", rule.selector, rule.aggregation));
            }
            for rule in policy.expectations.iter() {
                lines.push(format!(
                    "expect {:?} {:?} {} since={:?} paused_until={:?}",
                    rule.selector.as_ref().map(ToString::to_string),
                    rule.always,
                    rule.timing,
                    rule.since,
                    rule.paused_until
                ));
            }
            for selector in policy.runs {
                lines.push(format!("runs {selector}"));
            }
            lines.push(format!("{} relabelling rules", policy.relabelling.len()));
            lines.join("\n")
        }
        Err(mistakes) => FileError {
            file: "f.yml".to_owned(),
            mistakes,
        }
        .to_string(),
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
fn check(text: &str, expected: Expect) {
    expected.assert_eq(&read_text(text));
}

#[test]
fn an_empty_file_has_no_rules() {
    for text in ["", "# nothing\n", "expiry:\nquotas: []\n", "---\n"] {
        assert_eq!(read_text(text), "0 relabelling rules", "{text:?}");
    }
}

#[test]
fn every_key_is_read() {
    check(
        r#"
expiry:
  - match: '{job=~"ci-.*",env!="prod"}'
    ttl: 1d2h
    keep_times: true
  - {match: '{job="kept"}', ttl: 0}
  - {match: '{job="workers"}', series_ttl: 1h}
  - {match: '{job="idle"}', series_ttl: 0}
quotas:
  - match: '{team="web"}'
    groups: 10
    series: 1000
    bytes: 64MiB
    pushes_per_second: 2.5
    burst: 20
  - {match: "{}", pushes_per_second: 2.5, per: [job]}
aggregate:
  - match: '{job="fn"}'
    gauge: max
    buckets: all
    max_series: 1000
  - match: '{job=~"fn-.*"}'
runs:
  - match: '{job=~"nightly-.*"}'
relabel_configs:
  - source_labels: [a, b]
    separator: '-'
    regex: (.*)
    target_label: c
    replacement: x$1
    action: Replace
  - {action: hashmod, source_labels: [a], modulus: 4, target_label: shard}
"#,
        expect![[r#"
            expiry {job=~"ci-.*",env!="prod"} ttl=Some(Limited(93600s)) keep_times=true
            expiry {job="kept"} ttl=Some(Unlimited) keep_times=false
            expiry {job="workers"} ttl=None keep_times=false series_ttl=3600s
            expiry {job="idle"} ttl=None keep_times=false
            quota {team="web"} groups=Some(10) series=Some(1000) bytes=Some(67108864) rate=Some(Rate { per_second: 2.5, burst: 20 }) per=[]
            quota {} groups=None series=None bytes=None rate=Some(Rate { per_second: 2.5, burst: 3 }) per=["job"]
            aggregate {job="fn"} Aggregation { gauges: Max, bounds: All, max_series: Some(1000), series_ttl: None }
            aggregate {job=~"fn-.*"} Aggregation { gauges: Last, bounds: Common, max_series: None, series_ttl: None }
            runs {job=~"nightly-.*"}
            2 relabelling rules"#]],
    );
}

#[test]
fn unknown_keys_are_mistakes_wherever_they_stand() {
    check(
        "expiry:\n  - match: '{}'\n    tll: 2h\n",
        expect![
            "f.yml: line 3, column 5: unknown field `tll`, expected one of match, ttl, keep_times, series_ttl"
        ],
    );
    check(
        "quotas: []\nexpire: []\n",
        expect![
            "f.yml: line 2, column 1: unknown field `expire`, expected one of expiry, quotas, aggregate, runs, expect, relabel_configs, access, alerting, tracing, etcd"
        ],
    );
    check(
        "relabel_configs:\n- regexp: a\n",
        expect![
            "f.yml: line 2, column 3: unknown field `regexp`, expected one of action, source_labels, separator, regex, modulus, target_label, replacement"
        ],
    );
}

#[test]
fn an_unknown_way_of_adding_up_is_a_mistake() {
    check(
        "aggregate:\n- match: '{}'\n  gauge: mean\n  buckets: some\n",
        expect![[r"
            f.yml: line 3, column 10: expected one of last, sum, min, max, average, count, found `mean`
            f.yml: line 4, column 12: expected one of common, all, same, found `some`"]],
    );
}

#[test]
fn all_mistakes_are_named_at_once_with_their_places() {
    check(
        r"
expiry:
  - match: '{job=ci}'
    ttl: soon
  - match: '{}'
quotas:
  - match: '{}'
  - {match: '{}', bytes: lots, pushes_per_second: 0}
  - {match: '{}', burst: 3, groups: 1}
  - {match: '{}', per: [job], groups: 1}
relabel_configs:
  - action: remove
  - action: replace
  - {action: drop, regex: 'a('}
",
        expect![[r"
            f.yml: line 3, column 12: column 6: expected a label value in quotes, found `c`
            f.yml: line 4, column 10: expected a duration such as `1h30m` or `2d`, found `soon`
            f.yml: line 5, column 12: expected one of `ttl`, `keep_times`, `series_ttl` in the rule, found none
            f.yml: line 7, column 12: expected one of `groups`, `series`, `bytes`, `pushes_per_second` in the quota, found none
            f.yml: line 8, column 26: expected a number of bytes, found `lots`
            f.yml: line 8, column 51: expected a number above 0, found `0`
            f.yml: line 9, column 26: expected `pushes_per_second` beside `burst`, found none
            f.yml: line 10, column 24: expected `pushes_per_second` beside `per`, found none
            f.yml: line 12, column 13: expected one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase, found `remove`
            f.yml: line 13, column 5: expected `target_label` for the action replace, found none
            f.yml: line 14, column 5: expected a regular expression, found `a(`: unclosed group"]],
    );
}

/// The slips of one careless hour, all told at once, in the order of the file.
#[test]
fn keys_kinds_and_missing_quotes_are_told_together() {
    check(
        r#"
qotas: []
expiry:
  - match: {job="x",env="y"}
    tll: 3h
    keep_times: maybe
  - ttl: 1h
quotas:
  - match: [1]
    groups: lots
    burst: 0
    pushes_per_second: fast
access:
  anonymous: {read: {job="x"}, admin: 7, push: ['{}', {a="b"}]}
  user: {}
  tokens:
    a: {push: '{}'}
"#,
        expect![[r#"
            f.yml: line 2, column 1: unknown field `qotas`, expected one of expiry, quotas, aggregate, runs, expect, relabel_configs, access, alerting, tracing, etcd
            f.yml: line 4, column 12: expected a text, found keys with values
            hint: put the selector in quotes: '{job="x",env="y"}'
            f.yml: line 5, column 5: unknown field `tll`, expected one of match, ttl, keep_times, series_ttl
            f.yml: line 6, column 17: expected true or false, found `maybe`
            f.yml: line 7, column 5: expected `match` in the rule, found none
            f.yml: line 9, column 12: expected a text in quotes, found something else
            f.yml: line 10, column 13: expected a whole number from 0 on, found `lots`
            f.yml: line 11, column 12: expected a number from 1 on, found `0`
            f.yml: line 12, column 24: expected a number above 0, found `fast`
            f.yml: line 14, column 21: expected a text, found keys with values
            hint: put the selector in quotes: '{job="x"}'
            f.yml: line 14, column 39: expected true or false, found `7`
            f.yml: line 14, column 55: expected a text, found keys with values
            hint: put the selector in quotes: '{a="b"}'
            f.yml: line 15, column 3: unknown field `user`, expected one of anonymous, users, tokens, certificates, inputs
            f.yml: line 17, column 8: expected `sha256` of the token, found none"#]],
    );
}

#[test]
fn what_is_no_yaml_is_a_mistake_with_its_place() {
    check(
        "expiry:\n  - match: '{}\n",
        expect!["f.yml: line 3, column 1: invalid indentation in multiline quoted scalar"],
    );
    check(
        "expiry: 3\n",
        expect!["f.yml: line 1, column 9: expected a list, found something else"],
    );
    check(
        "expiry: []\nexpiry: []\n",
        expect!["f.yml: line 2, column 1: expected each key once, found `expiry` twice"],
    );
    check(
        "quotas:\n  - {match: '{}', series: -1}\n",
        expect!["f.yml: line 2, column 27: expected a whole number from 0 on, found `-1`"],
    );
}

#[test]
fn what_is_wrong_with_etcd_is_told_with_its_place() {
    let error = read_text("etcd:\n  endpoints: [http://a:1, b:2]\n  password: x\n  compact: maybe\n");
    for part in [
        "line 2, column 27: expected the address of an etcd member, such as http://127.0.0.1:2379, found `b:2`",
        "line 3, column 3: unknown field `password`",
        "line 4, column 12: expected true or false, found `maybe`",
    ] {
        assert!(error.contains(part), "{error}");
    }
    let none = read_text("etcd:\n  user: a\n");
    assert!(none.contains("expected `endpoints`"), "{none}");
}

#[test]
fn expectations_are_read() {
    check(
        r#"
expect:
  - match: '{job=~"backup-.*"}'
    every: 1d
    grace: 1h
  - always:
      - {job: backup, instance: db1}
      - job: nightly
    schedule: 0 3 * * 1-5
    timezone: europe/berlin
    since: 2026-12-01T00:00:00Z
    paused_until: 2026-12-24T18:00:00+01:00
"#,
        expect![[r#"
            expect Some("{job=~\"backup-.*\"}") [] every 1d, grace 1h since=None paused_until=None
            expect None [{instance="db1",job="backup"}, {job="nightly"}] 0 3 * * 1-5 by Europe/Berlin, grace 0s since=Some(UnixNanos(1796083200000000000)) paused_until=Some(UnixNanos(1798131600000000000))
            0 relabelling rules"#]],
    );
}

#[test]
fn mistakes_in_expectations_are_told_with_their_place() {
    check(
        r"
expect:
  - every: 1d
  - match: '{}'
  - {match: '{}', every: 1d, schedule: '@daily'}
  - {match: '{}', every: often}
  - match: '{}'
    schedule: 0 25 * * *
  - {match: '{}', schedule: '@daily', timezone: Europe/Berln}
  - {match: '{}', every: 1d, timezone: UTC}
  - {match: '{}', every: 1d, grace: -1h}
  - {match: '{}', every: 1d, since: yesterday}
  - {match: '{}', every: 1d, paused_until: 2026-12-24}
  - every: 1d
    always: [{instance: a}, {job: ''}, {job: a, __x: b}, {job: a, 'a-b': c}]
  - {match: '{}', evry: 1d}
",
        expect![[r#"
            f.yml: line 3, column 5: expected `match` or `always` in the rule, found neither
            f.yml: line 4, column 5: expected `every` or `schedule`, found neither
            f.yml: line 5, column 40: expected `every` or `schedule`, found both
            f.yml: line 6, column 26: expected a duration such as `1h30m` or `2d`, found `often`
            f.yml: line 8, column 15: column 3 of the schedule: expected the hour (0-23), found `25`
            f.yml: line 9, column 49: expected the name of a time zone such as `Europe/Berlin` or `UTC`, found `Europe/Berln`
            f.yml: line 10, column 40: expected `schedule` beside it, found `every`, which is the same in all time zones
            f.yml: line 11, column 37: expected a duration such as `1h30m` or `2d`, found `-1h`
            f.yml: line 12, column 37: expected a time such as `2026-12-24T18:00:00Z`, found `yesterday`
            f.yml: line 13, column 44: expected a time such as `2026-12-24T18:00:00Z`, found `2026-12-24`
            f.yml: line 15, column 14: job name is required
            f.yml: line 15, column 29: job name is required
            f.yml: line 15, column 40: improper label name "__x"
            f.yml: line 15, column 58: expected the name of a label, found `a-b`
            f.yml: line 16, column 19: unknown field `evry`, expected one of match, always, every, schedule, timezone, grace, since, paused_until"#]],
    );
    check(
        "expect:\n- always: [job]\n",
        expect!["f.yml: line 2, column 12: expected keys with values, found something else"],
    );
}

// ---- the schema -------------------------------------------------------------------------------------------

const SCHEMA: &str = include_str!("../../../../docs/config.schema.json");

fn schema() -> serde_json::Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// The keys that the parser knows in a place, from what it says of one that it does not know.
fn known_keys(text_with_unknown: &str) -> Vec<String> {
    let error = read_text(text_with_unknown);
    let (_, keys) = error.split_once("expected one of ").unwrap();
    let mut keys: Vec<String> = keys.split(", ").map(str::to_owned).collect();
    keys.sort();
    keys
}

fn keys_of(object: &serde_json::Value) -> Vec<String> {
    assert_eq!(object["additionalProperties"], false);
    object["properties"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

#[test]
fn the_schema_has_the_keys_of_the_parser() {
    let schema = schema();
    assert_eq!(keys_of(&schema), known_keys("zz: 1\n"));
    for list in ["expiry", "quotas", "expect", "relabel_configs"] {
        let rule = &schema["properties"][list]["items"];
        assert_eq!(
            keys_of(rule),
            known_keys(&format!("{list}:\n- zz: 1\n")),
            "{list}"
        );
    }
    let access = &schema["properties"]["access"];
    assert_eq!(keys_of(access), known_keys("access: {zz: 1}\n"));
    let tokens = &access["properties"]["tokens"]["additionalProperties"];
    assert_eq!(keys_of(tokens), known_keys("access: {tokens: {a: {zz: 1}}}\n"));
    let inputs = &access["properties"]["inputs"];
    assert_eq!(keys_of(inputs), known_keys("access: {inputs: {zz: 1}}\n"));
    let input = &schema["$defs"]["input"];
    assert_eq!(
        keys_of(input),
        known_keys("access: {inputs: {statsd: {zz: 1}}}\n")
    );
    let tracing = &schema["properties"]["tracing"];
    assert_eq!(keys_of(tracing), known_keys("tracing: {zz: 1}\n"));
    let alerting = &schema["properties"]["alerting"];
    assert_eq!(keys_of(alerting), known_keys("alerting: {zz: 1}\n"));
    for (list, inner) in [("alertmanagers", "alertmanagers"), ("webhooks", "webhooks")] {
        let items = &alerting["properties"][list]["items"];
        assert_eq!(
            keys_of(items),
            known_keys(&format!("alerting: {{{inner}: [{{zz: 1}}]}}\n")),
            "{list}"
        );
    }
    let targets = &alerting["properties"]["alertmanagers"]["items"]["properties"]["static_configs"]["items"];
    let text = "alerting: {alertmanagers: [{static_configs: [{zz: 1}]}]}\n";
    assert_eq!(keys_of(targets), known_keys(text));
    for section in ["basic_auth", "authorization", "tls_config"] {
        let text = format!("alerting: {{webhooks: [{{url: 'http://x', {section}: {{zz: 1}}}}]}}\n");
        assert_eq!(keys_of(&schema["$defs"][section]), known_keys(&text), "{section}");
    }
    let etcd = &schema["properties"]["etcd"];
    assert_eq!(keys_of(etcd), known_keys("etcd: {zz: 1}\n"));
    let tls = &tracing["properties"]["tls_config"];
    assert_eq!(keys_of(tls), known_keys("tracing: {tls_config: {zz: 1}}\n"));
    let role = &schema["$defs"]["role"];
    for place in [
        "anonymous: {zz: 1}",
        "users: {a: {zz: 1}}",
        "certificates: {a: {zz: 1}}",
    ] {
        assert_eq!(keys_of(role), known_keys(&format!("access: {{{place}}}\n")));
    }
}

/// Each property has examples: the parser takes them, and the schema's type fits them.
#[test]
fn the_examples_of_the_schema_are_read() {
    let schema = schema();
    for list in ["expiry", "quotas", "expect"] {
        let properties = schema["properties"][list]["items"]["properties"]
            .as_object()
            .unwrap();
        for (name, property) in properties {
            let examples = property["examples"].as_array();
            for example in examples.unwrap_or_else(|| panic!("{list}.{name} has no examples")) {
                let companion = match name.as_str() {
                    "burst" | "per" => ", \"pushes_per_second\": 1",
                    "match" if list == "expiry" => ", \"ttl\": \"1h\"",
                    "every" | "schedule" => "",
                    "timezone" => ", \"schedule\": \"@daily\"",
                    _ if list == "expect" => ", \"every\": \"1h\"",
                    "match" => ", \"groups\": 1",
                    _ => "",
                };
                let selector = if name == "match" {
                    ""
                } else {
                    "\"match\": \"{}\", "
                };
                let text = format!("{list}:\n- {{{selector}\"{name}\": {example}{companion}}}\n");
                assert!(
                    parse(&text, NameRule::Legacy, Path::new("")).is_ok(),
                    "{text}{}",
                    read_text(&text)
                );
            }
        }
    }
    for section in ["relabel_configs", "access", "alerting", "tracing", "etcd"] {
        let example = schema["properties"][section]["examples"][0].to_string();
        let text = format!("{section}: {example}\n");
        assert!(
            parse(&text, NameRule::Legacy, Path::new("")).is_ok(),
            "{}",
            read_text(&text)
        );
    }
    for example in schema["$defs"]["selectors"]["examples"].as_array().unwrap() {
        let text = format!("access: {{anonymous: {{push: {example}}}}}\n");
        assert!(
            parse(&text, NameRule::Legacy, Path::new("")).is_ok(),
            "{}",
            read_text(&text)
        );
    }
}

#[test]
fn the_schema_lists_every_action() {
    let schema = schema();
    let actions = &schema["properties"]["relabel_configs"]["items"]["properties"]["action"]["enum"];
    let actions = actions.as_array().unwrap();
    assert_eq!(actions.len(), 11);
    for action in actions {
        assert!(
            action.as_str().unwrap().parse::<wharf_relabel::Action>().is_ok(),
            "{action}"
        );
    }
}

// ---- alerts -----------------------------------------------------------------------------------------------

fn alerting_of(text: &str) -> wharf_gateway::AlertingRules {
    let policy =
        parse(text, NameRule::Legacy, Path::new("")).unwrap_or_else(|_| panic!("{}", read_text(text)));
    policy.alerting.unwrap()
}

#[test]
fn alertmanagers_are_named_in_the_words_of_prometheus() {
    let rules = alerting_of(
        "alerting:\n  labels: {severity: page, empty: ''}\n  alertmanagers:\n  \
         - static_configs: [{targets: ['a:9093', '[::1]:9093']}, {targets: [c]}]\n  \
         - scheme: https\n    path_prefix: /am/\n    timeout: 3s\n    api_version: v2\n    \
           authorization: {credentials: hush}\n    tls_config: {insecure_skip_verify: true}\n    \
           static_configs: [{targets: ['a:9093']}]\n",
    );
    let names: Vec<&str> = rules.alertmanagers.iter().map(|to| to.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "http://a:9093/api/v2/alerts",
            "http://[::1]:9093/api/v2/alerts",
            "http://c/api/v2/alerts",
            "https://a:9093/am/api/v2/alerts"
        ]
    );
    assert_eq!(rules.labels, [("severity".to_owned(), "page".to_owned())].into());
    let shown = format!("{rules:?}");
    assert!(
        shown.contains("timeout: 3s") && !shown.contains("hush"),
        "{shown}"
    );
}

#[test]
fn webhooks_are_named_in_the_words_of_alertmanager() {
    let rules = alerting_of(
        "alerting:\n  webhooks:\n  - url: https://hooks.example/T/secret?token=x\n  \
         - {name: chat, url: 'http://b/', send_resolved: false, max_alerts: 0, group_by: [team, job], group_wait: 0s, \
            group_interval: 1m, repeat_interval: 1d, basic_auth: {username: me, password: hush}}\n  \
         - {url: 'http://c', group_by: ['...']}\n",
    );
    let names: Vec<&str> = rules
        .webhooks
        .iter()
        .map(|to| to.receiver.name.as_str())
        .collect();
    assert_eq!(names, ["webhook-1", "chat", "webhook-3"]);
    let [usual, chat, each] = rules.webhooks.as_slice() else {
        unreachable!()
    };
    let times = |webhook: &wharf_gateway::Webhook| {
        [
            webhook.group_wait,
            webhook.group_interval,
            webhook.repeat_interval,
        ]
        .map(|time| time.as_secs())
    };
    assert_eq!(
        (times(usual), usual.max_alerts, usual.send_resolved),
        ([30, 300, 14400], 1000, true)
    );
    assert_eq!(
        (times(chat), chat.max_alerts, chat.send_resolved),
        ([0, 60, 86400], usize::MAX, false)
    );
    let by =
        |names: &[&str]| wharf_gateway::GroupBy::Labels(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(
        [&usual.group_by, &chat.group_by, &each.group_by],
        [
            &by(&["alertname"]),
            &by(&["job", "team"]),
            &wharf_gateway::GroupBy::All
        ]
    );
    assert!(!format!("{rules:?}").contains("hush"));
}

#[test]
fn secrets_of_receivers_are_read_from_files_and_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("url", "https://h.example/x\n"),
        ("token", "hush\n"),
        ("bad", "no url: hush"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let parsed = |text: &str| parse(text, NameRule::Legacy, folder.path());
    let text =
        "alerting: {webhooks: [{url_file: url, authorization: {type: Token, credentials_file: token}}]}\n";
    let shown = format!("{:?}", parsed(text).unwrap().alerting.unwrap());
    assert!(
        shown.contains("https://h.example") && !shown.contains("hush"),
        "{shown}"
    );
    let text = "alerting: {webhooks: [{url_file: bad}, {url_file: none}, {url: 'ftp://hush/hush'}, {url: 'http://u:hush@h/'}]}\n";
    let mistakes = parsed(text).unwrap_err();
    assert_eq!(mistakes.len(), 4, "{mistakes:?}");
    let shown: Vec<String> = mistakes.iter().map(|mistake| mistake.text.clone()).collect();
    assert!(!shown.concat().contains("hush"), "{shown:?}");
}

#[test]
fn mistakes_in_alerting_are_told_with_their_places() {
    check(
        r"
alerting:
  alert_relabel_configs: []
  labels: {alertname: x, 1a: b}
  alertmanagers:
  - kubernetes_sd_configs: []
    scheme: htp
  - api_version: v1
    static_configs: [{targets: ['http://a:9093', 'a:9093', 'a:9093']}]
    proxy_url: http://p
  - {}
  - static_configs: [{targets: ['b:9093'], labels: {}}]
    timeout: 2m
    path_prefix: a?b
    basic_auth: {password: x}
    authorization: {type: Basic, credentials: x}
  webhooks:
  - {}
  - {url: nowhere, group_by: ['a', 'a', '...']}
  - {name: v, url: 'http://x', group_interval: 0s}
  - {name: w, url: 'http://x'}
  - {name: w, url: 'http://y'}
  - {name: '', url: 'http://x'}
  - {url: 'http://x', max_alerts: -1}
",
        expect![[r"
            f.yml: line 3, column 3: expected no `alert_relabel_configs`, for that is not supported
            hint: Wharf does not relabel alerts: write `labels`, or let the routes of Alertmanager decide
            f.yml: line 4, column 23: expected no `alertname`, for it says what the alert is
            f.yml: line 4, column 30: expected the name of a label, found `1a`
            f.yml: line 6, column 5: expected no `kubernetes_sd_configs`, for that is not supported
            hint: Wharf looks for no services: name the Alertmanagers in `static_configs`
            f.yml: line 7, column 13: expected http or https, found `htp`
            f.yml: line 8, column 18: expected v2, found `v1`, which no Alertmanager has since 0.27
            f.yml: line 9, column 33: expected a host and a port such as `alertmanager:9093`, found `http://a:9093`
            hint: `scheme` and `path_prefix` are keys of their own
            f.yml: line 9, column 60: expected each receiver once, found `http://a:9093/api/v2/alerts` twice
            f.yml: line 10, column 5: expected no `proxy_url`, for that is not supported
            hint: Wharf goes by no proxy
            f.yml: line 11, column 5: expected `static_configs` with `targets`, found none
            f.yml: line 12, column 44: unknown field `labels`, expected one of targets
            f.yml: line 13, column 14: expected a time above 0 and of at most 1m, found `2m`
            f.yml: line 14, column 18: expected a path such as `/alertmanager`, found `a?b`
            f.yml: line 15, column 17: expected `basic_auth` or `authorization`, found both
            f.yml: line 15, column 17: expected `username` or `username_file`, found neither
            f.yml: line 18, column 5: expected `url` or `url_file`, found neither
            f.yml: line 19, column 11: expected a URL such as `https://hooks.example.org/wharf`, found something else
            f.yml: line 19, column 36: expected each label once, found `a` twice
            f.yml: line 19, column 41: expected the name of a label, or `...` alone, found `...`
            f.yml: line 20, column 48: expected at least 1s, found `0s`
            f.yml: line 22, column 5: expected each receiver once, found `w` twice
            f.yml: line 23, column 12: expected a name of 1 to 128 bytes, found 0
            f.yml: line 24, column 35: expected a whole number from 0 on, found `-1`"]],
    );
    check(
        "alerting: {alertmanagers: []}\n",
        expect!["f.yml: line 1, column 11: expected `alertmanagers` or `webhooks`, found neither"],
    );
}

// ---- traces -----------------------------------------------------------------------------------------------

#[test]
fn traces_go_where_the_file_says_in_the_words_of_prometheus() {
    let tracing = |text: &str| {
        let policy = parse(text, NameRule::Legacy, Path::new("")).unwrap();
        policy
            .tracing
            .map(|tracing| format!("{} {:?}", tracing.sampling_fraction, tracing.exporter))
    };
    assert_eq!(tracing("tracing:\n"), None);
    let shown = tracing(
        "tracing:\n  client_type: http\n  endpoint: localhost:4318\n  insecure: true\n  sampling_fraction: 0.25\n  \
         compression: gzip\n  timeout: 5s\n  headers: {X-Scope-OrgID: 'team-a'}\n",
    );
    let shown = shown.unwrap();
    for part in [
        "0.25 ",
        "http://localhost:4318",
        "/v1/traces",
        "5s",
        "compress: true",
        "x-scope-orgid",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    // It may be a secret.
    assert!(!shown.contains("team-a"), "{shown}");
    // A URL says all of it; a path in it is the whole path.
    for (endpoint, address, path) in [
        ("localhost:4318", "https://localhost:4318", "/v1/traces"),
        ("http://otel:4318", "http://otel:4318", "/v1/traces"),
        ("https://otel/otlp/v1/traces", "https://otel/otlp/v1/traces", ""),
    ] {
        let text = format!(
            "tracing: {{client_type: http, endpoint: '{endpoint}', tls_config: {{insecure_skip_verify: true}}}}\n"
        );
        let shown = tracing(&text).unwrap();
        assert!(shown.contains(&format!("Address(\"{address}\")")), "{shown}");
        assert!(shown.contains(&format!("path: \"{path}\"")), "{shown}");
    }
}

#[test]
fn certificates_for_traces_stand_in_the_file_or_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = Certificate::self_signed("wharf", &["wharf"]);
    certificate.write(folder.path(), "client");
    let (chain, key) = (&certificate.certificate, &certificate.key);
    let indented = |pem: &str| pem.trim_end().replace('\n', "\n      ");
    let read = |tls: &str| {
        let text = format!("tracing:\n  client_type: http\n  endpoint: localhost:4318\n  tls_config:\n{tls}");
        parse(&text, NameRule::Legacy, folder.path()).map(drop)
    };
    let inline = format!(
        "    ca: |\n      {}\n    cert: |\n      {}\n    key: |\n      {}\n",
        indented(chain),
        indented(chain),
        indented(key)
    );
    assert_eq!(read(&inline), Ok(()));
    assert_eq!(
        read("    ca_file: client.crt\n    cert_file: client.crt\n    key_file: client.key\n"),
        Ok(())
    );
    // One of each kind.
    assert_eq!(
        read(&format!(
            "    ca_file: client.crt\n    cert: |\n      {}\n    key_file: client.key\n",
            indented(chain)
        )),
        Ok(())
    );
    let texts = |mistakes: Result<(), Vec<Mistake>>| {
        let mistakes = mistakes.unwrap_err().into_iter();
        mistakes.map(|mistake| mistake.text).collect::<Vec<_>>()
    };
    assert_eq!(
        texts(read("    ca: x\n    ca_file: client.crt\n    key: 'a secret'\n")),
        [
            "expected a certificate (`cert`, `cert_file`) and its key (`key`, `key_file`), or neither, found one of them",
            "expected `ca` or `ca_file`, found both"
        ]
    );
    // What is no key may be one for something else.
    let told = texts(read(&format!(
        "    cert: |\n      {}\n    key: 'a secret'\n",
        indented(chain)
    )));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("expected a private key in PEM, found") && !told[0].contains("a secret"),
        "{told:?}"
    );
}

#[test]
fn mistakes_about_traces_are_named_with_what_is_expected() {
    check(
        "tracing: {endpoint: 'localhost:4317'}\n",
        expect![[r"
        f.yml: line 1, column 10: expected `client_type`, found none
        hint: Wharf sends OTLP over HTTP and not over gRPC, which is the default of Prometheus: write `client_type: http` and the port of the receiver for HTTP, mostly 4318"]],
    );
    check(
        "tracing: {client_type: http}\n",
        expect![
            "f.yml: line 1, column 10: expected `endpoint`, the host and port of the receiver, found none"
        ],
    );
    check(
        r"
tracing:
  client_type: grpc
  endpoint: ftp://x
  sampling_fraction: 2
  insecure: perhaps
  compression: zstd
  timeout: 1h
  headers: {'a b': c}
  tls_config: {ca_file: nowhere.pem, cert_file: nowhere.pem, server_name: x, min_version: TLS12}
",
        expect![[r"
            f.yml: line 3, column 16: expected http, found `grpc`
            hint: Wharf sends OTLP over HTTP and not over gRPC, which is the default of Prometheus: write `client_type: http` and the port of the receiver for HTTP, mostly 4318
            f.yml: line 4, column 13: expected `http://` or `https://` in front of the host, found `ftp://`
            f.yml: line 5, column 22: expected a number from 0 to 1, found `2`
            f.yml: line 6, column 13: expected true or false, found `perhaps`
            f.yml: line 7, column 16: expected gzip, or no compression, found `zstd`
            f.yml: line 8, column 12: expected a time above 0 and of at most 1m, found `1h`
            f.yml: line 9, column 20: expected the name and the value of a header, found others for `a b`
            f.yml: line 10, column 15: expected a certificate (`cert`, `cert_file`) and its key (`key`, `key_file`), or neither, found one of them
            f.yml: line 10, column 25: expected a file that can be read, found `nowhere.pem`: No such file or directory (os error 2)
            f.yml: line 10, column 49: expected a file that can be read, found `nowhere.pem`: No such file or directory (os error 2)
            f.yml: line 10, column 62: expected no `server_name`, for Wharf checks the certificate for the host of `endpoint`
            hint: write into `endpoint` a host that the certificate has
            f.yml: line 10, column 78: unknown field `min_version`, expected one of ca, ca_file, cert, cert_file, key, key_file, insecure_skip_verify"]],
    );
    check(
        "tracing: {client_type: http, endpoint: 'https://x', insecure: true, sampling: 1}\n",
        expect![[r"
            f.yml: line 1, column 40: expected `http://` beside `insecure: true`, found `https://`
            f.yml: line 1, column 69: unknown field `sampling`, expected one of client_type, endpoint, sampling_fraction, insecure, headers, compression, timeout, tls_config"]],
    );
}
