//! What is wrong with the gateway itself, in sentences: for everybody who looks at it, whatever they look at.
//!
//! The page shows them above each of its views, and tools beside what they list. A new problem belongs here, and nowhere
//! else; there is at most one of each name.

use wharf_store::SharedStatus;

use crate::gateway::Gateway;
use crate::problem::{Problem, Severity};
use crate::telemetry;

impl Gateway {
    /// What is wrong now, the worst first.
    pub fn problems(&self) -> Vec<Problem> {
        // It is put together for whoever asks, so it is asked for once.
        let replica = self.store.shared_status();
        let replica = replica.as_ref();
        let all = [
            storage(self),
            memory(self),
            replica.and_then(rules_differ),
            replica.and_then(twin),
            held_back(self),
            hidden(self),
            config(self),
            statsd(self),
            settings_files(self),
            alerting(self),
            future(self),
            history(self),
        ];
        all.into_iter().flatten().collect()
    }
}

fn storage(gateway: &Gateway) -> Option<Problem> {
    let reason = gateway.store.failure()?;
    Some(Problem {
        name: "storage",
        severity: Severity::Critical,
        summary: "Pushes cannot be stored.".to_owned(),
        detail: Some(reason),
    })
}

/// In memory only although nobody has asked for that.
fn memory(gateway: &Gateway) -> Option<Problem> {
    let why = gateway.not_durable()?;
    Some(Problem {
        name: "memory",
        severity: Severity::Critical,
        summary: "All groups are in memory only, and gone after a restart.".to_owned(),
        detail: Some(why.cause()),
    })
}

fn rules_differ(replica: &SharedStatus) -> Option<Problem> {
    let differs = replica.differs.as_ref()?;
    Some(Problem {
        name: "replica_config",
        severity: Severity::Warning,
        summary: "Settings of this replica are not those of the replica that started or reloaded last."
            .to_owned(),
        detail: Some(format!(
            "For {} seconds: {}",
            differs.since.as_secs(),
            differs.settings.join(", ")
        )),
    })
}

fn twin(replica: &SharedStatus) -> Option<Problem> {
    replica.has_twin.then(|| Problem {
        name: "replica_name",
        severity: Severity::Warning,
        summary: "Another gateway has the name of this replica.".to_owned(),
        detail: Some("Give each replica a name of its own with --replica.name.".to_owned()),
    })
}

/// Most families that are named.
const NAMED: usize = 5;

fn held_back(gateway: &Gateway) -> Option<Problem> {
    let held = gateway.store.held_back();
    let named = held.iter().take(NAMED);
    let mut named: Vec<String> = named
        .map(|held| format!("{} of {}", held.family, held.key))
        .collect();
    if held.len() > NAMED {
        named.push("...".to_owned());
    }
    (!held.is_empty()).then(|| Problem {
        name: "held_back",
        severity: Severity::Warning,
        summary: "Some pushed families are not shown: replicas took what contradicts in the same moment."
            .to_owned(),
        detail: Some(format!(
            "{} are stored, and shown once what they contradict is deleted or pushed anew: {}",
            held.len(),
            named.join(", ")
        )),
    })
}

/// What was pushed before the names of what is shown of groups were reserved.
fn hidden(gateway: &Gateway) -> Option<Problem> {
    let gauges = gateway.expectations.gauges()?;
    gauges.hides.then(|| Problem {
        name: "expect_names",
        severity: Severity::Warning,
        summary: "Some pushed families are not shown: their names are those of the metrics of missed jobs."
            .to_owned(),
        detail: Some(format!(
            "Groups have pushed {} before the configuration file had `expect`. They are stored, and not in scrapes; \
             push these groups anew without them.",
            telemetry::OF_GROUPS.join(" or ")
        )),
    })
}

fn config(gateway: &Gateway) -> Option<Problem> {
    let error = gateway.reading()?.last_reload?.error?;
    Some(Problem {
        name: "config",
        severity: Severity::Warning,
        summary:
            "The configuration file was not used when it was read last; the rules of before are in force."
                .to_owned(),
        detail: Some(error),
    })
}

fn statsd(gateway: &Gateway) -> Option<Problem> {
    let failure = gateway.settings.statsd.as_ref()?.reload_failure()?;
    Some(Problem {
        name: "statsd",
        severity: Severity::Warning,
        summary:
            "The mapping rules for StatsD were not used when they were read last; the rules of before are in force."
                .to_owned(),
        detail: Some(failure),
    })
}

/// Receivers of alerts that have taken nothing for so often in a row are not just being started anew: that takes a quarter of a minute.
const FAILURES: u64 = 5;

fn alerting(gateway: &Gateway) -> Option<Problem> {
    let report = gateway.alerting_report()?;
    let failing = report.alertmanagers.iter().chain(&report.webhooks);
    let failing = failing.filter(|receiver| receiver.failures >= FAILURES);
    let failing: Vec<String> = failing
        .map(|receiver| {
            let error = receiver.last_error.as_ref();
            format!(
                "{}: {}",
                receiver.name,
                error.map_or("", |error| error.text.as_str())
            )
        })
        .collect();
    (!failing.is_empty()).then(|| Problem {
        name: "alerting",
        severity: Severity::Warning,
        summary: "Some of those who are to be told which groups are overdue cannot be reached.".to_owned(),
        detail: Some(failing.join("\n")),
    })
}

fn settings_files(gateway: &Gateway) -> Option<Problem> {
    let conditions = gateway.settings_files.iter().map(|file| file.condition());
    let problems: Vec<String> = conditions.flat_map(|condition| condition.problems).collect();
    (!problems.is_empty()).then(|| Problem {
        name: "web_config",
        severity: Severity::Warning,
        summary: "Something of the web config file, or of the files that it names, cannot be used."
            .to_owned(),
        detail: Some(problems.join("\n")),
    })
}

fn future(gateway: &Gateway) -> Option<Problem> {
    let groups = gateway.ahead.groups();
    let are = if groups == 1 { "group is" } else { "groups are" };
    (groups > 0).then(|| Problem {
        name: "future",
        severity: Severity::Warning,
        // Who may not see all groups gets no numbers of all groups.
        summary: "There are groups with a push time in the future.".to_owned(),
        detail: Some(format!(
            "{groups} {are} affected. The clock of this machine was ahead, or was set back. \
             Their time to live counts from when that was noticed; the next push of a group corrects its time."
        )),
    })
}

fn history(gateway: &Gateway) -> Option<Problem> {
    let failure = gateway.activity.disk().history_failure.clone()?;
    Some(Problem {
        name: "history",
        severity: Severity::Warning,
        summary: "The history of pushes is in memory only.".to_owned(),
        detail: Some(failure),
    })
}
