use super::*;
use crate::{Dialect, Item, Reader};

/// What lines come to by the rules of a file.
#[track_caller]
fn check(file: &str, cases: &[(&str, &str)]) {
    let mapping = Mapping::read(file).unwrap_or_else(|error| panic!("{error}"));
    let mut reader = Reader::new(Dialect::default());
    for (line, expected) in cases {
        let mut shown = Vec::new();
        reader.read(line.as_bytes(), |item| {
            let Item::Sample(sample) = item else { panic!() };
            shown.push(show(&mapping.resolve(&sample)));
        });
        assert_eq!(shown.join(" "), *expected, "{line}");
    }
}

fn show(resolved: &Resolved<'_, '_>) -> String {
    let series = match &resolved.outcome {
        Outcome::Dropped => return "drop".to_owned(),
        Outcome::Refused(error) => return format!("X:{error}"),
        Outcome::Series(series) => series,
    };
    let labels: Vec<_> = series
        .labels
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let update = match series.update {
        Update::Add(value) => format!("+{value}"),
        Update::Set(value) => format!("={value}"),
        Update::Shift(value) => format!("+={value}"),
        Update::Observe { value, times, .. } => format!("~{value}x{times}"),
        Update::Member(member) => format!("?{member}"),
    };
    let reserved = match resolved.reserved_tags {
        0 => String::new(),
        tags => format!("!{tags}"),
    };
    format!("{}{{{}}}{update}{reserved}", series.name, labels.join(","))
}

#[test]
fn names_and_keys_are_escaped_and_the_last_tag_wins() {
    check(
        "",
        &[
            ("a.b-c:1|c", "a_b_c{}+1"),
            ("a:1|c|#k:v,k:w", "a{k=w}+1"),
            ("a:1|c|#K:v,k:w", "a{K=v,k=w}+1"),
            ("a:1|c|#a.b:1,a-b:2", "a{a_b=2}+1"),
            ("a:1|c|#1k:v", "a{_1k=v}+1"),
            ("a,1k-x=v:1|c", "a{_1k_x=v}+1"),
            ("a:1|c|#container_id:t|c:abc", "a{container_id=abc}+1"),
            ("a[k=v:1|c", "a_k_v{}+1"),
            (",k=v:1|c", "X:empty_metric_name"),
        ],
    );
}

#[test]
fn labels_that_would_break_a_scrape_are_left_out() {
    check(
        "mappings: [{match: h, name: h, observer_type: histogram}]",
        &[
            ("a:1|c|#job:x,le:z,quantile:y", "a{job=x,le=z,quantile=y}+1"),
            ("h:1|h|#le:1,quantile:y", "h{quantile=y}~1x1!1"),
            ("a:1|h|#le:1,quantile:y", "a{le=1}~1x1!1"),
            ("a:1|g|#__name__:x,..y:z,_z:1", "a{_z=1}=1!2"),
        ],
    );
}

#[test]
fn counters_only_grow() {
    check(
        "mappings: [{match: n, name: n, scale: -1}, {match: big, name: n, scale: 1e308}]",
        &[
            ("a:-1|c", "X:illegal_negative_counter"),
            ("a:1|c|@-0.5", "X:illegal_negative_counter"),
            ("n:-5|c", "n{}+5"),
            ("n:5|c", "X:illegal_negative_counter"),
            ("a:nan|c", "X:not_finite_counter"),
            ("a:inf|c", "X:not_finite_counter"),
            ("a:1|c|@nan", "X:not_finite_counter"),
            ("big:100|c", "X:not_finite_counter"),
            ("a:0|c", "a{}+0"),
        ],
    );
}

#[test]
fn rules_and_tags_make_the_labels() {
    check(
        "mappings:\n\
         - {match: t.*, name: n, labels: {kk: map}}\n\
         - {match: h.*, name: n, honor_labels: true, labels: {kk: map, jj: m}}\n\
         - {match: d.*, action: drop}\n\
         - {match: e.*, name: $1}\n\
         - {match: s.*, name: n, scale: 10}\n\
         - {match: m.*, name: n, scale: 0.001}\n",
        &[
            ("t.b:1|c|#kk:tag", "n{kk=map}+1"),
            ("h.b:1|c|#kk:tag", "n{jj=m,kk=tag}+1"),
            ("d.b:1|c", "drop"),
            ("e.:1|c", "X:empty_metric_name"),
            ("e.1x:1|c", "_1x{}+1"),
            ("s.b:5|g:+2|g", "n{}=50 n{}+=20"),
            ("m.b:5000|ms", "n{}~0.005x1"),
            ("t,k=v.b:1|c", "t{k=v.b}+1"),
            ("t.b,k=v:1|c", "n{k=v,kk=map}+1"),
            ("t[k=v].b:alice|s", "n{k=v,kk=map}?alice"),
        ],
    );
}

/// In the exporter a gauge cannot be set to a negative value, which is what clients of `DogStatsD` mean by one.
#[test]
fn signs_of_gauges_are_relative_unless_a_rule_says_otherwise() {
    check(
        "mappings:\n\
         - {match: a.*, name: a, gauge_signs: absolute, scale: 2}\n\
         - {match: r.*, name: r, gauge_signs: relative}\n\
         - {match: d.*, name: d}\n",
        &[
            ("a.b:-5|g:+3|g:4|g", "a{}=-10 a{}=6 a{}=8"),
            ("r.b:-5|g:4|g", "r{}+=-5 r{}=4"),
            ("d.b:-5|g", "d{}+=-5"),
            ("other:-5|g", "other{}+=-5"),
        ],
    );
    check(
        "defaults: {gauge_signs: absolute}\n\
         mappings: [{match: r.*, name: r, gauge_signs: relative}, {match: d.*, name: d}]\n",
        &[
            ("r.b:-5|g", "r{}+=-5"),
            ("d.b:-5|g", "d{}=-5"),
            ("other:-5|g:+1|g", "other{}=-5 other{}=1"),
        ],
    );
}

/// In the exporter the labels of the first sample's rule get to the later ones too.
#[test]
fn labels_of_a_rule_stay_with_its_sample() {
    check(
        "mappings: [{match: a.*, match_metric_type: counter, name: cc, labels: {lab: x}}, {match: a.*, match_metric_type: gauge, name: gg}]",
        &[("a.b:1|c:2|g", "cc{lab=x}+1 gg{}=2")],
    );
}
