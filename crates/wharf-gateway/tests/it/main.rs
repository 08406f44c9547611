//! Use cases in process, with a clock that the test sets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod audit;
mod backlog;
mod conformance;
mod deleting;
mod expectations;
mod inputs;
mod outcomes;
mod quick;
mod scrapes;
mod support;
mod work;
