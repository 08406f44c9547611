//! A pattern gives what laying out gives: a family with one more metric, of other labels, has none.

use wharf_exposition::text;
use wharf_model::name::NameRule;
use wharf_model::{GroupingKey, Meter};

use crate::prepare::Preparer;
use crate::prepare::instance::InstanceLabel;
use crate::{Reserved, UnixNanos};

/// The lines of the family `m` of a push, or why it is refused.
fn lines(instance: &InstanceLabel, key: &GroupingKey, body: &str) -> Result<String, String> {
    let options = text::Options {
        names: NameRule::Utf8,
        strict: false,
    };
    let exposition = text::decode(body.as_bytes(), options).unwrap();
    let mut preparer = Preparer::new(Reserved::default(), 1 << 30);
    preparer.instance = instance.clone();
    let memory = Meter::unlimited();
    let prepared = preparer.prepare(key, &exposition, UnixNanos(1), &memory);
    let prepared = prepared.map_err(|unfit| unfit.error.to_string())?;
    let family = prepared.get("m").unwrap();
    Ok(String::from_utf8(prepared.text(family).to_vec()).unwrap())
}

#[test]
fn large_families_come_to_the_same_however_their_labels_are_made() {
    let instances = [
        InstanceLabel::Empty,
        InstanceLabel::Omit,
        InstanceLabel::Value("i".into()),
    ];
    let keys = [
        vec![("job", "j")],
        vec![("job", "j"), ("b", "group"), ("z", "")],
        vec![("job", "j"), ("instance", "")],
    ];
    // In no order, with values that sort otherwise than numbers; with labels of the group, an instance, names in quotes.
    let series: [fn(usize) -> String; 5] = [
        |n| format!("m{{k=\"{n}\"}} 1\n"),
        |n| format!("m{{z=\"{n}\",b=\"x\",a=\"{}\"}} 1\n", n % 7),
        |n| format!("m{{job=\"pushed\",k=\"{n}\"}} 1\n"),
        |n| {
            format!(
                "m{{k=\"{n}\",instance=\"{}\"}} 1\n",
                if n % 2 == 0 { "" } else { "x" }
            )
        },
        |n| format!("m{{\"a.b\"=\"{n}\",k=\"\\\"\"}} 1\n"),
    ];
    for instance in &instances {
        for labels in &keys {
            let key = GroupingKey::new(labels.iter().copied()).unwrap();
            for series in series {
                let body: String = (0..1_200).map(|n| series(n * 7_919 % 1_200)).collect();
                let other = "m{other=\"label\",than=\"those\",of=\"the\",metrics=\"above\"} 1\n";
                let laid_out = lines(instance, &key, &format!("{body}{other}"));
                let laid_out = laid_out.map(|lines| {
                    let kept = lines.lines().filter(|line| !line.contains("metrics=\"above\""));
                    kept.map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
                });
                assert_eq!(
                    lines(instance, &key, &body),
                    laid_out,
                    "{instance:?} {key} {}",
                    series(0)
                );
            }
        }
    }
}

#[test]
fn what_stands_twice_in_a_large_family_is_named_with_its_labels() {
    let key = GroupingKey::new([("job", "j")]).unwrap();
    let series = (0..1_200).map(|n| format!("m{{k=\"{}\"}} 1\n", n.max(1)));
    let body = series.collect::<Vec<_>>().concat();
    let refused = lines(&InstanceLabel::Empty, &key, &body).unwrap_err();
    assert!(refused.contains(r#"{instance="",job="j",k="1"}"#), "{refused}");
}
