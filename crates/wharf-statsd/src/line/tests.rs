use super::*;

/// What comes of lines: the samples, then the errors and what was counted.
fn read(dialect: Dialect, datagram: &[u8]) -> String {
    let mut reader = Reader::new(dialect);
    let mut shown = Vec::new();
    for line in datagram.split(|byte| *byte == b'\n') {
        reader.read(line, |item| shown.push(show(item)));
    }
    let counts = reader.counts();
    for error in SampleError::ALL {
        match counts.errors(error) {
            0 => {}
            1 => shown.push(format!("E:{error}")),
            times => shown.push(format!("E:{error}x{times}")),
        }
    }
    let named = [
        (counts.samples, "S"),
        (counts.tagged, "T"),
        (counts.tag_errors, "TE"),
    ];
    let named = named.into_iter().filter(|(count, _)| *count > 0);
    shown.extend(named.map(|(count, name)| format!("{name}{count}")));
    shown.join(" ")
}

fn show(item: Item<'_>) -> String {
    let (what, tags) = match item {
        Item::Sample(sample) => (sample.name, sample.tags),
        Item::Event(event) => (event.title, event.tags),
        Item::Check(check) => (check.name, check.tags),
    };
    let tags: Vec<_> = tags
        .iter()
        .map(|tag| format!("{}={}", tag.key, tag.value))
        .collect();
    let tags = if tags.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", tags.join(","))
    };
    let value = match item {
        Item::Sample(sample) => {
            let origin = sample.origin;
            let external = origin
                .external
                .map(|text| format!("<e:{text}>"))
                .unwrap_or_default();
            let cardinality = origin
                .cardinality
                .map(|text| format!("<card:{text}>"))
                .unwrap_or_default();
            let measure = match sample.measure {
                Measure::Count(value) => format!("+{value}"),
                Measure::Gauge {
                    value,
                    is_relative: false,
                } => format!("={value}"),
                Measure::Gauge {
                    value,
                    is_relative: true,
                } => format!("+={value}"),
                Measure::Observation { value, times: 1 } => format!("~{value}"),
                Measure::Observation { value, times } => format!("~{value}x{times}"),
                Measure::Member(member) => format!("?{member}"),
            };
            format!("{measure}{external}{cardinality}")
        }
        Item::Event(event) => format!("!{}/{}/{}", event.text, event.alert_type, event.priority),
        Item::Check(check) => format!("#{}/{}", check.status, check.message),
    };
    format!("{what}{tags}{value}")
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (line, expected) in cases {
        assert_eq!(read(Dialect::default(), line.as_bytes()), *expected, "{line:?}");
    }
}

#[test]
fn values_and_types() {
    check(&[
        ("a:1|c", "a+1 S1"),
        ("a:1|c\n", "a+1 S1"),
        ("a:0|c", "a+0 S1"),
        ("a:2.5|c", "a+2.5 S1"),
        ("a:+1|c", "a+1 S1"),
        ("a:0x1p-2|c", "a+0.25 S1"),
        ("a:0x10|c", "E:malformed_value S1"),
        ("a:1e400|c", "E:malformed_value S1"),
        ("a:1,5|c", "E:malformed_value S1"),
        ("a: 1|c", "E:malformed_value S1"),
        ("a:|c", "E:malformed_value S1"),
        ("a:True|g", "E:malformed_value S1"),
        ("a:NaN|g", "a=NaN S1"),
        ("a:+nan|g", "E:malformed_value S1"),
        ("a:Infinity|g", "a=inf S1"),
        ("a:-Inf|g", "a+=-inf S1"),
        ("a:-1|c", "a+-1 S1"),
        ("a:1|MS", "E:illegal_event S1"),
        ("a:1|x", "E:illegal_event S1"),
        ("a:1|", "E:illegal_event S1"),
        ("a:1|c ", "E:illegal_event S1"),
        ("a:320|ms", "a~0.32 S1"),
        ("a:320|h", "a~320 S1"),
        ("a:320|d", "a~320 S1"),
        ("g:-5|g", "g+=-5 S1"),
        ("g:+5|g", "g+=5 S1"),
        ("g:--1|g", "E:malformed_value S1"),
        ("g:1|g|@0.1", "g=1 S1"),
    ]);
}

