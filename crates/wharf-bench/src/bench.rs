//! What all questions share: the settings of a run, and rounds in which the subjects take turns.

use std::time::Duration;

use anyhow::Result;

use crate::bodies::{Body, Format};
use crate::load::{Groups, Length, Load, Outcome};
use crate::record::{Figures, Record};
use crate::subject::{Kind, Programs, Subject};
use crate::table;

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Bench {
    /// What is measured.
    pub programs: Programs,
    /// How often each measurement is repeated.
    pub rounds: usize,
    /// For how long one measurement goes on.
    pub window: Duration,
    /// Large numbers of groups and pushes are divided by this, to have a quick look.
    pub divisor: u32,
    /// Only subjects with this in their name take part, in any case of letters.
    pub only: Option<String>,
    /// An executable built with the profile for releases, to see its size.
    pub distributed: Option<std::path::PathBuf>,
}

/// A subject that may have failed on the way.
#[derive(Debug)]
pub struct Lane {
    /// How the report calls it.
    pub name: &'static str,
    /// `None` after a failure, which is in the record, and if it does not take part.
    pub subject: Option<Subject>,
}

impl Bench {
    /// The warm-up and the window of each load.
    pub fn length(&self) -> Length {
        self.length_of(self.window)
    }

    /// The same for a window of another length.
    pub fn length_of(&self, window: Duration) -> Length {
        Length::Time {
            warm_up: window / 5,
            window,
        }
    }

    /// A large number, or less of it for a quick look.
    pub fn scaled(&self, number: u32) -> u32 {
        (number / self.divisor).max(64.min(number))
    }

    /// Starts a subject and prepares it.
    pub fn lane(
        &self,
        record: &mut Record,
        kind: Kind,
        prepare: impl FnOnce(&mut Subject) -> Result<()>,
    ) -> Lane {
        self.lane_of(record, kind, || {
            let mut subject = Subject::start(&self.programs, kind)?;
            prepare(&mut subject)?;
            Ok(subject)
        })
    }

    /// A subject that is started in another way.
    pub fn lane_of(&self, record: &mut Record, kind: Kind, start: impl FnOnce() -> Result<Subject>) -> Lane {
        if !self.takes_part(kind) {
            return Lane {
                name: kind.name(),
                subject: None,
            };
        }
        table::progress(&format!("  starting {}", kind.name()));
        let subject = match start() {
            Ok(subject) => Some(subject),
            Err(error) => {
                note_failure(record, "", kind.name(), &error);
                None
            }
        };
        Lane {
            name: kind.name(),
            subject,
        }
    }

    fn takes_part(&self, kind: Kind) -> bool {
        let name = kind.name().to_lowercase();
        self.only
            .as_ref()
            .is_none_or(|only| name.contains(&only.to_lowercase()))
    }

    /// Subjects of these kinds, each with `groups` groups of `body` in it.
    pub fn filled(&self, record: &mut Record, kinds: &[Kind], body: &Body, groups: u32) -> Vec<Lane> {
        let lane = |&kind: &Kind| match kind {
            Kind::Real => self.lane_of(record, kind, || {
                Subject::start_real_filled(&self.programs, body, groups)
            }),
            _ => self.lane(record, kind, |subject| subject.fill(body, groups).map(drop)),
        };
        kinds.iter().map(lane).collect()
    }

    /// Replaces a subject's groups in turn for as long as a round takes, each push a `PUT` in the text format, and
    /// checks what it holds then.
    ///
    /// # Errors
    /// If the subject refuses a push, or does not hold what was pushed last.
    pub fn push(&self, subject: &mut Subject, body: &Body, groups: u32, connections: u32) -> Result<Figures> {
        subject.server.settle()?;
        let outcome = subject.load(&Load::new(
            &subject.kind.request(body, Format::Text),
            Groups::all(groups),
            connections,
            self.length(),
        ))?;
        subject.check(body)?;
        Ok(push_figures(&outcome))
    }

    /// Measures each subject in turn, `rounds` times over. One that fails is left out from then on.
    pub fn rounds(
        &self,
        record: &mut Record,
        case: &str,
        lanes: &mut [Lane],
        mut measure: impl FnMut(&mut Subject) -> Result<Figures>,
    ) {
        for round in 0..self.rounds {
            for lane in &mut *lanes {
                self.once(record, case, round, lane, &mut measure);
            }
        }
    }

    /// Measures one subject once.
    pub fn once(
        &self,
        record: &mut Record,
        case: &str,
        round: usize,
        lane: &mut Lane,
        mut measure: impl FnMut(&mut Subject) -> Result<Figures>,
    ) {
        let Some(subject) = &mut lane.subject else { return };
        match measure(subject) {
            Ok(figures) => {
                table::progress(&table::progress_line(
                    case,
                    lane.name,
                    round,
                    self.rounds,
                    &figures,
                ));
                record.add(case, lane.name, round, figures);
            }
            Err(error) => {
                note_failure(record, case, lane.name, &error);
                lane.subject = None;
            }
        }
    }
}

fn note_failure(record: &mut Record, case: &str, subject: &str, error: &anyhow::Error) {
    table::progress(&format!("  {case} {subject}: FAILED: {error:#}"));
    record.fail(case, subject, error);
}

/// Names of figures.
pub mod figure {
    /// Acknowledged pushes a second.
    pub const RATE: &str = "pushes/s";
    /// CPU time of the server for one push.
    pub const CPU: &str = "server CPU/push, µs";
    /// CPU time of the load generator for one push.
    pub const OWN_CPU: &str = "generator CPU/push, µs";
    /// Latency of half of the pushes.
    pub const P50: &str = "p50, ms";
    /// Latency of all but one in a hundred.
    pub const P99: &str = "p99, ms";
    /// Latency of all but one in a thousand.
    pub const P999: &str = "p99.9, ms";
}

/// The figures of a load of pushes.
pub fn push_figures(outcome: &Outcome) -> Figures {
    vec![
        (figure::RATE, outcome.rate()),
        (figure::CPU, outcome.server_micros()),
        (figure::OWN_CPU, outcome.own_micros()),
        (figure::P50, outcome.millis_at(50.0)),
        (figure::P99, outcome.millis_at(99.0)),
        (figure::P999, outcome.millis_at(99.9)),
    ]
}
