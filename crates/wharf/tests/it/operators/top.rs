//! `wharf top`, on a terminal that may go away, and without one.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use wharf_testkit::http::post;
use wharf_testkit::{Gateway, until};

use super::{fails, succeeds, tool_at};
use crate::{WHARF, gateways, wharf};

#[test]
fn top_needs_a_terminal_or_is_content_with_once() {
    for spawn in gateways() {
        let gateway = spawn.start();
        gateway.push("/metrics/job/a", "m 1\n");
        let said = fails(&tool_at(&gateway, &["top"]), 1);
        assert!(said.contains("hint: --once"), "{said}");
        let shown = succeeds(&gateway, &["top", "--once", "--interval=10ms"]);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[0].starts_with(&format!("http://{}", gateway.address())),
            "{shown}"
        );
        assert!(lines[1].starts_with("pushes 0.0/s"), "{shown}");
        assert!(lines[4].starts_with("a "), "{shown}");
    }
}

/// `wharf top` on a terminal that this test plays.
struct OnTerminal {
    child: Child,
    /// The side of whoever looks and types.
    terminal: File,
    seen: Vec<u8>,
}

impl OnTerminal {
    fn start(gateway: &Gateway, columns: u16, rows: u16) -> Self {
        // Nobody else must have it: processes of other tests would keep it open.
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let side: OwnedFd = open(
            name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&side, size).unwrap();
        let stdio = || Stdio::from(side.try_clone().unwrap());
        let child = Command::new(WHARF)
            .args(["top", "--gateway", &format!("http://{}", gateway.address())])
            .env_remove("XDG_CONFIG_HOME")
            .env("HOME", "/nonexistent")
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        Self {
            child,
            terminal: terminal.into(),
            seen: Vec::new(),
        }
    }

    /// Reads until `text` has been shown.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.seen).contains(text) {
            let mut buffer = [0; 4096];
            let count = self.terminal.read(&mut buffer).unwrap();
            self.seen.extend_from_slice(&buffer[..count]);
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Reads to the end, and says what was shown and how it ended.
    fn end(mut self) -> (String, ExitStatus) {
        // When the last process on the terminal has gone, reading fails.
        while let Ok(1..) = io::copy(&mut (&self.terminal).take(4096), &mut self.seen) {}
        let status = self.child.wait().unwrap();
        (String::from_utf8_lossy(&self.seen).into_owned(), status)
    }
}

/// What gives a terminal back: the cursor, and the screen as it was.
const GIVEN_BACK: &str = "\x1b[?25h\x1b[?7h\x1b[?1049l";

#[test]
fn top_ends_with_its_terminal() {
    let gateway = wharf().start();
    let mut top = OnTerminal::start(&gateway, 80, 24);
    top.wait_for("pushes 0.0/s");
    let OnTerminal {
        mut child, terminal, ..
    } = top;
    drop(terminal);
    until("the end of top", || child.try_wait().unwrap());
}

#[test]
fn top_gives_the_terminal_back_when_a_signal_ends_it() {
    let gateway = wharf().start();
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut top = OnTerminal::start(&gateway, 80, 24);
        top.wait_for("q quit");
        top.signal(signal);
        let (seen, status) = top.end();
        assert!(seen.ends_with(GIVEN_BACK), "{signal:?}: {seen:?}");
        assert_eq!(status.signal(), Some(signal.as_raw()), "{signal:?}");
    }
}

#[test]
fn top_does_not_wait_for_a_terminal_that_takes_nothing() {
    let gateway = wharf().start();
    let groups: Vec<String> = (0..1_000)
        .map(|n| format!("m{{job=\"j\",n=\"{n}\"}} 1\n"))
        .collect();
    let push = post("/api/v1/push?group_by=job,n").body(groups.concat());
    assert_eq!(gateway.send(&push).status, 200);
    // A picture of some 100 kB, of which a terminal that is not read takes a few.
    let mut top = OnTerminal::start(&gateway, 1_000, 1_000);
    top.wait_for("groups 1000");
    top.signal(Signal::TERM);
    let OnTerminal {
        mut child, terminal, ..
    } = top;
    let status = until("the end of top", || child.try_wait().unwrap());
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
    drop(terminal);
}

#[test]
fn q_ends_top_with_success() {
    let gateway = wharf().start();
    let mut top = OnTerminal::start(&gateway, 80, 24);
    top.wait_for("q quit");
    top.terminal.write_all(b"q").unwrap();
    let (seen, status) = top.end();
    assert!(seen.ends_with(GIVEN_BACK), "{seen:?}");
    assert_eq!(status.code(), Some(0));
}
