//! What is accepted as a push.

use std::time::Duration;

use wharf_model::name::NameRule;
use wharf_settings::{Kind, Takes, ValueError, kinds, settings};
use wharf_store::InstanceLabel;

const UTF8_NAMES: Kind<NameRule> = Kind::new(
    Takes::Nothing,
    |value| {
        let mut is_on = false;
        kinds::SWITCH.set(&mut is_on, value)?;
        Ok(if is_on { NameRule::Utf8 } else { NameRule::Legacy })
    },
    |names| (*names == NameRule::Utf8).to_string(),
);

const SUCCESS_STATUS: Kind<u16> = Kind::new(
    Takes::OneOf(&["200", "202"]),
    |value| match value {
        "200" => Ok(200),
        "202" => Ok(202),
        _ => Err(ValueError::new(format!("expected 200 or 202, found `{value}`"))),
    },
    u16::to_string,
);

const STRIPPED_TIMESTAMPS: Kind<bool> = Kind::new(
    Takes::OneOf(&["refuse", "strip"]),
    |value| match value {
        "refuse" => Ok(false),
        "strip" => Ok(true),
        _ => Err(ValueError::new(format!(
            "expected refuse or strip, found `{value}`"
        ))),
    },
    |strips| if *strips { "strip" } else { "refuse" }.to_owned(),
);

const INSTANCE: Kind<InstanceLabel> = Kind::new(
    Takes::Value("empty, omit, or the value of the label"),
    |value| {
        Ok(match value {
            "empty" | "" => InstanceLabel::Empty,
            "omit" => InstanceLabel::Omit,
            value => InstanceLabel::Value(value.into()),
        })
    },
    |label| match label {
        InstanceLabel::Empty => "empty".to_owned(),
        InstanceLabel::Omit => "omit".to_owned(),
        InstanceLabel::Value(value) => value.to_string(),
    },
);

settings! {
    /// What is accepted as a push.
    pub struct Push {
        /// Whether pushes are answered 202 even if they are inconsistent (and then dropped).
        pub unchecked: bool = false,
            "push.disable-consistency-check" as kinds::SWITCH,
            "Answer every push that can be read with 202. One that does not fit to what is stored is dropped all \
             the same, and only the log and the group's failure time say so.";
        /// Which metric and label names are allowed.
        pub names: NameRule = NameRule::Legacy,
            "push.enable-utf8-names" as UTF8_NAMES,
            "Allow any UTF-8 text as a metric or label name.";
        /// Whether the text format is read to the letter: no CRLF, no trailing blanks, no missing last newline.
        pub strict_text: bool = false,
            "push.strict-text" as kinds::SWITCH,
            "Refuse text with CRLF, with blanks at the end of a line, or without a last newline, as the original \
             does.";
        /// How an accepted push is answered: 200, or 202 for clients that know no other.
        pub success_status: u16 = 200,
            "push.success-status" as SUCCESS_STATUS,
            "Status of an accepted push. Very old clients expect 202.";
        /// The largest body, after decompression. A compressed body is bounded by it too.
        pub max_body_bytes: usize = 64 << 20,
            "push.max-body-bytes" as kinds::SIZE,
            "Largest body of a push, before and after decompression; a larger one is refused with 413.";
        /// For how long a group stays after its last push if neither the push nor a rule says so; none: for ever.
        pub default_ttl: Option<Duration> = None,
            "push.default-ttl" as kinds::TIME_TO_LIVE,
            "For how long a group stays after its last push, if neither the push nor a rule says so; 0 for ever.";
        /// The longest time to live that a push may ask for; none: any, and for ever.
        pub max_ttl: Option<Duration> = None,
            "push.max-ttl" as kinds::TIME_TO_LIVE,
            "Longest time to live that a push may ask for; 0 for any.";
        /// Whether timestamps are left out of pushes, instead of the push being refused.
        pub strip_timestamps: bool = false,
            "push.timestamps" as STRIPPED_TIMESTAMPS,
            "Whether a push with timestamps is refused, as the original does, or stored without them.";
        /// What series without an `instance` label get.
        pub instance_label: InstanceLabel = InstanceLabel::Empty,
            "push.instance-label" as INSTANCE,
            "What a series without an instance gets: an empty label as the original gives it, none (omit), or \
             this value. Counts from each group's next push on.";
    }
}
