//! Random texts in `OpenMetrics`: most are right, or have one thing wrong.

use std::fmt::Write as _;

use wharf_testkit::Random;

const NAMES: [&str; 10] = [
    "a",
    "b",
    "c_seconds",
    "d",
    "e_bytes",
    "a_total",
    "a_created",
    "b_sum",
    "b_count",
    "d_info",
];
const TYPES: [&str; 8] = [
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
    "unknown",
];
const LABELS: [&str; 8] = [
    "",
    "x=\"1\"",
    "x=\"2\"",
    "x=\"1\",y=\"2\"",
    "y=\"2\",x=\"1\"",
    "x=\"\"",
    "path=\"/a,b=\\\"c\\\" # {}\"",
    "_z=\"\\\\ \\n é\"",
];
const EXEMPLARS: [&str; 6] = [
    " # {} 0.05",
    " # {trace_id=\"x\"} 0.01",
    " # {a=\"1\",b=\"2\"} 0.02 1520879607.789",
    " # {a=\"#} {\"} 1e-3 5",
    " # {} NaN",
    " # {} 7",
];
const NUMBERS: [&str; 28] = [
    "0",
    "1",
    "-1",
    "NaN",
    "nan",
    "-nan",
    "+Inf",
    "-Inf",
    "inf",
    "Infinity",
    "1.5",
    ".5",
    "5.",
    "1e3",
    "1E-3",
    "1e999",
    "1_0",
    "0x1p3",
    "0X1",
    "0b1",
    "--1",
    "+1",
    "",
    " 1",
    "1 ",
    "18446744073709551616",
    "١",
    "1,5",
];
const ODD: [&str; 26] = [
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "\r",
    "\"",
    "\\",
    "{",
    "}",
    "{}",
    ",",
    "=",
    "#",
    " # ",
    "#\n",
    "é",
    "_",
    ":",
    "-",
    "1",
    "\0",
    "le",
    "quantile",
    "__x=\"1\"",
    "\u{feff}",
];

/// A text of some families.
pub(crate) fn right(random: &mut Random) -> String {
    let mut text = String::new();
    let first = random.below(NAMES.len());
    for index in 0..=random.below(3) {
        let name = NAMES[(first + index * 3) % NAMES.len()];
        family(&mut text, random, name);
    }
    text.push_str("# EOF\n");
    text
}

/// The same with some things changed, mostly for the worse.
pub(crate) fn wrong(random: &mut Random) -> String {
    let mut text = right(random);
    for _ in 0..=random.below(2) {
        change(&mut text, random);
    }
    text
}

fn family(text: &mut String, random: &mut Random, name: &str) {
    let metric_type = word(random, &TYPES);
    let mut metadata = Vec::new();
    if metric_type != "unknown" || random.one_in(2) {
        metadata.push(format!("# TYPE {name} {metric_type}\n"));
    }
    if random.one_in(2) {
        let help = word(random, &["Help.", "", " two  blanks ", "\\\\ \\n \\\" \\x", "\""]);
        metadata.push(format!("# HELP {name} {help}\n"));
    }
    let unit = name.split_once('_').map_or("", |(_, unit)| unit);
    if ["seconds", "bytes"].contains(&unit)
        && metric_type != "info"
        && metric_type != "stateset"
        && random.one_in(2)
    {
        metadata.push(format!("# UNIT {name} {unit}\n"));
    }
    let turn = random.below(metadata.len().max(1));
    metadata.rotate_left(turn);
    text.extend(metadata);
    let first = random.below(LABELS.len());
    for index in 0..random.below(4) {
        let labels = LABELS[(first + index) % LABELS.len()];
        let points = if random.one_in(8) { 2 } else { 1 };
        let has_timestamp = points == 2 || random.one_in(8);
        for point in 0..points {
            let timestamp = if has_timestamp {
                format!(" {}", 1_520_879_607 + point)
            } else {
                String::new()
            };
            metric(text, random, (name, metric_type, labels), &timestamp);
        }
    }
}

