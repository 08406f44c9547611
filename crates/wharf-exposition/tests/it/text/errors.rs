//! What is refused, and in which words.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its snapshots so"
)]

use expect_test::{Expect, expect};

use super::{LENIENT, Options, STRICT, UTF8, first_line, outcome};

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "reads better in a long list")]
fn check(body: impl AsRef<[u8]>, options: Options, expected: Expect) {
    expected.assert_eq(&outcome(body.as_ref(), options));
}

/// Bodies and the Pushgateway's message, without `text format parsing error in line 1: `.
#[test]
fn messages_are_those_of_the_original() {
    let cases: &[(&[u8], &str)] = &[
        (b"#", "unexpected end of input stream"),
        (b"m", "unexpected end of input stream"),
        (b"m ", "unexpected end of input stream"),
        (b"m{", "unexpected end of input stream"),
        (b"m{a", "unexpected end of input stream"),
        (b"m{a=", "unexpected end of input stream"),
        (b"m{a=\"", "unexpected end of input stream"),
        (b"m{a=\"\\", "unexpected end of input stream"),
        (b"m{a=\"1\"", "unexpected end of input stream"),
        (b"m{a=\"1\"}", "unexpected end of input stream"),
        (b"m 1", "unexpected end of input stream"),
        (b"m x", "unexpected end of input stream"),
        (b"m 1 ", "unexpected end of input stream"),
        (b"m 1 x", "unexpected end of input stream"),
        (b"# TYPE m x", "unexpected end of input stream"),
        (b"# HELP m x\\", "unexpected end of input stream"),
        (b"1m 1\n", "invalid metric name"),
        ("é 1\n".as_bytes(), "invalid metric name"),
        ("\u{feff}m 1\n".as_bytes(), "invalid metric name"),
        (b"{\"\"} 1\n", "invalid label name for metric \"\""),
        (b"{,} 1\n", "invalid label name for metric \"\""),
        (b"{a=\"1\"} 1\n", "invalid metric name"),
        (b"\"\" 1\n", "invalid metric name"),
        (b"\r\n", "invalid metric name"),
        (b"\"x.y\" 1\n", "invalid metric name \"x.y\""),
        (b"{\"x.y\"} 1\n", "invalid metric name \"x.y\""),
        (b"# HELP \"\" x\n", "invalid metric name \"\""),
        (b"# HELP 1m x\n", "invalid metric name in comment"),
        (b"# TYPE m-x gauge\n", "invalid metric name in comment"),
        (b"# TYPE \"m\"x gauge\n", "invalid metric name in comment"),
        (b"# TYPE m\r\n", "invalid metric name in comment"),
        (b"m x\n", "expected float as value, got \"x\""),
        (b"m\n", "expected float as value, got \"\""),
        (b"m.x 1\n", "expected float as value, got \".x\""),
        (b"m 1\r\n", "expected float as value, got \"1\\r\""),
        (b"m 0x10\n", "expected float as value, got \"0x10\""),
        (b"m 1_000\n", "expected float as value, got \"1_000\""),
        (b"m 1e400\n", "expected float as value, got \"1e400\""),
        (b"m -nan\n", "expected float as value, got \"-nan\""),
        (
            "m \u{a0}\u{1}\u{200b}\u{301}\u{1f600}\"'\\\n".as_bytes(),
            "expected float as value, got \"\\u00a0\\x01\\u200b\u{301}\u{1f600}\\\"'\\\\\"",
        ),
        (b"m \xff\n", "expected float as value, got \"\\xff\""),
        (b"m 1 \n", "expected integer as timestamp, got \"\""),
        (b"m 1 1.5\n", "expected integer as timestamp, got \"1.5\""),
        (
            b"m 1 9223372036854775808\n",
            "expected integer as timestamp, got \"9223372036854775808\"",
        ),
        (
            b"m 1 # {trace_id=\"x\"} 1\n",
            "expected integer as timestamp, got \"#\"",
        ),
        (b"m 1 12 34\n", "spurious string after timestamp: \" 34\""),
        (b"m 1 12 \n", "spurious string after timestamp: \" \""),
        (b"m{,a=\"1\"} 1\n", "invalid label name for metric \"m\""),
        (b"m{a=\"1\",,b=\"2\"} 1\n", "invalid label name for metric \"m\""),
        (b"m{1a=\"x\"} 1\n", "invalid label name for metric \"m\""),
        (b"m{\"\"=\"x\"} 1\n", "invalid label name for metric \"m\""),
        (b"{,\"m\"} 1\n", "invalid label name for metric \"\""),
        (
            b"# TYPE h histogram\nh_sum{,} 1\n",
            "invalid label name for metric \"h\"",
        ),
        (b"m{a.b=\"x\"} 1\n", "expected '=' after label name, found '.'"),
        (b"m{a} 1\n", "expected '=' after label name, found '}'"),
        (b"m{a\n", "expected '=' after label name, found '\\n'"),
        (b"m{a\xe9=\"x\"} 1\n", "expected '=' after label name, found 'é'"),
        (b"m{a'=\"x\"} 1\n", "expected '=' after label name, found '\\''"),
        (b"m{a=1} 1\n", "expected '\"' at start of label value, found '1'"),
        (b"m{a=\n", "expected '\"' at start of label value, found '\\n'"),
        (b"m{a=\"1\" b=\"2\"} 1\n", "unexpected end of label value \"1\""),
        (
            b"m{a=\"\\\"\\n\\\\\"\n",
            "unexpected end of label value \"\\\"\\n\\\\\"",
        ),
        (b"m{a=\"x\n", "label value \"x\" contains unescaped new-line"),
        (b"m{\"a\n", "label name \"a\" contains unescaped new-line"),
        (b"\"m\n", "metric name \"m\" contains unescaped new-line"),
        (b"# HELP \"m\n", "metric name \"m\" contains unescaped new-line"),
        (b"m{a=\"\\t\"} 1\n", "invalid escape sequence '\\t'"),
        (b"m{a=\"\\\xe9\"} 1\n", "invalid escape sequence '\\é'"),
        (b"{\"\\t\"} 1\n", "invalid escape sequence '\\t'"),
        (b"# HELP m a\\tb\n", "invalid escape sequence '\\t'"),
        (b"m{a=\"\xff\"} 1\n", "invalid label value \"\\xff\""),
        (b"m{\"a.b\"=\"x\"} 1\n", "invalid label name \"a.b\""),
        (b"m{\"\xff\"=\"x\"} 1\n", "invalid label name \"\\xff\""),
        (b"m{__name__=\"x\"} 1\n", "label name \"__name__\" is reserved"),
        (
            b"m{\"__name__\"=\"x\"} 1\n",
            "label name \"__name__\" is reserved",
        ),
        (
            b"m{a=\"1\",a=\"2\"} 1\n",
            "duplicate label names for metric \"m\"",
        ),
        (b"{\"m\",\"n\"} 1\n", "multiple metric names for metric \"m\""),
        (b"{\"m\"\n", "unexpected end of metric name '\\n'"),
        (b"{a:b} 1\n", "unexpected end of metric name ':'"),
        (
            b"# HELP m a\n# HELP m b\n",
            "second HELP line for metric name \"m\"",
        ),
        (
            b"# TYPE m gauge\n# TYPE m gauge\n",
            "second TYPE line for metric name \"m\", or TYPE reported after samples",
        ),
        (
            b"m 1\n# TYPE m gauge\n",
            "second TYPE line for metric name \"m\", or TYPE reported after samples",
        ),
        (
            b"# TYPE h histogram\n# TYPE h_count gauge\n",
            "second TYPE line for metric name \"h\", or TYPE reported after samples",
        ),
        (
            b"# TYPE s summary\n# TYPE s_sum gauge\n",
            "second TYPE line for metric name \"s\", or TYPE reported after samples",
        ),
        (b"# TYPE m unknown\n", "unknown metric type \"unknown\""),
        (b"# TYPE m info\n", "unknown metric type \"info\""),
        (b"# TYPE m gauge \n", "unknown metric type \"gauge \""),
        (
            b"# TYPE h histogram\nh_bucket{le=\"foo\"} 1\n",
            "expected float as value for 'le' label, got \"foo\"",
        ),
        (
            b"# TYPE s summary\ns{quantile=\"foo\"} 1\n",
            "expected float as value for 'quantile' label, got \"foo\"",
        ),
        (
            b"# TYPE h histogram\nh_bucket{le=\"1\"} -1\n",
            "negative bucket population for histogram \"h\"",
        ),
        (
            b"# TYPE h histogram\nh_bucket{le=\"1\"} -Inf\n",
            "negative bucket population for histogram \"h\"",
        ),
        (
            b"# TYPE h histogram\nh_count -1.5\n",
            "negative count for histogram \"h\"",
        ),
    ];
    for (body, expected) in cases {
        let lines = body.split(|byte| *byte == b'\n').count() - 1;
        let line = if body.ends_with(b"\n") { lines } else { lines + 1 };
        let expected = format!("text format parsing error in line {line}: {expected}");
        assert_eq!(first_line(body, STRICT), expected, "{}", body.escape_ascii());
    }
}