#[test]
fn what_the_exporter_loses_is_taken() {
    check(&[
        // Sets, whose members are any text.
        ("u:alice|s", "u?alice S1"),
        ("u:42|s|#k:v", "u{k=v}?42 S1 T1"),
        ("u:http://x/y|s", "u?http://x/y S1"),
        ("u:|s", "E:malformed_value S1"),
        // Meters of Cadence.
        ("p.m:1|m", "p.m+1 S1"),
        // A carriage return over UDP.
        ("a:1|c\r\n", "a+1 S1"),
        ("a:1|c\r\nb:1|c", "a+1 b+1 S2"),
        // Fields without tags, in any order, and all of them.
        ("a:1|c|c:abc", "a{container_id=abc}+1 S1 T1"),
        ("a:1|ms|c:abc", "a{container_id=abc}~0.001 S1 T1"),
        ("a,k=v:1|c|c:abc", "a{k=v,container_id=abc}+1 S1 T1"),
        ("a:1|c|e:it-false,cn-a:b,pu-1", "a+1<e:it-false,cn-a:b,pu-1> S1"),
        (
            "a:1|c|card:low|c:2|e:x",
            "a{container_id=2}+1<e:x><card:low> S1 T1",
        ),
        ("a:1|c|#k:v|e:x", "a{k=v}+1<e:x> S1 T1"),
        ("a:1|c|#k:v|card:low", "a{k=v}+1<card:low> S1 T1"),
        (
            "a:1|c|#k:v|c:abc|e:x|card:low",
            "a{k=v,container_id=abc}+1<e:x><card:low> S1 T1",
        ),
        (
            "a:1|c|@0.5|#k:v|c:abc|e:x|card:low|T1700000000",
            "a{k=v,container_id=abc}+2<e:x><card:low> S1 T1",
        ),
        ("a:1|c|c:abc:2|c", "a{container_id=abc}+1 a+2 S2 T1"),
        ("a:1|g|e:x:5|c", "a=1<e:x> a+5 S2"),
        ("a:1|g|e:x:5|c:6|c", "a=1<e:x> a+5 a+6 S3"),
        ("a:1|g|e:x:5|c:ID", "a{container_id=ID}=1<e:x:5> S1 T1"),
        ("a:1|c|c:abc|@0.5:2|c", "a{container_id=abc}+2 a+2 S2 T1"),
    ]);
}

#[test]
fn sampling() {
    check(&[
        ("c:1|c|@0.1", "c+10 S1"),
        ("c:1|c|@0.15", "c+6.666666666666667 S1"),
        ("t:320|ms|@0.1", "t~0.32x10 S1"),
        ("t:320|h|@0.3", "t~320x3 S1"),
        ("t:320|d|@0.7", "t~320 S1"),
        ("c:1|c|@2", "c+0.5 S1"),
        ("c:1|c|@0", "c+1 S1"),
        ("c:1|c|@-0.5", "c+-2 S1"),
        ("c:1|c|@abc", "c+1 E:invalid_sample_factor S1"),
        ("c:1|c|@", "c+1 E:invalid_sample_factor S1"),
        ("c:1|c|@inf", "c+0 S1"),
        ("c:1|c|@nan", "c+NaN S1"),
        ("c:1|c|0.1", "E:invalid_sample_factor S1"),
        ("c:1|c|@0.1|@0.5", "c+20 S1"),
        ("c:.5|c|@0.1|@0.1", "c+50 S1"),
        ("t:1|ms|@0.1|@0.5", "t~0.001x2 S1"),
        ("t:1|ms|@0.1|@abc", "t~0.001 E:invalid_sample_factor S1"),
        ("t:1|ms|@0.1|@0", "t~0.001 S1"),
        // These vanish in the exporter without a word.
        ("t:320|ms|@2", "E:invalid_sample_factor S1"),
        ("t:1|ms|@-0.5", "E:invalid_sample_factor S1"),
        ("t:1|ms|@nan", "E:invalid_sample_factor S1"),
        // And this would be observed as often as is said.
        ("t:1|ms|@1e-6", "t~0.001x1000000 S1"),
        ("t:1|ms|@1e-7", "E:invalid_sample_factor S1"),
        ("t:1|ms|@1e-300", "E:invalid_sample_factor S1"),
    ]);
}

