//! What is accepted, and what comes of it.

use std::fmt::Write;

use expect_test::{Expect, expect};

use super::{LENIENT, Options, STRICT, UTF8, first_line, outcome};

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better in a long list")]
fn check(body: impl AsRef<[u8]>, options: Options, expected: Expect) {
    expected.assert_eq(&outcome(body.as_ref(), options));
}

/// Bodies that both kinds of decoding read alike.
#[track_caller]
fn same(body: &str, other: &str) {
    assert_eq!(
        outcome(body.as_bytes(), LENIENT),
        outcome(other.as_bytes(), LENIENT)
    );
    assert_eq!(first_line(body.as_bytes(), LENIENT), "");
}

#[test]
fn nothing_is_an_empty_exposition() {
    for body in [
        "",
        "\n",
        " \t\n\n",
        " ",
        "# EOF\n",
        "# HELP m x\n# TYPE m gauge\n",
    ] {
        assert_eq!(outcome(body.as_bytes(), STRICT), "", "{body:?}");
    }
}

#[test]
fn blanks_may_stand_around_every_token() {
    check(
        " \tm\t { a = \"1\" , } \t1\n",
        STRICT,
        expect![[r#"
        unknown "m"
          {a="1"} 1.0
    "#]],
    );
    check(
        "m{}1\nm{a=\"1\"}2\nm\t{\"b\" = \"2\"}\t3\n",
        STRICT,
        expect![[r#"
        unknown "m"
          {} 1.0
          {a="1"} 2.0
          {b="2"} 3.0
    "#]],
    );
}

#[test]
fn comments_are_skipped() {
    check(
        "#HELP m x\n# random\n#\n# HELP\n# HELP \n# TYPE m\n# TYPE m \n#\tTYPE\tm\tgauge\nm 1\n",
        STRICT,
        expect![[r#"
        gauge "m" help="x"
          {} 1.0
    "#]],
    );
    check(
        "# TYPE c counter\n# UNIT c seconds\nc_total 5\nc_created 1\n# EOF\n",
        STRICT,
        expect![[r#"
        unknown "c_total"
          {} 5.0
        unknown "c_created"
          {} 1.0
    "#]],
    );
}

#[test]
fn help_may_follow_the_samples() {
    check(
        "m 1\n# HELP m late\n",
        STRICT,
        expect![[r#"
        unknown "m" help="late"
          {} 1.0
    "#]],
    );
}

#[test]
fn help_keeps_blanks_and_resolves_escapes() {
    check(
        "# HELP m  \ta\\nb\\\\c\\\"d \nm 1\n",
        STRICT,
        expect![[r#"
        unknown "m" help="a\nb\\c\"d "
          {} 1.0
    "#]],
    );
    check(
        "# HELP m x\r\nm 1\n",
        STRICT,
        expect![[r#"
        unknown "m" help="x\r"
          {} 1.0
    "#]],
    );
}

#[test]
fn help_that_is_not_utf8_is_repaired() {
    check(
        b"# \xff\n# HELP m a\xffb\\\\\nm{a=\"\xc3\xa9\"} 1\n",
        STRICT,
        expect![[r#"
        unknown "m" help="a�b\\"
          {a="é"} 1.0
    "#]],
    );
}

#[test]
fn types_are_words_in_any_case() {
    check(
        "# TYPE a COUNTER\na 1\n# TYPE b Untyped\nb 1\n# TYPE c gauge_histogram\nc_sum 1\n",
        STRICT,
        expect![[r#"
        counter "a"
          {} 1.0
        unknown "b"
          {} 1.0
        gaugehistogram "c"
          {} sum=1.0 count=Int(0)
    "#]],
    );
}

#[test]
fn label_values_resolve_escapes() {
    check(
        "m{a=\"x\\\"y\\\\z\\n\",b=\"\t é,}{\"} 1\n",
        STRICT,
        expect![[r#"
        unknown "m"
          {a="x\"y\\z\n",b="\t é,}{"} 1.0
    "#]],
    );
}

#[test]
fn numbers_are_those_of_go() {
    check(
        "m{i=\"1\"} +Inf\nm{i=\"2\"} nan\nm{i=\"3\"} .5\nm{i=\"4\"} 1E3\nm{i=\"5\"} -0\nm{i=\"6\"} 123456789\nm{i=\"7\"} 1e-7\n",
        STRICT,
        expect![[r#"
            unknown "m"
              {i="1"} inf
              {i="2"} NaN
              {i="3"} 0.5
              {i="4"} 1000.0
              {i="5"} -0.0
              {i="6"} 123456789.0
              {i="7"} 1e-7
        "#]],
    );
}

#[test]
fn names_may_stand_in_quotes() {
    let plain = "m{a=\"1\"} 1\n";
    for body in [
        "{\"m\",\"a\"=\"1\"} 1\n",
        "{a=\"1\",\"m\"}1\n",
        "\"m\"{a=\"1\"} 1\n",
        "{ m , a=\"1\", } 1\n",
    ] {
        same(body, plain);
    }
    same("\"m\" 1\n", "m 1\n");
    same("{\"m\"} 1\n", "m{} 1\n");
    same(":m:x 1\n", "\":m:x\" 1\n");
}

#[test]
fn utf8_names_stand_in_quotes() {
    check(
        "# HELP \"my.metric\" h\n{\"my.metric\",\"my.label\"=\"x\"} 1\n\"my.metric\"{\"\\\"\\\\\\n\"=\"x\"} 2\n",
        UTF8,
        expect![[r#"
            unknown "my.metric" help="h"
              {my.label="x"} 1.0
              {"\
            ="x"} 2.0
        "#]],
    );
}

#[test]
fn a_quoted_name_is_not_continued_by_a_bare_one() {
    assert_eq!(
        first_line(b"{\"my.metric\"} 1\nmy.metric 1\n", UTF8),
        "text format parsing error in line 2: expected float as value, got \".metric\"",
    );
}

#[test]
fn timestamps_are_kept() {
    check(
        "m 1 12\nm 1 -3\nm 1 +4\n# TYPE h histogram\nh_sum 1\nh_count 2 5\n",
        STRICT,
        expect![[r#"
        unknown "m"
          {} 1.0 @12
          {} 1.0 @-3
          {} 1.0 @4
        histogram "h"
          {} sum=1.0 count=Int(2) @5
    "#]],
    );
}

#[test]
fn families_gather_their_scattered_lines() {
    check(
        "b 1\na 1\nb{x=\"1\"} 2\n# HELP a A\n",
        STRICT,
        expect![[r#"
        unknown "b"
          {} 1.0
          {x="1"} 2.0
        unknown "a" help="A"
          {} 1.0
    "#]],
    );
}

#[test]
fn windows_line_ends_and_blanks_at_the_end_are_accepted() {
    let plain = "# HELP m x\n# TYPE m gauge\n\nm 1\nm{a=\"1\"} 2 3\n# TYPE h histogram\nh_count 1\n";
    same(&plain.replace('\n', "\r\n"), plain);
    same(plain.strip_suffix('\n').unwrap(), plain);
    same("m 1 \t\r\n", "m 1\n");
    same("m 1 5 \t\r\n", "m 1 5\n");
    same("# TYPE m gauge \t\r\nm 1", "# TYPE m gauge\nm 1\n");
    same("# HELP m\r\n# TYPE m \r\n#\r\n\r\nm 1\r", "m 1\n");
}

#[test]
fn histograms_are_assembled() {
    check(
        "# TYPE h histogram\nh_bucket{le=\"1e1\"} 2\nh_bucket{le=\"1.0\"} 1\nh_sum 1.5\nh_count 2\n",
        STRICT,
        expect![[r#"
            histogram "h"
              {} sum=1.5 count=Int(2) le10.0=Int(2) le1.0=Int(1)
        "#]],
    );
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh{le=\"2\"} 2\n",
        STRICT,
        expect![[r#"
        histogram "h"
          {} sum=0.0 count=Int(0) le1.0=Int(1) le2.0=Int(2)
    "#]],
    );
    check(
        "# TYPE h histogram\nh_bucket 1\nh_bucket{le=\"NaN\",a=\"1\"} 1\nh{le=\"2\",a=\"1\"} 2\n",
        STRICT,
        expect![[r#"
        histogram "h"
          {} sum=0.0 count=Int(0)
          {a="1"} sum=0.0 count=Int(0) le2.0=Int(2)
    "#]],
    );
    check(
        "# TYPE m gaugehistogram\nm_bucket{le=\"1\"} 2\nm_count 4\nm_gcount 5\n",
        STRICT,
        expect![[r#"
        gaugehistogram "m"
          {} sum=0.0 count=Int(4) le1.0=Int(2)
        unknown "m_gcount"
          {} 5.0
    "#]],
    );
}

#[test]
fn one_fraction_makes_a_histogram_count_in_floats() {
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1.5\nh_count 3\n",
        STRICT,
        expect![[r#"
        histogram "h"
          {} sum=0.0 count=Float(3.0) le1.0=Float(1.5)
    "#]],
    );
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_count NaN\n",
        STRICT,
        expect![[r#"
        histogram "h"
          {} sum=0.0 count=Float(NaN) le1.0=Float(1.0)
    "#]],
    );
    check(
        "# TYPE h histogram\nh_bucket{le=\"1\"} -0\nh_count 18446744073709551616\n",
        STRICT,
        expect![[r#"
        histogram "h"
          {} sum=0.0 count=Float(1.8446744073709552e19) le1.0=Float(0.0)
    "#]],
    );
    check(
        "# TYPE h histogram\nh_count{a=\"1\"} 1.5\nh_count{a=\"2\"} 9007199254740993\n",
        STRICT,
        expect![[r#"
        histogram "h"
          {a="1"} sum=0.0 count=Float(1.5)
          {a="2"} sum=0.0 count=Int(9007199254740992)
    "#]],
    );
}

#[test]
fn labels_of_a_histogram_come_in_any_order_and_its_lines_scattered() {
    check(
        "# TYPE h histogram\n\
         h_bucket{le=\"1\",a=\"1\",b=\"2\"} 1\n\
         h_bucket{a=\"2\",le=\"1\"} 3\n\
         other 1\n\
         h_bucket{b=\"2\",le=\"2\",a=\"1\"} 2\n\
         h_sum{a=\"2\"} 4\n\
         h_count{b=\"2\",a=\"1\"} 5\n\
         h_count{b=\"1\",a=\"2\"} 6\n",
        STRICT,
        expect![[r#"
            histogram "h"
              {a="1",b="2"} sum=0.0 count=Int(5) le1.0=Int(1) le2.0=Int(2)
              {a="2"} sum=4.0 count=Int(0) le1.0=Int(3)
              {b="1",a="2"} sum=0.0 count=Int(6)
            unknown "other"
              {} 1.0
        "#]],
    );
}

#[test]
fn summaries_are_assembled() {
    check(
        "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 1.7\n",
        STRICT,
        expect![[r#"
        summary "s"
          {} sum=0.0 count=1 q0.5=1.0
    "#]],
    );
    check(
        "# TYPE s summary\ns{quantile=\"0.9\",a=\"1\"} 3\ns{a=\"2\",quantile=\"0\"} 1\ns{a=\"1\",quantile=\"0.9\"} 4\ns_sum{a=\"1\"} 2\n",
        STRICT,
        expect![[r#"
        summary "s"
          {a="1"} sum=2.0 count=0 q0.9=3.0 q0.9=4.0
          {a="2"} sum=0.0 count=0 q0.0=1.0
    "#]],
    );
    check(
        "# TYPE s summary\ns 1\ns{a=\"1\",quantile=\"NaN\"} 1\ns_bucket{le=\"1\"} 1\n",
        STRICT,
        expect![[r#"
        summary "s"
          {} sum=0.0 count=0
          {a="1"} sum=0.0 count=0
        unknown "s_bucket"
          {le="1"} 1.0
    "#]],
    );
}

#[test]
fn counts_of_summaries_wrap_around() {
    let count = |value: &str| {
        let text = outcome(format!("# TYPE s summary\ns_count {value}\n").as_bytes(), STRICT);
        text.rsplit_once('=').unwrap().1.trim().parse::<u64>().unwrap()
    };
    let cases = [
        ("1.7", 1),
        ("-0.5", 0),
        ("-1", u64::MAX),
        ("-2", u64::MAX - 1),
        ("9223372036854775808", 1 << 63),
        ("18446744073709549568", u64::MAX - 2047),
        ("18446744073709551616", 1 << 63),
        ("+Inf", 1 << 63),
        ("-Inf", 1 << 63),
        ("-1e30", 1 << 63),
        ("NaN", 1 << 63),
    ];
    for (value, expected) in cases {
        assert_eq!(count(value), expected, "{value}");
    }
}

#[test]
fn series_of_other_names_are_families_of_their_own() {
    check(
        "# TYPE h histogram\nh_created 1\nh_max 2\n_count 3\n# TYPE g gauge\ng_sum 4\n",
        STRICT,
        expect![[r#"
        unknown "h_created"
          {} 1.0
        unknown "h_max"
          {} 2.0
        unknown "_count"
          {} 3.0
        unknown "g_sum"
          {} 4.0
    "#]],
    );
    check(
        "h_count 4\n# TYPE h histogram\nh_count 5\nh_sum 6\n# HELP h_bucket of h\n",
        STRICT,
        expect![[r#"
        unknown "h_count"
          {} 4.0
          {} 5.0
        histogram "h" help="of h"
          {} sum=6.0 count=Int(0)
    "#]],
    );
}

#[test]
fn labels_named_le_are_ordinary_elsewhere() {
    check(
        "m{le=\"x\",quantile=\"y\"} 1\n# TYPE h histogram\nh_sum{quantile=\"y\"} 1\n",
        STRICT,
        expect![[r#"
        unknown "m"
          {le="x",quantile="y"} 1.0
        histogram "h"
          {quantile="y"} sum=1.0 count=Int(0)
    "#]],
    );
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn many_labels_in_one_sample_are_compared_in_linear_time() {
    let mut body = String::from("m{");
    for index in 0..100_000 {
        write!(body, "l{index}=\"\",").unwrap();
    }
    assert_eq!(first_line(format!("{body}}} 1\n").as_bytes(), STRICT), "");
    assert_eq!(
        first_line(format!("{body}l99=\"\"}} 1\n").as_bytes(), STRICT),
        "text format parsing error in line 1: duplicate label names for metric \"m\"",
    );
    for count in [15, 16, 17, 18, 19] {
        let mut body = String::from("m{");
        for index in 0..count {
            write!(body, "l{index}=\"\",").unwrap();
        }
        for twice in 0..count {
            let body = format!("{body}l{twice}=\"\"}} 1\n");
            assert_ne!(
                first_line(body.as_bytes(), STRICT),
                "",
                "label {twice} of {count}"
            );
        }
        assert_eq!(
            first_line(format!("{body}}} 1\n").as_bytes(), STRICT),
            "",
            "{count} labels"
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn interleaved_histograms_come_apart_in_linear_time() {
    let mut body = String::from("# TYPE h histogram\n");
    for bound in 0..5 {
        for index in 0..20_000 {
            writeln!(body, "h_bucket{{i=\"{index}\",le=\"{bound}\"}} {bound}").unwrap();
        }
    }
    let exposition = wharf_exposition::text::decode(body.as_bytes(), STRICT).unwrap();
    assert_eq!(exposition.histograms.len(), 20_000);
    for histogram in &exposition.histograms {
        let bounds = exposition
            .buckets(histogram.buckets)
            .iter()
            .map(|bucket| bucket.upper_bound);
        assert!(bounds.eq([0.0, 1.0, 2.0, 3.0, 4.0]));
    }
}
