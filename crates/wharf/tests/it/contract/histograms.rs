//! Histograms and summaries in the text format.

use wharf_testkit::contract::{case, ok, refused, scraped};
use wharf_testkit::http::put;

use crate::WHARF;

#[test]
fn case_070_a_missing_last_bucket_is_made_of_the_count() {
    case()
        .step(
            put("/metrics/job/t").body("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1.5\nh_count 2\n"),
            ok(),
        )
        .scrape(scraped().order(&[
            r#"h_bucket{instance="",job="t",le="1"} 1"#,
            r#"h_bucket{instance="",job="t",le="+Inf"} 2"#,
            r#"h_sum{instance="",job="t"} 1.5"#,
            r#"h_count{instance="",job="t"} 2"#,
        ]))
        .run(WHARF);
}

#[test]
fn case_071_a_missing_count_is_zero() {
    case()
        .step(
            put("/metrics/job/t").body("# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"),
            ok(),
        )
        .scrape(
            scraped()
                .line(r#"h_bucket{instance="",job="t",le="+Inf"} 0"#)
                .line(r#"h_sum{instance="",job="t"} 0"#)
                .line(r#"h_count{instance="",job="t"} 0"#),
        )
        .run(WHARF);
}

#[test]
fn case_072_counts_may_be_fractions_but_not_negative() {
    let error = "text format parsing error in line 2: negative";
    case()
        .step(
            put("/metrics/job/t").body("# TYPE h histogram\nh_bucket{le=\"1\"} 1.5\nh_count 3\n"),
            ok(),
        )
        .step(
            put("/metrics/job/t").body("# TYPE h histogram\nh_bucket{le=\"1\"} -1\n"),
            refused(&format!("{error} bucket population for histogram \"h\"")),
        )
        .step(
            put("/metrics/job/t").body("# TYPE h histogram\nh_count -1\n"),
            refused(&format!("{error} count for histogram \"h\"")),
        )
        .scrape(scraped().line(r#"h_bucket{instance="",job="t",le="1"} 1.5"#))
        .run(WHARF);
}

#[test]
fn case_073_bounds_are_normalised_and_buckets_keep_their_order() {
    let body = "# TYPE h histogram\nh_bucket{le=\"1e1\"} 2\nh_bucket{le=\"1.0\"} 1\nh_count 2\n";
    case()
        .step(put("/metrics/job/t").body(body), ok())
        .scrape(scraped().order(&[
            r#"h_bucket{instance="",job="t",le="10"} 2"#,
            r#"h_bucket{instance="",job="t",le="1"} 1"#,
        ]))
        .run(WHARF);
}

#[test]
fn case_074_a_summary_gets_a_sum_and_a_whole_count() {
    case()
        .step(
            put("/metrics/job/t").body("# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_count 1.7\n"),
            ok(),
        )
        .scrape(scraped().order(&[
            r#"s{instance="",job="t",quantile="0.5"} 1"#,
            r#"s_sum{instance="",job="t"} 0"#,
            r#"s_count{instance="",job="t"} 1"#,
        ]))
        .run(WHARF);
}

#[test]
fn case_075_a_gauge_histogram_is_exposed_as_a_histogram() {
    case()
        .step(
            put("/metrics/job/t").body("# TYPE m gaugehistogram\nm_bucket{le=\"1\"} 2\nm_count 4\n"),
            ok(),
        )
        .scrape(
            scraped()
                .line("# TYPE m histogram")
                .line(r#"m_bucket{instance="",job="t",le="+Inf"} 4"#),
        )
        .run(WHARF);
}