#[test]
fn the_structure_of_lines() {
    check(&[
        ("", ""),
        ("a", "E:malformed_line"),
        ("a:", "E:not_enough_parts_after_colon"),
        ("a:1", "E:not_enough_parts_after_colon"),
        (":1|c", "E:malformed_line"),
        ("a:1|c\n\nb:2|c", "a+1 b+2 S2"),
        ("a:1|c:2|c", "a+1 a+2 S2"),
        ("a:1|c|@0.5:2|c|@0.1", "a+2 a+20 S2"),
        ("a:1|c:2|g", "a+1 a=2 S2"),
        ("a:1|c:2", "a+1 E:malformed_component S2"),
        (
            "a:1|ms:3|ms:x|ms:4|ms",
            "a~0.001 a~0.003 a~0.004 E:malformed_value S4",
        ),
        ("a:1|c|", "E:malformed_component S1"),
        ("a:1|c||#k:v", "E:malformed_component S1"),
        ("a:1|c|@1|#k:v|c:x|T1", "a{k=v,container_id=x}+1 S1 T1"),
        ("a:1|c|@1|#k:v|c:x|T1|T2", "a{k=v,container_id=x}+1 S1 T1"),
        ("a:1|c|T|T|T|T|T|T|T|T", "a+1 S1"),
        ("a:1|c|T|T|T|T|T|T|T|T|T", "E:malformed_component S1"),
        ("a:1|c|x", "E:invalid_sample_factor S1"),
        ("a:x|c|", "E:malformed_value S1"),
    ]);
    let cases: [(&[u8], &str); 2] = [
        (b"a\xff:1|c", "E:malformed_line"),
        (b"a:1|c\nb\xff:1|c\nd:1|c", "a+1 d+1 E:malformed_line S2"),
    ];
    for (datagram, expected) in cases {
        assert_eq!(read(Dialect::default(), datagram), expected);
    }
}

#[test]
fn packed_values() {
    check(&[
        ("a:1:2:3|ms", "a~0.001 a~0.002 a~0.003 S3"),
        ("a:1:2:3|h|@0.5|#k:v", "a{k=v}~1x2 a{k=v}~2x2 a{k=v}~3x2 S3 T3"),
        ("a:1:x:3|d", "a~1 a~3 E:malformed_value S3"),
        ("a:1:|ms", "a~0.001 E:malformed_value S2"),
        ("a::1|ms", "a~0.001 E:malformed_value S2"),
        ("a:1:2|c", "E:invalid_extended_aggregate_type"),
        ("a:1:2|g", "E:invalid_extended_aggregate_type"),
        ("b:c:1|c", "E:invalid_extended_aggregate_type"),
        ("a:1:2|d|T1:3|d", "E:invalid_sample_factorx2 S2"),
        (
            "a:1:2|ms|c:abc",
            "a{container_id=abc}~0.001 a{container_id=abc}~0.002 S2 T2",
        ),
    ]);
}

#[test]
fn tags_behind_the_value() {
    check(&[
        ("a:1|c|#k:v", "a{k=v}+1 S1 T1"),
        ("a:1|c|#k:a:b:c", "a{k=a:b:c}+1 S1 T1"),
        ("a:1|c|#k", "a+1 S1 TE1"),
        ("a:1|c|#k:", "a+1 S1 TE1"),
        ("a:1|c|#:v", "a+1 S1 TE1"),
        ("a:1|c|#k=v", "a+1 S1 TE1"),
        ("a:1|c|#", "a+1 S1"),
        ("a:1|c|#,", "a+1 S1 TE1"),
        ("a:1|c|#k:v,", "a{k=v}+1 S1 T1"),
        ("a:1|c|#k:v,,l:w", "a{k=v,l=w}+1 S1 T1 TE1"),
        ("a:1|c|##k:v,#l:w", "a{k=v,l=w}+1 S1 T1"),
        ("a:1|c|#k:v,k:w", "a{k=v,k=w}+1 S1 T1"),
        ("a:1|c|#k: v ", "a{k= v }+1 S1 T1"),
        ("a:1|c|#k:v|#l:w", "a{k=v,l=w}+1 S1 T1"),
        ("a:1|c|#k:v|@0.5", "a{k=v}+2 S1 T1"),
        ("a:1|g|T1700000000|#k:v", "a{k=v}=1 S1 T1"),
        ("a:1|c|T1700000000", "a+1 S1"),
        ("a:1|c|Txyz", "a+1 S1"),
        ("a:1|c|#k:v|c:abc", "a{k=v,container_id=abc}+1 S1 T1"),
        ("a:1|c|c:abc|#k:v", "a{container_id=abc,k=v}+1 S1 T1"),
        ("a:1|c|#k:v|c:", "E:malformed_container_id S1"),
        (
            "a:1|c|#container_id:t|c:abc",
            "a{container_id=t,container_id=abc}+1 S1 T1",
        ),
        ("a:1|c|#k:v:2|c", "E:malformed_container_id S1"),
        ("a:1|c|#k:v|clock:1", "E:malformed_container_id S1"),
    ]);
}

