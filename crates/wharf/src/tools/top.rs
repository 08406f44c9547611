//! `wharf top`: what goes on in a gateway, while it goes on.

mod events;
mod look;
mod sample;
mod screen;

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{
    self, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen,
};
use crossterm::{cursor, execute};
use signal_hook::low_level::emulate_default_handler;

use self::events::{Event, Events, Signal};
use self::screen::{Screen, View};
use super::gateway::{GatewayFlags, positive_duration};
use super::output;
use super::remote::{self, Remote, Sort};

/// Watch a gateway: its groups, and how much is pushed and scraped.
///
/// Keys: q quits, < and > choose the column to sort by, r turns the order round, / filters by labels, x shows failed groups
/// only, arrows and page keys scroll, the space bar looks again at once.
#[derive(Debug, clap::Parser)]
#[command(after_help = "Examples:
  wharf top
  wharf top '{env=\"prod\"}' --sort=series
  wharf top --once | head")]
pub(super) struct Arguments {
    /// Only these groups: selectors such as '{job=~"ci-.*"}', or names of jobs
    #[arg(value_name = "SELECTOR|JOB")]
    selectors: Vec<String>,

    /// How often to look
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = positive_duration)]
    interval: Duration,

    /// What comes first; times and sizes in descending order
    #[arg(long, value_enum, default_value = "push-time")]
    sort: Sort,

    /// Look twice, an interval apart, print that, and stop: needs no terminal
    #[arg(long)]
    once: bool,

    #[command(flatten)]
    gateway: GatewayFlags,
}

/// Runs `wharf top`.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    super::command::carry_out("top", arguments, execute)
}

