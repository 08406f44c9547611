//! The pages of the documentation that are made from code: `docs/flags.md`, `docs/config-reference.md`, `docs/metrics.md` and
//! `docs/commands.md`.
//!
//! A page that is not what the code says fails its test. `cargo xtask docs --renew` writes it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::expect_file;
use serde_json::Value;
use wharf_settings::Takes;

use crate::args::{ABOUT_FLAGS, VISIBLE_REQUESTS};
use crate::config::{Config, FLAGS, Heading};
use crate::tools::outlines;

/// What each of the pages begins with, below its title.
fn made_of(what: &str) -> String {
    format!("<!-- Made of {what} by `cargo xtask docs --renew`: change that, not this page. -->\n\n")
}

/// A cell of a table: bars end cells.
fn cell(text: &str) -> String {
    marked(text).replace('|', "\\|")
}

/// A text whose words are code if they are something that is typed, or that Markdown would take for its own. One that has code already
/// stays as it is.
fn marked(text: &str) -> String {
    if text.contains('`') {
        return text.to_owned();
    }
    let words = text.split_whitespace().map(|word| {
        let typed = word.trim_end_matches(['.', ',', ':', ';', ')']);
        let marks = ["--", "/-/", "/api/", "/metrics", "__", "WHARF_"];
        match word.strip_prefix(typed) {
            Some(rest) if marks.iter().any(|mark| typed.starts_with(mark)) => format!("`{typed}`{rest}"),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Words in lines of at most 120 characters.
fn wrapped(text: &str) -> String {
    let (mut wrapped, mut used) = (String::new(), 0);
    for word in marked(text).split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > 120 {
            wrapped.push('\n');
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += length;
    }
    wrapped + "\n\n"
}

// ---- flags ------------------------------------------------------------------------------------------------

#[test]
fn the_reference_of_flags_is_up_to_date() {
    let mut page = format!(
        "# Flags\n\n{}{}{}",
        made_of("the flags that the program knows"),
        wrapped(
            "`wharf` without the name of a tool is the gateway, and takes these flags. `wharf --help` has the same list; [tools have flags \
             of their own](commands.md). What the [configuration file](config-reference.md) decides has no flag."
        ),
        wrapped(ABOUT_FLAGS),
    );
    let defaults = Config::default();
    for heading in Heading::ALL {
        writeln!(page, "## {}\n", heading.title()).unwrap();
        for flag in FLAGS.iter().filter(|flag| flag.heading == heading) {
            let mut facts = match flag.takes {
                Takes::Nothing => format!("A switch: `--{0}` turns it on, `--no-{0}` off.", flag.name),
                Takes::OneOf(words) => format!("One of {}.", in_code(words.iter().copied())),
                takes => {
                    let described = takes.described();
                    format!("Takes {}.", described.trim_start_matches("takes "))
                }
            };
            if flag.repeats && !flag.help.contains("repeated") {
                facts.push_str(" May be repeated.");
            }
            let default = match (flag.takes, flag.show(&defaults).as_str()) {
                (Takes::Nothing, "true") => "on".to_owned(),
                (Takes::Nothing, _) => "off".to_owned(),
                (_, "") => "none".to_owned(),
                (_, shown) => format!("`{shown}`"),
            };
            write!(facts, " Default: {default}. Variable: `{}`.", flag.variable()).unwrap();
            write!(
                page,
                "### `--{}`\n\n{}{}",
                flag.name,
                wrapped(flag.help),
                wrapped(&facts)
            )
            .unwrap();
        }
    }
    page.push_str("## About\n\n| flag | |\n|---|---|\n");
    for (name, short, help) in VISIBLE_REQUESTS {
        writeln!(page, "| `{}--{name}` | {} |", short.trim_start(), cell(help)).unwrap();
    }
    expect_file!["../../../docs/flags.md"].assert_eq(&page);
}

fn in_code<'t>(words: impl Iterator<Item = &'t str>) -> String {
    words
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

// ---- the configuration file -------------------------------------------------------------------------------

const SCHEMA: &str = include_str!("../../../docs/config.schema.json");

/// Tests of the configuration file see that the schema has the keys of the parser, and that its examples are read.
#[test]
fn the_reference_of_the_configuration_file_is_up_to_date() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut page = format!(
        "# Keys of the configuration file\n\n{}{}",
        made_of("`docs/config.schema.json`"),
        wrapped(
            "Every key that a file for `--config.file` may have. [configuration.md](configuration.md) says what they are for, with examples. \
             A key that is not here is a mistake: `wharf config check FILE` names it. `[]` is each item of a list, `<name>` a name of your choice."
        ),
    );
    let keys = Keys { schema: &schema };
    keys.write(&mut page, "", &schema);
    expect_file!["../../../docs/config-reference.md"].assert_eq(&page);
}

struct Keys<'s> {
    schema: &'s Value,
}

impl<'s> Keys<'s> {
    /// The schema itself, or the one that it refers to.
    fn resolved(&self, schema: &'s Value) -> &'s Value {
        let pointer = schema["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
        pointer.map_or(schema, |pointer| self.schema.pointer(pointer).unwrap())
    }

    /// Writes the keys of an object, then those of objects below it.
    fn write(&self, page: &mut String, path: &str, object: &'s Value) {
        let needed = object["required"].as_array().cloned().unwrap_or_default();
        page.push_str("| key | value | |\n|---|---|---|\n");
        let mut below = Vec::new();
        for (name, key) in object["properties"].as_object().unwrap() {
            let whole = self.resolved(key);
            let text = |member: &str| key[member].as_str().or(whole[member].as_str());
            let mut about = text("description").unwrap_or_default().to_owned();
            if needed.contains(&Value::from(name.as_str())) {
                about.push_str(" Needed.");
            }
            let default = &whole["default"];
            if !default.is_null() {
                let shown = default
                    .as_str()
                    .map_or_else(|| default.to_string(), str::to_owned);
                write!(about, " Default: `{shown}`.").unwrap();
            }
            let inner = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            let (inner, object) = self.object(inner, whole);
            let shown = match object {
                // A section of its own says what it has.
                Some(object) => {
                    below.push((inner.clone(), object));
                    format!("[`{inner}`](#{})", anchor(&inner))
                }
                None => cell(&self.kind(whole)),
            };
            writeln!(page, "| `{name}` | {shown} | {} |", cell(about.trim())).unwrap();
        }
        page.push('\n');
        for (path, object) in below {
            write!(page, "## `{path}`\n\n").unwrap();
            if let Some(section) = section_of(&path) {
                write!(page, "See [configuration.md](configuration.md#{section}).\n\n").unwrap();
            }
            self.write(page, &path, object);
        }
    }

    /// The object that a value is or has: in a list, or under any name.
    fn object(&self, path: String, schema: &'s Value) -> (String, Option<&'s Value>) {
        let schema = self.resolved(schema);
        if schema["properties"].is_object() {
            return (path, Some(schema));
        }
        for (member, mark) in [("items", "[]"), ("additionalProperties", ".<name>")] {
            if schema[member].is_object() && self.resolved(&schema[member])["properties"].is_object() {
                return (format!("{path}{mark}"), Some(self.resolved(&schema[member])));
            }
        }
        (path, None)
    }

    /// What a value is, in words.
    fn kind(&self, schema: &'s Value) -> String {
        let schema = self.resolved(schema);
        if let Some(words) = schema["enum"].as_array() {
            let words = words.iter().filter_map(Value::as_str);
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            let one_of = if words.len() > 1 { "one of " } else { "" };
            return format!("{one_of}{}", in_code(words.into_iter()));
        }
        if let Some(kinds) = schema["oneOf"].as_array() {
            return kinds
                .iter()
                .map(|kind| self.kind(kind))
                .collect::<Vec<_>>()
                .join(", or ");
        }
        let types = match &schema["type"] {
            Value::Array(types) => types.clone(),
            one => vec![one.clone()],
        };
        let kinds = types.iter().filter_map(|kind| match kind.as_str()? {
            "string" if schema["pattern"].is_string() => Some("64 hexadecimal digits".to_owned()),
            "string" => Some("text".to_owned()),
            "boolean" => Some("`true` or `false`".to_owned()),
            "integer" => Some(format!("whole number{}", bounds(schema))),
            "number" => Some(format!("number{}", bounds(schema))),
            "array" => Some(format!("list: {}", self.kind(&schema["items"]))),
            "object" => Some(format!(
                "names with {} each",
                self.kind(&schema["additionalProperties"])
            )),
            _ => None,
        });
        kinds.collect::<Vec<_>>().join(" or ")
    }
}

fn bounds(schema: &Value) -> String {
    let bound = |member: &str, words: &str| {
        let bound = schema[member].as_f64();
        bound.map(|bound| format!(" {words} {bound}")).unwrap_or_default()
    };
    [
        bound("minimum", "from"),
        bound("exclusiveMinimum", "above"),
        bound("maximum", "to"),
    ]
    .concat()
}

/// What a heading is called in links.
fn anchor(path: &str) -> String {
    path.chars()
        .filter(|c| c.is_alphanumeric() || "_-".contains(*c))
        .collect()
}

/// The part of the guide that a section belongs to; none below it.
fn section_of(path: &str) -> Option<&str> {
    let name = path.trim_end_matches("[]");
    (!name.contains('.')).then_some(name)
}

/// Every key is named in the guide too, but for those of relabelling rules, for which it names Prometheus' documentation.
#[test]
fn the_guide_to_the_configuration_file_has_every_key() {
    let guide = include_str!("../../../docs/configuration.md");
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut keys = Vec::new();
    gather_keys(&schema, &mut keys);
    let of_rules = schema["properties"]["relabel_configs"]["items"]["properties"]
        .as_object()
        .unwrap();
    assert!(keys.len() > 40, "{keys:?}");
    for key in keys.iter().filter(|key| !of_rules.contains_key(**key)) {
        let is_named = [format!("`{key}`"), format!("{key}:")]
            .iter()
            .any(|name| guide.contains(name));
        assert!(is_named, "docs/configuration.md does not say what `{key}` is");
    }
}

fn gather_keys<'s>(schema: &'s Value, keys: &mut Vec<&'s str>) {
    let members = schema.as_object().into_iter().flatten();
    for (name, member) in members {
        if name == "properties" {
            keys.extend(member.as_object().unwrap().keys().map(String::as_str));
        }
        gather_keys(member, keys);
    }
}

// ---- metrics ----------------------------------------------------------------------------------------------

const ALERTS: &str = include_str!("../../../packaging/mixin/rules/wharf-alerts.yml");
const RECORDING: &str = include_str!("../../../packaging/mixin/rules/wharf-recording.yml");
const DASHBOARD: &str = include_str!("../../../packaging/mixin/dashboards/wharf.json");

/// Metrics that nothing of the mixin looks at, and why.
const UNWATCHED: [(&str, &str); 14] = [
    (
        "wharf_backup_newest_timestamp_seconds",
        "that of verified backups is watched",
    ),
    (
        "wharf_config_last_reload_success_timestamp_seconds",
        "whether the last reload went well is watched",
    ),
    (
        "wharf_group_due_timestamp_seconds",
        "whether it is over, with the grace, is watched",
    ),
    (
        "wharf_group_expected_info",
        "what a push has said; whether it holds is watched",
    ),
    (
        "wharf_group_paused_until_timestamp_seconds",
        "a pause that somebody has made is no trouble",
    ),
    ("wharf_groups_expiring", "a count, no sign of trouble"),
    (
        "wharf_groups_overdue_known_since_timestamp_seconds",
        "for queries that must not take a start for a success",
    ),
    (
        "wharf_leaves_recompressed_total",
        "a cost of scrapes, which their duration has",
    ),
    ("wharf_ledger_segments", "the bytes of the log are watched"),
    (
        "wharf_stored_cold_compressed_bytes",
        "a part of the memory, which is watched",
    ),
    (
        "wharf_replica_revision",
        "a place in the order of changes, no sign of trouble",
    ),
    ("wharf_undo_removals", "the bytes of removals are watched"),
    ("wharf_undos_total", "the groups that came back are watched"),
    (
        "wharf_web_config_users",
        "whether the file is in force is watched",
    ),
];

/// Which alerts and panels ask for a metric, by the metric's name.
fn watchers() -> BTreeMap<String, Vec<String>> {
    let mut watchers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |query: &str, watcher: &str| {
        for name in query.split(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c))) {
            let of_name = watchers.entry(name.to_owned()).or_default();
            if !of_name.iter().any(|known| known == watcher) {
                of_name.push(watcher.to_owned());
            }
        }
    };
    for alert in ALERTS.split("- alert: ").skip(1) {
        let (name, rest) = alert.split_once('\n').unwrap();
        let query = rest.split("annotations:").next().unwrap();
        add(query, &format!("`{name}`"));
        // What is recorded stands for what it is made of.
        for rule in RECORDING.split("- record: ").skip(1) {
            let (record, made_of) = rule.split_once('\n').unwrap();
            if query.contains(record) {
                add(made_of.split("expr:").nth(1).unwrap(), &format!("`{name}`"));
            }
        }
    }
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            add(target["expr"].as_str().unwrap(), panel["title"].as_str().unwrap());
        }
    }
    watchers
}

