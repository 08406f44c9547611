//! How long a reader waits for the rows of a search, among a hundred thousand groups.

use serde_json::json;

use crate::Page;
use crate::groups::push_a_hundred_thousand;

/// Times of one search, from the press of its last key to the first frame after its rows are there.
const ROUNDS: usize = 20;

/// Milliseconds until `key`, typed behind `before`, has led to so many rows that all have `text`.
fn wait_after(page: &Page, before: &str, key: &str, rows: usize, text: &str) -> f64 {
    page.evaluate(&format!(
        "(() => {{ const search = document.querySelector('#search'); search.focus(); search.value = {}; \
         window.waited = new Promise((resolve) => addEventListener('keydown', (event) => {{ \
         const look = () => {{ const rows = [...document.querySelectorAll('tr[data-row]')]; \
         const isThere = rows.length === {rows} && rows.every((row) => row.textContent.includes({})); \
         requestAnimationFrame(isThere ? () => setTimeout(() => resolve(performance.now() - event.timeStamp)) : look); }}; \
         look(); }}, {{ once: true, capture: true }})); }})()",
        json!(before),
        json!(text),
    ));
    page.press(key);
    page.evaluate("window.waited").as_f64().unwrap()
}

#[test]
#[ignore = "measures: `cargo test --release -p wharf --test page -- --ignored --nocapture measure`"]
fn measure_searches_among_a_hundred_thousand_groups() {
    let Some(page) = Page::new(&["--storage.path="]) else {
        return;
    };
    push_a_hundred_thousand(&page);
    page.go("/");
    page.wait_for_text("100,000");
    for (what, before, after, rows) in [
        ("words", "", "", 1),
        ("selector", "{instance=\"", "\"}", 1),
        ("regular expression", "{instance=~\".*-", "\"}", 10),
    ] {
        let mut times: Vec<f64> = (0..ROUNDS)
            .map(|round| {
                let (part, number) = (round % 10, 1000 + 37 * round);
                let name = if rows == 1 {
                    format!("{part}-{number}")
                } else {
                    number.to_string()
                };
                let typed = format!("{before}{name}{after}");
                let (typed, key) = typed.split_at(typed.len() - 1);
                wait_after(&page, typed, key, rows, &name)
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let (middle, longest) = (times[ROUNDS / 2], times[ROUNDS - 1]);
        println!("{what}: {middle:.0} ms, at most {longest:.0} ms");
    }
}
