//! What a gateway does, whatever a push or a question comes in by: HTTP today, other protocols beside it. Nothing here knows a
//! status code, a header or a socket.

mod access;
mod activity;
mod advice;
mod ahead;
mod alerting;
mod audit;
mod body;
mod client;
mod conflict;
mod expectations;
mod gateway;
mod lifespan;
mod limits;
mod lock;
mod memory;
mod not_durable;
mod parts;
mod peer;
mod places;
mod policy;
mod problem;
mod push_cost;
mod push_id;
mod queue;
mod rate;
mod refusal;
mod request_id;
mod settings;
mod settings_file;
mod shared_rules;
mod shutdown;
mod source;
mod statsd;
pub mod telemetry;
mod time_text;
mod traces;
mod turns;
mod wish;
mod work;

pub use access::caller::Caller;
pub use access::claim::{Claim, Claims, Credentials};
pub use access::hash::{HashError, PasswordHash};
pub use access::randomness::NoRandomness;
pub use access::right::{Need, Right, Role, Scope};
pub use access::rules::{AccessRules, are_in_force, identify};
pub use access::token::{TokenError, TokenHash, random_token};
pub use access::users::Users;
pub use activity::changes::{Change, Changes, Follower, Notice};
pub use activity::hour::{Level, SPAN, Span, Sums};
pub use activity::refused::RefusedPush;
pub use activity::scrapers::Scraper;
pub use activity::{Activity, Content, Disk, Pushed};
pub use ahead::is_ahead;
pub use alerting::{
    Alert, AlertDispatcher, AlertError, AlertGroup, AlertMessage, AlertReceiver, AlertSender, AlertingReport,
    AlertingRules, GroupBy, LastError, ReceiverStatus, Webhook,
};
pub use audit::{Action, ActionKind, Actor, Audit, AuditEntry, AuditError, AuditFilter};
pub use body::Body;
pub use client::{Client, Remote};
pub use conflict::of_push;
pub use expectations::{
    ExpectRule, ExpectRules, Expected, Origin as ExpectationOrigin, Past as ExpectationPast, Said,
    State as ExpectationState,
};
pub use gateway::Gateway;
pub use gateway::admit::{Admission, ManyAdmission};
pub use gateway::delete::{Deleted, Removed, Selection};
pub use gateway::expect::{Expectation, ExpectationListing};
pub use gateway::import::Imported;
pub use gateway::many::{Grouping, ManyOutcome, PendingMany};
pub use gateway::push::{Pending, Settled};
pub use gateway::replicas::Replicas;
pub use gateway::undo::{Removals, RemovedGroups, UndoneRemoval, why_lost};
pub use lifespan::Lifespan;
pub use limits::PushLimits;
pub use memory::{Held, Memory, MemoryLimits};
pub use not_durable::NotDurable;
pub use parts::{Life, Outcome, Part, PartError, Parts, Readiness, Started};
pub use peer::Peer;
pub use places::{Full, Permit, Places};
pub use policy::{
    Active, AggregationRule, ExpiryRule, Loader, Policies, Policy, QuotaGauge, QuotaRule, Reading, Reload,
    ReloadError, TooFast,
};
pub use problem::{Problem, Severity};
pub use push_id::AskedId;
pub use queue::{Queue, Turn, turns_of_this_machine};
pub use rate::Rate;
pub use refusal::{Again, Proofs, Reason, Refusal};
pub use request_id::{RequestId, RequestIds, random_number};
pub use settings::{AdminApi, AmountLimits, ExpectSettings, PushSettings, ReplicaLimits, Settings};
pub use settings_file::{Condition, SettingsFile};
pub use shared_rules::shared_rules;
pub use shutdown::Shutdown;
pub use source::{Input, Source};
pub use statsd::{ByLabel, Statsd, StatsdCounts, StatsdRelayed};
pub use telemetry::BackupTimes;
pub use time_text::rfc3339;
pub use traces::{
    Attribute, Ended, ExportError, Exported, FinishedTrace, Parent, SpanId, Step, StepSpan, Trace,
    TraceCounts, TraceExporter, TraceId, TraceSender, Traced, Tracing,
};
pub use wish::{Adding, Wish};
pub use work::{Gone, MAX_EXPRESSION_BYTES, MAX_PUSH_STEPS, MAX_STEPS, MAX_TIME, Waiting, Work};
