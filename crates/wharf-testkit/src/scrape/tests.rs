use super::*;

fn refusal(body: &str) -> String {
    Scrape::parse(body).unwrap_err().to_string()
}

#[test]
fn reads_families_samples_and_escapes() {
    let body = concat!(
        "# HELP m a\\nb\\\\c\"d\n# TYPE m gauge\nm 1\nm{a=\"x\\\"y\\\\z\\n\",b=\"}\"} +Inf\n",
        "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1.5\nh_count 2\n",
        "# TYPE \"my.metric\" untyped\n{\"my.metric\",\"my.label\"=\"x\"} NaN\n",
    );
    let scrape = Scrape::parse(body).unwrap();
    assert_eq!(scrape.families["m"].help.as_deref(), Some("a\nb\\c\"d"));
    assert_eq!(scrape.families["h"].metric_type, "histogram");
    assert_eq!(scrape.value("m", &[("a", "x\"y\\z\n"), ("b", "}")]), Some("+Inf"));
    assert_eq!(scrape.value("h_bucket", &[("le", "1")]), Some("1"));
    assert_eq!(scrape.value("my.metric", &[("my.label", "x")]), Some("NaN"));
    assert_eq!(scrape.value("n", &[]), None);
}

#[test]
fn a_series_comes_once_whatever_the_order_of_its_labels() {
    let body = "# TYPE m gauge\nm{a=\"1\",b=\"2\"} 1\nm{b=\"2\",a=\"1\"} 1\n";
    assert!(refusal(body).starts_with("line 3: the series m"));
}

#[test]
fn a_family_is_one_block() {
    let body = "# TYPE m gauge\nm 1\n# TYPE n gauge\nn 1\nm{a=\"1\"} 1\n";
    assert_eq!(refusal(body), "line 5: `m` is not of `n`");
    assert_eq!(
        refusal("# TYPE m gauge\n# TYPE n gauge\n# TYPE m gauge\n"),
        "line 3: the family `m` comes twice"
    );
}

#[test]
fn a_family_says_its_type() {
    assert_eq!(refusal("m 1\n"), "line 1: a sample before any family");
    assert_eq!(refusal("# HELP m x\nm 1\n"), "line 2: `m` is not of the  `m`");
    assert_eq!(
        refusal("# TYPE m gauge\nm_sum 1\n"),
        "line 2: `m_sum` is not of the gauge `m`"
    );
}

#[test]
fn a_line_is_complete() {
    assert_eq!(
        refusal("# TYPE m gauge\nm 1"),
        "line 2: expected a line feed at the end"
    );
    assert_eq!(
        refusal("# TYPE m gauge\nm 1 5\n"),
        "line 2: expected a value alone, found `1 5`"
    );
    assert_eq!(
        refusal("# TYPE m gauge\nm{a=\"1\n"),
        "line 2: a string does not end"
    );
}
