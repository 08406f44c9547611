//! The pictures of the README: a gateway with two months of batch jobs behind it.
//!
//! Nothing in them is made up: every push really happens, in order, and `libfaketime` leads the gateway's clock through
//! those two months. `cargo xtask screenshots` installs it, and runs this.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use wharf_testkit::http::{Request, get, put};
use wharf_testkit::{Browser, Gateway, LedClock, Random};

const MINUTE: usize = 60;
const HOUR: usize = 60 * MINUTE;
const DAY: usize = 24 * HOUR;

/// Something that happens at the gateway, so many seconds ago.
struct Event {
    ago: usize,
    request: Request,
    status: u16,
}

/// How the last night was for a backup.
#[derive(Clone, Copy, PartialEq)]
enum Night {
    Fine,
    Missing,
    Refused,
}

/// What happened up to now.
struct Story {
    random: Random,
    events: Vec<Event>,
}

impl Story {
    fn push(&mut self, ago: usize, path: &str, body: String) {
        let request = put(&format!("/metrics/{path}")).body(body);
        self.events.push(Event {
            ago,
            request,
            status: 200,
        });
    }

    fn refused(&mut self, ago: usize, path: &str, body: &str) {
        let request = put(&format!("/metrics/{path}")).body(body);
        self.events.push(Event {
            ago,
            request,
            status: 400,
        });
    }

    /// `middle`, up to so many percent more or less.
    fn about(&mut self, middle: usize, percent: usize) -> usize {
        let spread = middle * percent / 100;
        middle - spread + self.random.below(2 * spread + 1)
    }

    /// Every night, the last one seven hours ago.
    fn backup(&mut self, instance: &str, minutes: usize, gibibytes: usize, last_night: Night) {
        let path = format!("job/backup/instance/{instance}");
        for night in 0..60 {
            let ago = 7 * HOUR + night * DAY + self.random.below(15 * MINUTE);
            match last_night {
                Night::Missing if night == 0 => continue,
                Night::Refused if night == 0 || night == 17 => {
                    self.refused(ago, &path, "backup_bytes{database=\"users} 1\n");
                    continue;
                }
                _ => {}
            }
            let took = self.about(minutes * MINUTE, 30);
            let bytes = self.about(gibibytes << 30, 2);
            let (most, rest) = (bytes / 5 * 4, bytes / 5);
            let body = format!(
                "# HELP backup_duration_seconds How long the backup took.\n\
                 # TYPE backup_duration_seconds gauge\n\
                 backup_duration_seconds {took}\n\
                 # HELP backup_bytes Size of the backup, compressed.\n\
                 # TYPE backup_bytes gauge\n\
                 backup_bytes{{database=\"orders\"}} {most}\n\
                 backup_bytes{{database=\"users\"}} {rest}\n\
                 # HELP backup_file_bytes Sizes of the files that were read.\n\
                 # TYPE backup_file_bytes histogram\n\
                 {files}\
                 # HELP backup_chunk_seconds Time to send one chunk.\n\
                 # TYPE backup_chunk_seconds summary\n\
                 backup_chunk_seconds{{quantile=\"0.5\"}} 0.21\n\
                 backup_chunk_seconds{{quantile=\"0.9\"}} 0.48\n\
                 backup_chunk_seconds{{quantile=\"0.99\"}} 1.37\n\
                 backup_chunk_seconds_sum {took}\n\
                 backup_chunk_seconds_count {chunks}\n",
                files = files(bytes),
                chunks = took * 4,
            );
            self.push(ago, &path, body);
        }
    }

    /// Every hour, eleven minutes past.
    fn etl(&mut self, pipeline: &str, seconds: usize, missing: &[usize], refused: &[usize]) {
        let path = format!("job/etl/pipeline/{pipeline}");
        for hour in 0..60 {
            let ago = 11 * MINUTE + hour * HOUR + self.random.below(MINUTE);
            if refused.contains(&hour) {
                self.refused(ago, &path, "etl_rows_total 12 1700000000000\n");
            } else if !missing.contains(&hour) {
                let took = self.about(seconds, 40);
                let body = format!(
                    "# HELP etl_rows_total Rows that were loaded.\n# TYPE etl_rows_total counter\n\
                     etl_rows_total {rows}\n\
                     # HELP etl_duration_seconds How long loading took.\n# TYPE etl_duration_seconds gauge\n\
                     etl_duration_seconds {took}\n",
                    rows = took * 1931,
                );
                self.push(ago, &path, body);
            }
        }
    }