#[test]
fn lenient_decoding_refuses_what_is_no_question_of_line_ends() {
    let cases: &[(&[u8], &str)] = &[
        (b"m", "unexpected end of input stream"),
        (b"m{a=\"1", "unexpected end of input stream"),
        (b"m x", "expected float as value, got \"x\""),
        (b"m 1 x", "expected integer as timestamp, got \"x\""),
        (b"m 1 \r \n", "expected integer as timestamp, got \"\\r\""),
        (b"m 1 2 \r3\r\n", "spurious string after timestamp: \" \\r3\""),
        (b"# TYPE m gauges\r\n", "unknown metric type \"gauges\""),
    ];
    for (body, expected) in cases {
        let expected = format!("text format parsing error in line 1: {expected}");
        assert_eq!(first_line(body, LENIENT), expected, "{}", body.escape_ascii());
    }
}

#[test]
fn utf8_names_must_not_be_empty_or_something_else() {
    let error = "text format parsing error in line 1: ";
    assert_eq!(
        first_line(b"{\"\xff\"} 1\n", UTF8),
        format!("{error}invalid metric name \"\\xff\"")
    );
    assert_eq!(
        first_line(b"{\"\"} 1\n", UTF8),
        format!("{error}invalid label name for metric \"\"")
    );
    assert_eq!(
        first_line(b"my.metric 1\n", UTF8),
        format!("{error}expected float as value, got \".metric\"")
    );
}

