//! What was pushed can be read back whole, whether the text says all of it or not.

use wharf_exposition::{protobuf, text};
use wharf_model::name::NameRule;
use wharf_store::{PushMode, Store, UnixNanos};

use crate::{key, store};

/// Pushes a body to a group whose labels are in it already, and compares each family read back with the one
/// that was pushed.
#[track_caller]
fn check_round_trip(body: &[u8], is_protobuf: bool) {
    let options = text::Options {
        names: NameRule::Utf8,
        strict: false,
    };
    let pushed = if is_protobuf {
        protobuf::decode(body).unwrap()
    } else {
        text::decode(body, options).unwrap()
    };
    let store: Store = store();
    let commit = store.push(&key("job/a"), PushMode::ReplaceGroup, &pushed, UnixNanos(1));
    drop(commit.unwrap());
    let snapshot = store.snapshot();
    let mut seen = 0;
    for family in &pushed.families {
        let name = pushed.text(family.name);
        let view = snapshot.family(name).unwrap();
        for fragment in view.fragments() {
            seen += 1;
            fragment.decode(|exposition, read| {
                let mut only = exposition.clone();
                only.families = vec![read.clone()];
                let mut expected = pushed.clone();
                expected.families = vec![family.clone()];
                // Help and unit stand beside the fragment.
                for family in only.families.iter_mut().chain(&mut expected.families) {
                    family.help = None;
                    family.unit = wharf_model::Text::EMPTY;
                }
                assert_eq!(format!("{only:?}"), format!("{expected:?}"));
            });
            assert_eq!(
                fragment.meta().help.as_deref(),
                family.help.map(|help| pushed.text(help))
            );
            assert_eq!(&*fragment.meta().unit, pushed.text(family.unit));
        }
    }
    assert_eq!(seen, pushed.families.len());
}

#[test]
fn text_is_read_back() {
    let body = concat!(
        "# HELP g with \\\\ and \\n\n# TYPE g gauge\n",
        "g{instance=\"\",job=\"a\"} -0\n",
        "# TYPE c counter\nc{instance=\"\",job=\"a\",x=\"q\\\"\\\\\\n\"} 1e300\n",
        "# TYPE s summary\ns{instance=\"\",job=\"a\",quantile=\"0.5\"} NaN\n",
        "s_sum{instance=\"\",job=\"a\"} 2\ns_count{instance=\"\",job=\"a\"} 18446744073709551615\n",
        "# TYPE h histogram\nh_bucket{instance=\"\",job=\"a\",le=\"0.5\"} 1\n",
        "h_sum{instance=\"\",job=\"a\"} 2\nh_count{instance=\"\",job=\"a\"} 3\n",
        "# TYPE f histogram\nf_bucket{instance=\"\",job=\"a\",le=\"0.5\"} 1.5\n",
        "f_bucket{instance=\"\",job=\"a\",le=\"+Inf\"} 2.5\nf_count{instance=\"\",job=\"a\"} 2.5\n",
        "{\"my.metric\",\"a.b\"=\"1\",instance=\"\",job=\"a\"} 5\n",
    );
    check_round_trip(body.as_bytes(), false);
}

#[test]
fn histograms_some_of_which_have_an_infinite_bucket_are_read_back() {
    let body = concat!(
        "# TYPE h histogram\n",
        "h_bucket{instance=\"\",job=\"a\",x=\"1\",le=\"0.5\"} 1\n",
        "h_count{instance=\"\",job=\"a\",x=\"1\"} 3\n",
        "h_bucket{instance=\"\",job=\"a\",x=\"2\",le=\"+Inf\"} 1\n",
        "h_count{instance=\"\",job=\"a\",x=\"2\"} 3\n",
    );
    check_round_trip(body.as_bytes(), false);
}

#[test]
fn what_only_protobuf_says_is_read_back() {
    let text = concat!(
        "# TYPE c_seconds counter\n# UNIT c_seconds seconds\n# HELP c_seconds h\n",
        "c_seconds_total{instance=\"\",job=\"a\"} 5 # {trace=\"1\"} 2 3.5\nc_seconds_created{instance=\"\",job=\"a\"} 17.25\n",
        "# TYPE g gaugehistogram\ng_bucket{instance=\"\",job=\"a\",le=\"+Inf\"} 5\n",
        "g_gcount{instance=\"\",job=\"a\"} 5\ng_gsum{instance=\"\",job=\"a\"} 5\n",
        "# EOF\n"
    );
    let options = wharf_exposition::openmetrics::Options {
        names: NameRule::Legacy,
    };
    let decoded = wharf_exposition::openmetrics::decode(text.as_bytes(), options).unwrap();
    let message = protobuf::encode(&decoded, wharf_model::name::EscapingScheme::AllowUtf8);
    check_round_trip(&message, true);
}
