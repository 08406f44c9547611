//! The web page in a real browser, over a real gateway: what its readers see and do.
//!
//! Without Chromium there is nothing to run; `cargo xtask test` installs it.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod deleting;
mod expected;
mod group;
mod groups;
mod looks;
mod problems;
mod screenshots;
mod speed;
mod views;
mod visitors;

use std::ops::Deref;

use wharf_testkit::http::get;
use wharf_testkit::{Browser, Gateway, Spawn, until};

/// A browser that looks at a gateway of its own.
struct Page {
    browser: Browser,
    gateway: Gateway,
}

impl Page {
    /// A gateway with these arguments, and a browser that has opened nothing yet; nothing without a browser.
    #[track_caller]
    fn new(args: &[&str]) -> Option<Self> {
        let browser = Browser::start()?;
        let gateway = Spawn::wharf(env!("CARGO_BIN_EXE_wharf"))
            .args(args.iter().copied())
            .start();
        Some(Self { browser, gateway })
    }

    /// The same with all that administrators may do.
    #[track_caller]
    fn for_admins() -> Option<Self> {
        Self::new(&["--web.enable-admin-api"])
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.address())
    }

    /// Opens a path of the gateway.
    #[track_caller]
    fn go(&self, path: &str) {
        self.open(&self.url(path));
    }

    /// The rows of the list that is shown, as the text of their first link each.
    fn rows(&self) -> Vec<String> {
        let rows = self.evaluate(
            "[...document.querySelectorAll('tr[data-row]')].map((row) => row.querySelector('a, strong').textContent)",
        );
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row.as_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until the list has exactly these rows.
    #[track_caller]
    fn wait_for_rows(&self, rows: &[&str]) {
        until(&format!("the rows {rows:?}"), || {
            (self.rows() == rows).then_some(())
        });
    }

    /// Whether the gateway has a group.
    fn has_group(&self, path: &str) -> bool {
        self.gateway.send(&get(&format!("/api/v1/groups/{path}"))).status == 200
    }
}

impl Deref for Page {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        &self.browser
    }
}