    /// Builds come when somebody has written something.
    fn builds(&mut self, branch: &str, last: usize, count: usize, minutes: usize, ttl: &str) {
        let mut ago = last;
        for _ in 0..count {
            let took = self.about(minutes * MINUTE, 50);
            let body = format!(
                "# HELP ci_build_duration_seconds Wall time of the build.\n\
                 # TYPE ci_build_duration_seconds gauge\nci_build_duration_seconds {took}\n\
                 # HELP ci_tests Tests that ran.\n# TYPE ci_tests gauge\n\
                 ci_tests{{result=\"passed\"}} 1482\nci_tests{{result=\"skipped\"}} 11\n"
            );
            self.push(
                ago,
                &format!("job/ci-build/branch/{branch}/repo/gateway?ttl={ttl}"),
                body,
            );
            ago += 10 * MINUTE + self.random.below(90 * MINUTE);
        }
    }

    /// Many small jobs over the last hour, and Prometheus, so that there is some traffic.
    fn traffic(&mut self) {
        for worker in 0..40 {
            let path = format!("job/thumbnails/worker/w{worker:02}");
            self.push(
                HOUR + 10 * MINUTE,
                &path,
                "# HELP thumbnails_total Pictures.\n# TYPE thumbnails_total counter\nthumbnails_total 0\n"
                    .to_owned(),
            );
        }
        for step in 0..HOUR / 5 {
            let ago = HOUR - 5 * step;
            let busy = 4 + [0, 1, 3, 5, 6, 5, 3, 1][step / 60 % 8];
            for _ in 0..self.about(busy, 40) {
                let path = format!("job/thumbnails/worker/w{:02}", self.random.below(40));
                let done = self.about(900, 20);
                let body = format!(
                    "# HELP thumbnails_total Pictures.\n# TYPE thumbnails_total counter\nthumbnails_total {done}\n"
                );
                self.push(ago, &path, body);
            }
            if step % 3 == 0 {
                let request = get("/metrics")
                    .header("User-Agent", "Prometheus/3.5.0")
                    .header("Accept-Encoding", "gzip");
                self.events.push(Event {
                    ago,
                    request,
                    status: 200,
                });
            }
        }
    }

    fn all() -> Vec<Event> {
        let mut story = Self {
            random: Random::new(7),
            events: Vec::new(),
        };
        story.backup("db1", 38, 50, Night::Fine);
        story.backup("db2", 31, 42, Night::Missing);
        story.backup("files", 95, 310, Night::Refused);
        story.etl("invoices", 40, &[8, 9, 10], &[]);
        story.etl("orders", 95, &[], &[22, 23]);
        story.etl("stock", 14, &[], &[]);
        story.builds("main", 23 * MINUTE, 60, 6, "36h");
        story.builds("release-2.4", 2 * HOUR, 24, 6, "150m");
        story.traffic();
        for half_day in 0..30 {
            let ago = 3 * HOUR + half_day * 12 * HOUR;
            let days = 89 - 60 * (half_day % 2);
            story.push(
                ago,
                "job/cert-renewal/host/edge-1",
                format!("cert_days_left {days}\n"),
            );
        }
        // The other type is refused.
        story.refused(
            40 * MINUTE,
            "job/report/team/sales",
            "# TYPE etl_rows_total gauge\netl_rows_total 5\n",
        );
        story.events.sort_by_key(|event| std::cmp::Reverse(event.ago));
        story.events
    }
}