#[test]
fn hints_say_where_and_what() {
    check(
        "ok 1\n  m  x y\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 2: expected float as value, got "x"
        hint: column 6: expected a number, found `x y`"#]],
    );
    check(
        "m{ä=\"1\"} 1",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: invalid label name for metric "m"
        hint: column 3: expected a label name or `}`, found `ä="1"} 1`"#]],
    );
    check(
        "m{a=\"äöü\",b=} 1\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: expected '"' at start of label value, found '}'
        hint: column 13: expected a label value in double quotes, found `} 1`"#]],
    );
    check(
        "m{a=\"1\"",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: unexpected end of input stream
        hint: column 8: expected `,` or `}` after the label value, found the end of the input"#]],
    );
    check(
        "m{a=\"1\"\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: unexpected end of label value "1"
        hint: column 8: expected `,` or `}` after the label value, found the end of the line"#]],
    );
    check(
        "m.x 1\n",
        LENIENT,
        expect![[r#"
            text format parsing error in line 1: expected float as value, got ".x"
            hint: column 2: expected a blank or `{` after the metric name, found `.x 1`
            hint: metric names have letters, digits, `_` and `:`, no other characters"#]],
    );
    check(
        "\u{feff}m 1\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: invalid metric name
        hint: column 1: expected a metric name, found `\ufeffm 1`
        hint: the body begins with a byte order mark: leave it out"#]],
    );
    check(
        "m 1,5\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: expected float as value, got "1,5"
        hint: column 3: expected a number, found `1,5`
        hint: write the decimal separator as a point"#]],
    );
    check(
        "m 1 # {trace_id=\"0123456789abcdef\"} 1\n",
        LENIENT,
        expect![[r##"
        text format parsing error in line 1: expected integer as timestamp, got "#"
        hint: column 5: expected a timestamp in milliseconds or the end of the line, found `# {trace_id="0123456789a...`
        hint: this is OpenMetrics, not the text format: send `Content-Type: application/openmetrics-text`"##]],
    );
    check(
        "# TYPE m info\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: unknown metric type "info"
        hint: column 10: expected `counter`, `gauge`, `histogram`, `summary` or `untyped`, found `info`
        hint: this is OpenMetrics, not the text format: send `Content-Type: application/openmetrics-text`"#]],
    );
    check(
        "m 1\n# TYPE m gauge\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 2: second TYPE line for metric name "m", or TYPE reported after samples
        hint: column 10: expected one TYPE line a metric, found `gauge`
        hint: put the TYPE line before the first sample, and only once"#]],
    );
    check(
        "m{a=\"C:\\dir\"} 1\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: invalid escape sequence '\d'
        hint: column 8: expected `\\`, `\n` or `\"`, found `\\dir"} 1`
        hint: a backslash itself is written `\\`; only `\\`, `\n` and `\"` are escapes"#]],
    );
    check(
        "{\"my.metric\"} 1\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: invalid metric name "my.metric"
        hint: column 3: expected a metric name, found `my.metric"} 1`
        hint: only letters, digits, `_` and (in metric names) `:` are allowed here"#]],
    );
    check(
        "{a=\"1\"} 1\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: invalid metric name
        hint: column 1: expected a metric name, before the braces or in quotes within, found `{a="1"} 1`"#]],
    );
    check(
        "m{a=\"1\",a=\"2\"} 1\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: duplicate label names for metric "m"
        hint: column 9: expected each label once, found `a="2"} 1`"#]],
    );
    check(
        "m 1\r\n",
        STRICT,
        expect![[r#"
        text format parsing error in line 1: expected float as value, got "1\r"
        hint: column 3: expected a number, found `1\r`
        hint: end lines in a line feed alone"#]],
    );
    check(
        "m 1 \n",
        STRICT,
        expect![[r#"
        text format parsing error in line 1: expected integer as timestamp, got ""
        hint: column 5: expected a timestamp in milliseconds or the end of the line, found the end of the line
        hint: leave out the blank at the end of the line"#]],
    );
    check(
        "m 1",
        STRICT,
        expect![[r#"
        text format parsing error in line 1: unexpected end of input stream
        hint: column 4: expected a line feed, found the end of the input
        hint: the last line, too, ends in a line feed"#]],
    );
    check(
        b"m{a=\"\xff\xfe\"} 1\n",
        LENIENT,
        expect![[r#"
        text format parsing error in line 1: invalid label value "\xff\xfe"
        hint: column 6: expected UTF-8, found `��"} 1`"#]],
    );
}

#[test]
#[cfg_attr(miri, ignore = "too large for an interpreter")]
fn shown_input_is_cut_short() {
    let body = format!("m {}\n", "x".repeat(1_000_000));
    let text = outcome(body.as_bytes(), LENIENT);
    assert!(text.len() < 1500, "{} bytes", text.len());
}

#[test]
fn an_error_knows_its_place() {
    let error = wharf_exposition::text::decode("a 1\nb{ä=\"\"} 2\n".as_bytes(), LENIENT).unwrap_err();
    assert_eq!((error.line(), error.column()), (2, 3));
}