fn metric(text: &mut String, random: &mut Random, family: (&str, &str, &str), timestamp: &str) {
    let (name, metric_type, labels) = family;
    let mut sample = |suffix: &str, own: &str, value: &str, exemplar: &str| {
        let separator = if labels.is_empty() || own.is_empty() {
            ""
        } else {
            ","
        };
        let labels = match format!("{labels}{separator}{own}") {
            none if none.is_empty() => String::new(),
            labels => format!("{{{labels}}}"),
        };
        writeln!(text, "{name}{suffix}{labels} {value}{timestamp}{exemplar}").unwrap();
    };
    let exemplar = if random.one_in(3) {
        word(random, &EXEMPLARS)
    } else {
        ""
    };
    let has_created = random.one_in(3);
    match metric_type {
        "counter" => {
            sample(
                "_total",
                "",
                word(random, &["0", "17.0", "1e3", "+Inf"]),
                exemplar,
            );
        }
        "info" => sample("_info", "", word(random, &["1", "1.0"]), ""),
        "stateset" => {
            sample("", &format!("{name}=\"on\""), "1", "");
            sample("", &format!("{name}=\"off\""), "0", "");
        }
        "summary" => {
            sample("", "quantile=\"0.5\"", word(random, &["1.5", "NaN", "0"]), "");
            sample("", "quantile=\"1\"", "7", "");
            sample("_count", "", "3", "");
            sample("_sum", "", "4.5", "");
        }
        "histogram" | "gaugehistogram" => {
            let is_gauge = metric_type == "gaugehistogram";
            let first = word(random, &["-1.0", "0.1", "0", "1e-05"]);
            sample(
                "_bucket",
                &format!("le=\"{first}\""),
                "1",
                if first == "0.1" { exemplar } else { "" },
            );
            sample("_bucket", "le=\"5\"", word(random, &["1", "2.0", "3"]), "");
            sample("_bucket", "le=\"+Inf\"", "3", exemplar);
            if (is_gauge || first != "-1.0") && !random.one_in(4) {
                let [count, sum] = if is_gauge {
                    ["_gcount", "_gsum"]
                } else {
                    ["_count", "_sum"]
                };
                sample(count, "", "3", "");
                sample(sum, "", "4.5", "");
            }
        }
        _ => sample("", "", word(random, &["1", "-1.5", "NaN", "-Inf"]), ""),
    }
    if has_created && ["counter", "summary", "histogram"].contains(&metric_type) {
        sample("_created", "", "1520430000.123", "");
    }
}

fn change(text: &mut String, random: &mut Random) {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if lines.is_empty() {
        return;
    }
    let index = random.below(lines.len());
    let other = random.below(lines.len());
    match random.below(12) {
        0 => drop(lines.remove(index)),
        1 => lines.insert(other, lines[index].clone()),
        2 => lines.swap(index, other),
        3 => {
            let line = lines.remove(index);
            lines.insert(other.min(lines.len()), line);
        }
        4 => {
            let other = right(random);
            let first = other.split_inclusive('\n').next().unwrap_or_default();
            first.clone_into(&mut lines[index]);
        }
        5 | 6 => replace_word(&mut lines[index], random, &NUMBERS),
        7 => replace_word(
            &mut lines[index],
            random,
            &[&TYPES[..], &["untyped", "Gauge"]].concat(),
        ),
        8 => {
            let suffix = word(
                random,
                &[
                    "_total", "_created", "_sum", "_count", "_bucket", "_gsum", "_info", "",
                ],
            );
            if let Some(end) = lines[index].find(['{', ' ']) {
                let start = lines[index][..end].find('_').unwrap_or(end);
                lines[index].replace_range(start..end, suffix);
            }
        }
        9 => {
            let extra = word(
                random,
                &["le=\"1\"", "quantile=\"0.5\"", "x=\"3\"", "a=\"on\"", "x=\"1\""],
            );
            let line = &mut lines[index];
            match line.find('{') {
                Some(brace) => line.insert_str(brace + 1, &format!("{extra},")),
                None => *line = line.replacen(' ', &format!("{{{extra}}} "), 1),
            }
        }
        _ => {
            let line = &mut lines[index];
            let places: Vec<usize> = line.char_indices().map(|(place, _)| place).collect();
            let start = places[random.below(places.len())];
            if random.one_in(2) {
                line.remove(start);
            }
            if random.one_in(2) {
                line.insert_str(start, word(random, &ODD));
            }
        }
    }
    *text = lines.concat();
}

/// Replaces what stands between two blanks or quotes.
fn replace_word(line: &mut String, random: &mut Random, by: &[&str]) {
    let ends: Vec<usize> = line.match_indices([' ', '"', '\n']).map(|(end, _)| end).collect();
    if ends.len() < 2 {
        return;
    }
    let index = random.below(ends.len() - 1);
    line.replace_range(ends[index] + 1..ends[index + 1], word(random, by));
}

fn word<'w>(random: &mut Random, words: &[&'w str]) -> &'w str {
    words[random.below(words.len())]
}