fn execute(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let remote = Remote {
        client: arguments.gateway.client()?,
    };
    let view = View::new(remote::selectors(&arguments.selectors)?, arguments.sort);
    let mut screen = Screen::new(remote.client.address().to_string(), view, output::has_colours());
    if arguments.once {
        screen.show(screen.view.look(&remote)?);
        std::thread::sleep(arguments.interval);
        screen.show(screen.view.look(&remote)?);
        let mut out = io::stdout().lock();
        for line in screen.whole(output::now()) {
            writeln!(out, "{line}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        bail!(
            "expected a terminal, found none\nhint: --once prints what there is and stops; `wharf ls` lists groups"
        );
    }
    if let Some(signal) = watch(remote, screen, arguments.interval)? {
        // Whoever waits for this process is to see what ended it.
        emulate_default_handler(signal)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How old a picture may become.
const REDRAW: Duration = Duration::from_secs(1);

/// Shows the gateway until a key or a signal puts an end to it, and says which signal.
fn watch(remote: Remote, mut screen: Screen, interval: Duration) -> anyhow::Result<Option<Signal>> {
    let events = Events::listen()?;
    let ask = events.look_at(remote);
    let _restored = Terminal::take()?;
    events.read_keys();
    // One look at a time, and the next an interval after the last began.
    let (mut under_way, mut next) = (false, Instant::now());
    loop {
        if !under_way && Instant::now() >= next {
            ask.send(screen.view.clone())?;
            (under_way, next) = (true, Instant::now() + interval);
        }
        let (width, height) = terminal::size()?;
        let now = output::now();
        screen.draw(&mut io::stdout().lock(), width.into(), height.into(), now)?;
        // What has not changed is drawn anew once in a while, for the times.
        let redraw = Instant::now() + REDRAW;
        let wake = if under_way { redraw } else { redraw.min(next) };
        match events.next(wake) {
            Some(Event::End(signal)) => return Ok(Some(signal)),
            Some(Event::Terminal(Input::Key(key))) if key.kind != KeyEventKind::Release => {
                match pressed(&mut screen.view, key) {
                    Pressed::Quit => return Ok(None),
                    Pressed::Ask => next = Instant::now(),
                    Pressed::Nothing => {}
                }
            }
            Some(Event::Looked(answer)) => {
                under_way = false;
                match *answer {
                    Ok(look) => screen.show(look),
                    Err(error) => screen.fail(&error),
                }
            }
            Some(Event::Terminal(_)) | None => {}
        }
    }
}

/// What a key asks for beyond another picture.
#[derive(Debug, PartialEq, Eq)]
enum Pressed {
    Nothing,
    /// The gateway has to be asked anew.
    Ask,
    Quit,
}

fn pressed(view: &mut View, key: KeyEvent) -> Pressed {
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return Pressed::Quit;
    }
    if view.typing {
        match key.code {
            KeyCode::Enter => view.typing = false,
            KeyCode::Esc => {
                view.typing = false;
                view.filter.clear();
            }
            KeyCode::Backspace => {
                view.filter.pop();
            }
            KeyCode::Char(c) if view.filter.len() < 100 => view.filter.push(c),
            _ => return Pressed::Nothing,
        }
        return Pressed::Ask;
    }
    match key.code {
        KeyCode::Char('q') | KeyCode::Esc => return Pressed::Quit,
        KeyCode::Char('/') => view.typing = true,
        KeyCode::Char('>') => view.sort_by(1),
        KeyCode::Char('<') => view.sort_by(-1),
        KeyCode::Char('r') => view.descending = !view.descending,
        KeyCode::Char('x') => view.failed_only = !view.failed_only,
        KeyCode::Char(' ') => {}
        code => {
            match code {
                KeyCode::Down => view.scroll(1),
                KeyCode::Up => view.scroll(-1),
                KeyCode::PageDown => view.scroll(20),
                KeyCode::PageUp => view.scroll(-20),
                KeyCode::Home => view.scroll(isize::MIN),
                _ => {}
            }
            return Pressed::Nothing;
        }
    }
    Pressed::Ask
}

/// The terminal while it is ours; as it was when this is dropped.
struct Terminal;

impl Terminal {
    fn take() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        let taken = Self;
        execute!(io::stdout(), EnterAlternateScreen, DisableLineWrap, cursor::Hide)?;
        Ok(taken)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If the terminal has gone, there is nothing to give back.
        let _screen = execute!(io::stdout(), cursor::Show, EnableLineWrap, LeaveAlternateScreen);
        let _mode = terminal::disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(view: &mut View, keys: &str) -> Vec<Pressed> {
        let key = |c| match c {
            '\n' => KeyCode::Enter,
            '\u{1b}' => KeyCode::Esc,
            '\u{8}' => KeyCode::Backspace,
            c => KeyCode::Char(c),
        };
        keys.chars()
            .map(|c| pressed(view, KeyEvent::new(key(c), KeyModifiers::NONE)))
            .collect()
    }

    #[test]
    fn what_is_typed_behind_a_slash_is_a_filter() {
        let mut view = View::new(Vec::new(), Sort::PushTime);
        press(&mut view, "/qx\u{8}1\n");
        assert_eq!((view.filter.as_str(), view.typing), ("q1", false));
        press(&mut view, "/2\u{1b}");
        assert_eq!((view.filter.as_str(), view.typing), ("", false));
    }

    #[test]
    fn q_escape_and_control_c_quit() {
        let mut view = View::new(Vec::new(), Sort::PushTime);
        assert_eq!(press(&mut view, "q"), [Pressed::Quit]);
        assert_eq!(press(&mut view, "\u{1b}"), [Pressed::Quit]);
        press(&mut view, "/");
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(pressed(&mut view, control_c), Pressed::Quit);
    }

    #[test]
    fn columns_are_chosen_in_a_circle() {
        let mut view = View::new(Vec::new(), Sort::Job);
        press(&mut view, "<");
        assert_eq!((view.sort, view.descending), (Sort::ExpiresAt, false));
        press(&mut view, ">>");
        assert_eq!((view.sort, view.descending), (Sort::PushTime, true));
        press(&mut view, "rx");
        assert!(!view.descending && view.failed_only);
    }
}