#[test]
fn events_and_service_checks() {
    check(&[
        ("_e{5,4}:title|text|#k:v", "title{k=v}!text/info/normal"),
        (
            r"_e{2,12}:t2|line1\nline2|h:h|p:low|t:warning|#k:v",
            r"t2{k=v}!line1\nline2/warning/low",
        ),
        ("_e{3,3}:a|b|c|d|t:error", "a|b!c|d/error/normal"),
        // Lengths in something else than bytes.
        ("_e{1,1}:é|ü|t:error", "é!ü/error/normal"),
        ("_e{5}:title|text", "E:malformed_event"),
        ("_e{5,x}:title|text", "E:malformed_event"),
        ("_e{5,4}:title", "E:malformed_event"),
        ("_sc|chk|0", "chk#0/"),
        (r"_sc|chk2|2|#k:v|m:m\: x", r"chk2{k=v}#2/m\: x"),
        ("_sc|chk|1|d:1|h:x|#k:v,|m:a|b", "chk{k=v}#1/a|b"),
        ("_sc|chk|4", "E:malformed_service_check"),
        ("_sc|chk", "E:malformed_service_check"),
        ("_sc||0", "E:malformed_service_check"),
    ]);
    let plain = Dialect {
        dogstatsd: false,
        ..Dialect::default()
    };
    assert_eq!(read(plain, b"_sc|chk|0"), "E:malformed_line");
}

#[test]
fn tags_in_the_name() {
    check(&[
        ("a,k=v,l=w:1|c", "a{k=v,l=w}+1 S1 T1"),
        ("a#k=v,l=w:1|c", "a{k=v,l=w}+1 S1 T1"),
        ("a.b[k=v,l=w].c:1|c", "a.b.c{k=v,l=w}+1 S1 T1"),
        ("a,k=v#l=w:1|c", "a{k=v#l=w}+1 S1 T1"),
        ("a,k=v=w:1|c", "a{k=v=w}+1 S1 T1"),
        ("a,k:1|c", "a+1 S1 TE1"),
        ("a,:1|c", "a+1 S1"),
        ("a[k=v:1|c", "a[k=v+1 S1 TE1"),
        ("a]k=v:1|c", "a]k=v+1 S1 TE1"),
        ("a]k=v[:1|c", "a]k=v[+1 S1 TE1"),
        ("a[]:1|c", "a+1 S1"),
        (",k=v:1|c", "{k=v}+1 S1 T1"),
        ("a,k=v:1|c|#x:y", "E:mixed_tagging_styles"),
        ("a,k:1|c|#x:y", "a{x=y}+1 S1 T1 TE1"),
        ("a,k=v:1:2|ms|#", "E:mixed_tagging_styles"),
        ("a,k=v:1|c|T1:2|g", "a{k=v}+1 a{k=v}=2 S2 T2"),
    ]);
    let all = Dialect::default();
    let without = |dialect, line: &str, expected: &str| assert_eq!(read(dialect, line.as_bytes()), expected);
    without(
        Dialect {
            influxdb: false,
            ..all
        },
        "a,k=v:1|c",
        "a,k=v+1 S1",
    );
    without(
        Dialect {
            librato: false,
            ..all
        },
        "a#k=v:1|c",
        "a#k=v+1 S1",
    );
    without(
        Dialect {
            signalfx: false,
            ..all
        },
        "a[k=v]:1|c",
        "a[k=v]+1 S1",
    );
    without(
        Dialect {
            dogstatsd: false,
            ..all
        },
        "a:1|c|#k:v|c:abc",
        "a{container_id=abc}+1 S1 T1",
    );
}

#[test]
fn what_a_line_of_values_and_tags_costs_is_bounded_and_the_rest_is_counted() {
    let line = |values: usize, tags: usize| {
        let values = vec!["1"; values].join(":");
        let tags = vec!["k:v"; tags].join(",");
        format!("a:{values}|ms|#{tags}")
    };
    let read = |line: &str| {
        let mut reader = Reader::new(Dialect::default());
        let (mut samples, mut tags) = (0, 0);
        reader.read(line.as_bytes(), |item| {
            if let Item::Sample(sample) = item {
                samples += 1;
                tags += sample.tags.len();
            }
        });
        let counts = reader.counts();
        assert_eq!(counts.samples, samples + counts.errors(SampleError::TooMuch));
        (samples, tags)
    };
    // As much as clients put into a line is taken.
    assert_eq!(read(&line(5000, 100)), (5000, 500_000));
    let (samples, tags) = read(&line(16_000, 8000));
    assert!(
        samples > 100 && tags < 2_000_000,
        "{samples} samples, {tags} tags"
    );
    // And likewise with tags in the name, and names that are long.
    let name = format!("{}:1|c{}", "a".repeat(30_000), ":1|c".repeat(8000));
    assert!(read(&name).0 < 200);
}
