//! What `wharf top` waits for: keys, answers of the gateway, and the wish that it ends.
//!
//! Each has a thread of its own, so that none keeps another waiting. Above all nothing keeps the end waiting: the
//! library that reads keys does not return once its terminal has gone, and writing waits for a terminal that takes
//! nothing.

use std::io;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::look::Look;
use super::screen::View;
use crate::tools::remote::Remote;

/// How long the terminal is given back before this process ends without that.
const GRACE: Duration = Duration::from_secs(1);

/// Something to do.
#[derive(Debug)]
pub(super) enum Event {
    /// From the terminal: a key, or another size.
    Terminal(event::Event),
    /// What the gateway said.
    Looked(Box<anyhow::Result<Look>>),
    /// End as this signal asks: it has come, or the terminal has gone.
    End(Signal),
}

/// The number of a signal.
pub(super) type Signal = i32;

/// What happens, in its order.
#[derive(Debug)]
pub(super) struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// From now on signals that would end this process are told here.
    ///
    /// # Errors
    /// If the system does not let signals be handled.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])?;
        let to = sender.clone();
        thread::spawn(move || signals.forever().for_each(|signal| end(&to, signal)));
        let to = sender.clone();
        thread::spawn(move || {
            wait_for_hangup();
            end(&to, SIGHUP);
        });
        Ok(Self { sender, receiver })
    }

    /// Reads keys from now on. The terminal must be in raw mode.
    pub(super) fn read_keys(&self) {
        let sender = self.sender.clone();
        thread::spawn(move || {
            while let Ok(event) = event::read() {
                if sender.send(Event::Terminal(event)).is_err() {
                    return;
                }
            }
            // Nothing can be typed any more.
            end(&sender, SIGHUP);
        });
    }

    /// Looks at the gateway whenever it is told what to look for.
    pub(super) fn look_at(&self, remote: Remote) -> Sender<View> {
        let (ask, asked) = mpsc::channel::<View>();
        let sender = self.sender.clone();
        thread::spawn(move || {
            while let Ok(view) = asked.recv() {
                if sender.send(Event::Looked(Box::new(view.look(&remote)))).is_err() {
                    return;
                }
            }
        });
        ask
    }

    /// The next event, unless there is none until then.
    pub(super) fn next(&self, until: Instant) -> Option<Event> {
        let left = until.saturating_duration_since(Instant::now());
        // It cannot be disconnected: this side holds a sender.
        self.receiver.recv_timeout(left).ok()
    }
}

/// Asks for the end, and brings it about if nobody comes to it: a terminal that takes nothing is not waited for.
fn end(sender: &Sender<Event>, signal: Signal) {
    // Nobody listens any more if the end has begun.
    let _unheard = sender.send(Event::End(signal));
    thread::sleep(GRACE);
    // It fails only for signals that there are not.
    let _ended = emulate_default_handler(signal);
}

/// Returns when the terminal of standard input has gone.
fn wait_for_hangup() {
    let stdin = io::stdin();
    loop {
        // Hanging up is told without having been asked for.
        let mut waited_for = [PollFd::new(&stdin, PollFlags::empty())];
        match poll(&mut waited_for, None) {
            Err(rustix::io::Errno::INTR) | Ok(0) => {}
            _ => return,
        }
    }
}
