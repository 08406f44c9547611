use proptest::prelude::*;

use super::*;

fn written(value: f64) -> String {
    let mut out = Vec::new();
    write_f64(&mut out, value);
    String::from_utf8(out).unwrap()
}

#[test]
fn doubles_print_as_go_prints_them() {
    let cases = [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1.0, "-1"),
        (0.1, "0.1"),
        (2.5, "2.5"),
        (1.000_001, "1.000001"),
        (1.000_000_1, "1.0000001"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1.0 / 3.0, "0.3333333333333333"),
        (0.0001, "0.0001"),
        (0.000_123_4, "0.0001234"),
        (0.000_099_99, "9.999e-05"),
        (0.000_01, "1e-05"),
        (0.000_012_3, "1.23e-05"),
        (1e-7, "1e-07"),
        (-1.5e-7, "-1.5e-07"),
        (5e-324, "5e-324"),
        (2.225_073_858_507_201_4e-308, "2.2250738585072014e-308"),
        (99999.0, "99999"),
        (100_000.0, "100000"),
        (999_999.0, "999999"),
        (999_999.999_999, "999999.999999"),
        (999_999.999_999_999_9, "999999.9999999999"),
        (1e6, "1e+06"),
        (-1e6, "-1e+06"),
        (1_234_567.0, "1.234567e+06"),
        (123_456.789, "123456.789"),
        (123_456_789.0, "1.23456789e+08"),
        (123_456_789.125, "1.23456789125e+08"),
        (10_000_000_000.0, "1e+10"),
        (1_795_220_007.0, "1.795220007e+09"),
        (1_795_220_007.123, "1.795220007123e+09"),
        (999_999_999_999_999.0, "9.99999999999999e+14"),
        (616_864_004_057_614.2, "6.168640040576142e+14"),
        (1e15, "1e+15"),
        (9_007_199_254_740_992.0, "9.007199254740992e+15"),
        (1e16, "1e+16"),
        (1.844_674_407_370_955_2e19, "1.8446744073709552e+19"),
        (1e21, "1e+21"),
        (1e22, "1e+22"),
        (1e100, "1e+100"),
        (f64::MAX, "1.7976931348623157e+308"),
    ];
    for (value, expected) in cases {
        assert_eq!(written(value), expected, "{value:?}");
    }
}

#[test]
fn the_sign_of_zero_is_kept_on_demand() {
    for (value, expected) in [(0.0, "0"), (-0.0, "-0"), (-1.0, "-1"), (1e6, "1e+06")] {
        let mut out = Vec::new();
        write_f64_signed_zero(&mut out, value);
        assert_eq!(out, expected.as_bytes());
    }
}

#[test]
fn integers_are_plain_digits() {
    let mut out = Vec::new();
    write_u64(&mut out, u64::MAX);
    assert_eq!(out, b"18446744073709551615");
}

#[test]
fn numbers_are_read_as_go_reads_them() {
    let cases = [
        ("1", 1.0),
        ("+5", 5.0),
        ("-0", 0.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("-1.5e+2", -150.0),
        ("007", 7.0),
        ("123456789012345", 123_456_789_012_345.0),
        ("1234567890123456789", 1_234_567_890_123_456_789.0),
        ("1e-400", 0.0),
        ("1e-99999999999999999999", 0.0),
        ("0e99999999999999999999", 0.0),
        ("179769313486231570000e288", f64::MAX),
        ("inf", f64::INFINITY),
        ("+Inf", f64::INFINITY),
        ("-INF", f64::NEG_INFINITY),
        ("iNfInItY", f64::INFINITY),
        ("-infinity", f64::NEG_INFINITY),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_f64(text.as_bytes()), Some(expected), "{text}");
    }
    for text in ["nan", "NaN", "NAN"] {
        assert!(parse_f64(text.as_bytes()).is_some_and(f64::is_nan), "{text}");
    }
}

#[test]
fn what_go_refuses_is_refused() {
    let cases = [
        "",
        "+",
        "-",
        ".",
        "e5",
        "1e",
        "1e+",
        "1.5.",
        "--1",
        "+-1",
        " 1",
        "1 ",
        "1\r",
        "1,5",
        "0x10",
        "0x1p4",
        "1p4",
        "1_000",
        "1e400",
        "-1e400",
        "1e99999999999999999999",
        "+nan",
        "-NaN",
        "nano",
        "infi",
        "infinit",
        "infinityy",
        "in",
        "i",
        "n",
        "1inf",
        "١",
        "1\u{0}",
    ];
    for text in cases {
        assert_eq!(parse_f64(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(parse_f64(&"9".repeat(400).into_bytes()), None, "400 digits");
}

proptest! {
    #[test]
    fn what_is_written_reads_back(bits: u64) {
        let value = f64::from_bits(bits);
        let read = parse_f64(written(value).as_bytes()).unwrap();
        prop_assert!(read.total_cmp(&(value + 0.0)).is_eq() || read.is_nan() && value.is_nan());
    }

    #[test]
    fn digits_are_the_shortest(mantissa in 0_u64..10_u64.pow(17), exponent in -30_i32..20) {
        let value: f64 = format!("{mantissa}e{exponent}").parse().unwrap();
        let significant = |text: &str| -> String {
            let mantissa = text.split('e').next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').to_owned()
        };
        // The exponent form of the standard library is as short. Where two decimals are equally short and
        // equally near it rounds up, and Go to even.
        prop_assert_eq!(significant(&written(value)).len(), significant(&format!("{value:e}")).len());
        prop_assert_eq!(written(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
    }

    #[test]
    fn decimals_read_as_the_standard_library_reads_them(text in r"[+-]?[0-9]{0,25}\.?[0-9]{0,25}([eE][+-]?[0-9]{1,4})?") {
        let expected = text.parse::<f64>().ok().filter(|value| value.is_finite());
        prop_assert_eq!(parse_f64(text.as_bytes()), expected);
    }
}
