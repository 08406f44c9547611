//! Metrics across groups, and the gateway's own status.

use wharf_testkit::http::{get, post};
use wharf_testkit::{Etcd, Spawn};

use crate::Page;

#[test]
fn metrics_show_who_pushes_a_family_and_where_groups_contradict_each_other() {
    let Some(page) = Page::new(&[]) else { return };
    let gateway = &page.gateway;
    gateway.push(
        "/metrics/job/a",
        "# HELP rows Rows.\n# TYPE rows counter\nrows 1\nother 1\n",
    );
    gateway.push(
        "/metrics/job/b",
        "# HELP rows Lines.\n# TYPE rows counter\nrows 1\n",
    );
    let refused = gateway.send(&post("/metrics/job/c").body("# TYPE rows gauge\nrows 1\n"));
    assert_eq!(refused.status, 400);
    page.go("/?view=metrics");
    page.wait_for_text("2 help texts");
    page.wait_for_text("1 refused");
    page.press("/");
    page.type_text("rows");
    page.wait_for_rows(&["rows"]);
    page.click("2 help texts");
    page.wait_for_text("“Lines.”");
    page.click_on("document.querySelector('.pushers a')");
    page.wait_for("document.title.startsWith('a ')");
}

#[test]
fn the_status_shows_load_storage_limits_scrapers_and_refusals() {
    let Some(page) = Page::new(&["--limits.max-groups=7"]) else {
        return;
    };
    page.gateway.push("/metrics/job/a", "m 1\n");
    assert_eq!(
        page.gateway.send(&post("/metrics/job/b").body("m 1 1\n")).status,
        400
    );
    let scrape = get("/metrics").header("User-Agent", "Prometheus/3.5.0");
    assert_eq!(page.gateway.send(&scrape).status, 200);
    page.go("/status");
    page.wait_for("document.querySelectorAll('.chart').length === 6");
    page.wait_for_text("before each answer");
    page.wait_for_text("Prometheus/3.5.0");
    page.wait_for_text("limits.max-groups");
    page.wait_for("document.querySelector('.refusals pre').textContent.includes('timestamp')");
    page.wait_for_text("web.listen-address");
    assert_eq!(page.complaints(), Vec::<String>::new());
}

#[test]
fn the_status_of_a_replica_shows_the_others_and_what_is_held_back() {
    let Some(etcd) = Etcd::start(1, &["--unsafe-no-fsync"]) else {
        return;
    };
    let urls = format!("--storage.etcd={}", etcd.urls().join(","));
    let Some(page) = Page::new(&[&urls, "--replica.name=first"]) else {
        return;
    };
    let other = Spawn::wharf(env!("CARGO_BIN_EXE_wharf"))
        .args([&urls, "--replica.name=second", "--push.instance-label=omit"])
        .start();
    page.go("/status");
    page.wait_for_text("Kept in");
    page.wait_for("document.querySelectorAll('#replicas').length === 1");
    page.wait_for_text("second");
    page.wait_for_text("lets groups expire");
    page.wait_for_text("--push.instance-label");
    drop(other);
    assert_eq!(page.complaints(), Vec::<String>::new());
}