#[test]
fn the_reference_of_metrics_is_up_to_date() {
    let watchers = watchers();
    let mut page = format!(
        "# Metrics of the gateway\n\n{}{}",
        made_of("the metrics that the program knows, and of `packaging/mixin`"),
        wrapped(
            "What a scrape of Wharf has beside what was pushed. The `pushgateway_` families and those of the process are those of the \
             Pushgateway, with the same names, types and help. Names of this list are reserved: a push cannot bring them with another type. \
             Some are there only while there is something to count; those that begin with `wharf_replica` only with `--storage.etcd`; those of [StatsD](statsd.md) only where its lines are taken, and those about groups that are due or overdue only with \
             `expect` in the configuration file or `--expect.from-push`, those of messages about them (`prometheus_notifications_`, which are as in Prometheus, and `wharf_webhook_`) only with `alerting`, so that their names are free elsewhere. Of \"this group\" there is one for each group that is expected, with its labels. \"Watched by\" names the alerts, in `code`, and the panels of \
             [packaging/mixin](../packaging/mixin) that ask for the metric."
        ),
    );
    page.push_str("| metric | type | help | watched by |\n|---|---|---|---|\n");
    let own = wharf_gateway::telemetry::reserved().iter();
    let mut own: Vec<_> = own
        .chain(wharf_gateway::telemetry::reserved_of_replicas())
        .chain(wharf_gateway::telemetry::reserved_of_expectations())
        .chain(wharf_gateway::telemetry::reserved_of_alerting())
        .chain(wharf_gateway::telemetry::reserved_of_statsd())
        .collect();
    own.sort_unstable_by_key(|family| family.name);
    for family in own {
        let kind = family.metric_type.as_text();
        let parts =
            ["", "_sum", "_count", "_bucket"].map(|part| watchers.get(&format!("{}{part}", family.name)));
        let mut watched: Vec<&str> = Vec::new();
        for watcher in parts.into_iter().flatten().flatten() {
            if !watched.contains(&watcher.as_str()) {
                watched.push(watcher);
            }
        }
        let exception = UNWATCHED.iter().find(|(name, _)| *name == family.name);
        let watched = match exception {
            None => watched.join(", "),
            Some((name, why)) => {
                assert!(watched.is_empty(), "{name} is watched: take it out of UNWATCHED");
                format!("nothing: {why}")
            }
        };
        assert!(
            !watched.is_empty() || !family.name.starts_with("wharf_"),
            "nothing of packaging/mixin looks at {}: add a panel or an alert, or say in UNWATCHED why none is needed",
            family.name
        );
        writeln!(
            page,
            "| `{}` | {kind} | {} | {} |",
            family.name,
            cell(family.help),
            cell(&watched)
        )
        .unwrap();
    }
    expect_file!["../../../docs/metrics.md"].assert_eq(&page);
}

// ---- tools ------------------------------------------------------------------------------------------------

#[test]
fn the_reference_of_tools_is_up_to_date() {
    let mut page = format!(
        "# Tools\n\n{}{}",
        made_of("the command lines that the program knows"),
        wrapped(
            "What `wharf TOOL --help` prints. [jobs.md](jobs.md) is about `run` and `push`, [tools.md](tools.md) about the tools for those who \
             look after a gateway, [storage.md](storage.md) about `ledger`. The gateway itself has [flags](flags.md)."
        ),
    );
    for command in outlines() {
        writeln!(page, "## wharf {}\n", command.get_name()).unwrap();
        write_help(&mut page, &command);
        for below in command.get_subcommands() {
            writeln!(page, "### wharf {} {}\n", command.get_name(), below.get_name()).unwrap();
            write_help(&mut page, below);
        }
    }
    expect_file!["../../../docs/commands.md"].assert_eq(&page);
}

fn write_help(page: &mut String, command: &clap::Command) {
    let help = command
        .clone()
        .term_width(100)
        .max_term_width(100)
        .render_long_help()
        .to_string();
    let lines = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    write!(page, "```text\n{}\n```\n\n", lines.trim_end()).unwrap();
}