fn files(bytes: usize) -> String {
    let mut text = String::new();
    let mut files = 0;
    let bounds = ["1024", "4096", "16384", "65536", "262144", "1048576", "+Inf"];
    for (bound, more) in bounds.into_iter().zip([40, 310, 920, 1130, 470, 160, 60]) {
        files += more;
        writeln!(text, "backup_file_bytes_bucket{{le=\"{bound}\"}} {files}").unwrap();
    }
    text + &format!("backup_file_bytes_sum {bytes}\nbackup_file_bytes_count {files}\n")
}

/// When the story's jobs are expected.
const EXPECTED: &str = "
expect:
  - match: '{job=\"backup\"}'
    every: 1d
    grace: 1h
  - match: '{job=\"etl\"}'
    every: 1h
    grace: 10m
  - match: '{job=\"cert-renewal\"}'
    every: 12h
    grace: 2h
  - always: [{job: billing, month: december}]
    every: 30d
";

/// A gateway whose clock is led by a file.
struct Led {
    gateway: Gateway,
    clock: LedClock,
}

impl Led {
    /// A gateway that keeps its data in `folder`, and whose clock is so many seconds behind. `also_monotonic` leads the
    /// clock too that measures how long things take, which cannot be led back beyond the start of the machine.
    fn start(folder: &Path, ago: usize, also_monotonic: bool) -> Option<Self> {
        let clock = LedClock::new(folder)?;
        clock.set(behind(ago));
        let config = folder.join("wharf.yml");
        fs::write(&config, EXPECTED).unwrap();
        let gateway = clock
            .wharf(env!("CARGO_BIN_EXE_wharf"), also_monotonic)
            .arg(format!("--storage.path={}", folder.join("wharf-data").display()))
            .arg(format!("--config.file={}", config.display()))
            .arg("--expect.start-grace=0s")
            .arg("--web.enable-admin-api")
            .start();
        Some(Self { gateway, clock })
    }

    fn live(&self, events: &[Event]) {
        for event in events {
            self.clock.set(behind(event.ago));
            let response = self.gateway.send(&event.request);
            assert_eq!(
                response.status,
                event.status,
                "{}: {}",
                event.request,
                response.text()
            );
        }
    }

    fn end(mut self) {
        self.gateway.terminate();
        assert_eq!(self.gateway.wait().code, Some(0));
    }
}

fn behind(ago: usize) -> i64 {
    -i64::try_from(ago).unwrap()
}

fn save(browser: &Browser, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/page");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.png")), browser.screenshot()).unwrap();
}

#[test]
#[ignore = "writes docs/page/*.png: `cargo xtask screenshots`"]
fn take_the_screenshots() {
    let folder = tempfile::Builder::new().prefix("wharf-demo-").tempdir().unwrap();
    let Some(browser) = Browser::start() else { return };
    let events = Story::all();
    let (before, last_hour) = events.split_at(events.partition_point(|event| event.ago > HOUR));
    let Some(led) = Led::start(folder.path(), 61 * DAY, false) else {
        return;
    };
    led.live(before);
    led.end();
    let led = Led::start(folder.path(), HOUR, true).unwrap();
    led.live(last_hour);
    led.clock.set(0);
    let open = |path: &str, shown: &str| {
        browser.open(&format!("http://{}{path}", led.gateway.address()));
        browser.wait_for(&format!(
            "document.querySelector('{shown}') && document.querySelector('#live').dataset.state === 'live'"
        ));
    };
    browser.prefer("prefers-color-scheme", "light");
    browser.size(1200, 640);
    open("/?q=%7Bjob!%3D%22thumbnails%22%7D", ".strip");
    save(&browser, "groups");
    browser.prefer("prefers-color-scheme", "dark");
    save(&browser, "groups-dark");
    browser.prefer("prefers-color-scheme", "light");
    browser.size(1200, 900);
    open("/?view=group&group=job%2Fbackup%2Finstance%2Ffiles", ".bars");
    save(&browser, "group");
    browser.size(1200, 560);
    open("/?view=expected", ".strip");
    save(&browser, "expected");
    browser.size(1200, 980);
    open("/status", ".charts");
    save(&browser, "status");
    browser.size(360, 740);
    open("/?q=%7Bjob!%3D%22thumbnails%22%7D", ".strip");
    save(&browser, "phone");
}
