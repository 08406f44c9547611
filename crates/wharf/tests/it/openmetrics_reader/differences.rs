//! Where Python's reader and ours differ, and why ours is right.

use wharf_exposition::openmetrics::{DecodeError, ErrorKind};

/// What becomes of a text that two readers read.
pub(crate) enum Verdict {
    BothAccept,
    BothRefuse,
    /// They differ, for this reason.
    Known(&'static str),
    Unknown,
}

/// Compares two answers to a text.
pub(crate) fn judge(text: &str, ours: Result<(), &DecodeError>, theirs: &Result<(), String>) -> Verdict {
    let reason = match (ours, theirs) {
        (Ok(()), Ok(())) => return Verdict::BothAccept,
        (Err(_), Err(_)) => return Verdict::BothRefuse,
        (Ok(()), Err(refusal)) => why_accepted(text, refusal),
        (Err(error), Ok(())) => why_refused(text, error),
    };
    reason.map_or(Verdict::Unknown, Verdict::Known)
}

/// Why ours accepts what theirs refuses.
fn why_accepted(text: &str, refusal: &str) -> Option<&'static str> {
    let has = |part: &str| refusal.contains(part);
    let has_two_points = || {
        let times = ["1520879607", "1520879608"];
        times.iter().all(|time| text.contains(&format!(" {time}")))
    };
    let is_of_histogram = has("bucket missing") || has("must be present") || has("does not match");
    Some(match () {
        () if has("Missing # EOF") => {
            "Go's client leaves `# EOF` out of its pushes; nothing else is missing then"
        }
        () if has("Clashing name") || has("Received metadata after samples") => {
            "Go's client has a gauge `m` beside a counter `m`, whose samples are `m` and `m_total`"
        }
        () if has("_sum/_gsum must be present if _count") && text.contains("le=\"-1.0\"") => {
            "Python's own client writes the count of a histogram with buckets below zero, and no sum"
        }
        () if is_of_histogram && has_two_points() => {
            "it loses all samples but the first of a metric's second point"
        }
        () if has("Mix of timestamp presence") && text.contains("_info") => {
            "to it all metrics of an info family are one, but each has its own timestamps"
        }
        () if has("Timestamps went backwards") && text.contains("_info") => {
            "to it all metrics of an info family are one, but each has its own timestamps"
        }
        () if has("AttributeError: 'float' object has no attribute 'sec'") => {
            "timestamps may be written in several ways, and it cannot compare all of them"
        }
        () => return None,
    })
}

/// Why ours refuses what theirs accepts.
fn why_refused(text: &str, error: &DecodeError) -> Option<&'static str> {
    let line = text.split('\n').nth(error.line() - 1).unwrap_or_default();
    let rest: String = line.chars().skip(error.column() - 1).collect();
    Some(match error.kind() {
        ErrorKind::SecondSample { .. } | ErrorKind::SecondMetric { .. } => {
            "several points of a metric need timestamps, the same labels in another order are the same metric, and it \
             does not look at that"
        }
        ErrorKind::EarlierTimestamp if text.contains("_info") => {
            "to it all metrics of an info family are one, whose timestamps may go back"
        }
        ErrorKind::Comment(_) => "it takes any word for `#`, and any number of blanks behind it",
        ErrorKind::ExemplarAboveBound => "an exemplar must lie within its bucket, and it does not look",
        ErrorKind::CreatedWithoutValue => "a counter must have a total, and it does not look",
        ErrorKind::StrayLabel { .. } => {
            "a metric must not have labels `le` and `quantile` of its own; it does not look"
        }
        ErrorKind::MissingLabel { .. } => {
            "a state without a name is none: an empty label is as good as no label"
        }
        ErrorKind::CarriageReturn => "lines must not end with a carriage return, and it takes it for help",
        ErrorKind::MissingLineFeed | ErrorKind::BehindEof => "what follows `# EOF` has to be nothing at all",
        ErrorKind::InvalidValue { found, .. } if is_odd_number(found) => {
            "numbers are ASCII digits without blanks or underscores, NaN has no sign, and all fit into 64 bits"
        }
        ErrorKind::InvalidValue { expected, .. } if expected.starts_with("a time") => {
            "a time of creation is a time, which neither NaN nor infinity is"
        }
        ErrorKind::InvalidValue { expected, found }
            if expected.contains("`le`") && found.eq_ignore_ascii_case("nan") =>
        {
            "a bound is not NaN, and it knows one way to write that"
        }
        ErrorKind::BucketOrder if line.contains(" 1520879608") => {
            "it loses all samples but the first of a metric's second point"
        }
        ErrorKind::InvalidValue { expected, .. } if expected.starts_with("a whole number") => {
            "counts of summaries have 64 bits"
        }
        ErrorKind::Unexpected { expected, .. } => match *expected {
            "a value"
            | "an exemplar's value"
            | "a timestamp in seconds or an exemplar"
            | "an exemplar's timestamp in seconds"
                if is_odd_number(rest.split(' ').next().unwrap_or_default()) =>
            {
                "numbers are ASCII digits without blanks or underscores, NaN has no sign, and all fit into 64 bits"
            }
            "a timestamp in seconds or an exemplar" if rest.contains('"') || rest.starts_with(' ') => {
                "behind the value it skips quotation marks, and a second blank"
            }
            "a blank and a value" | "a blank and an exemplar's value" => {
                "one blank stands behind labels; it skips one character, whatever it is"
            }
            "a label name" | "an equals sign" | "a label value in quotes" | "a comma or a closing brace" => {
                "no blanks stand within braces, and it strips them"
            }
            "a metric name" | "a value"
                if line
                    .split('{')
                    .next()
                    .is_some_and(|name| name.contains([' ', '\t'])) =>
            {
                "a name before a brace has no blanks, and it does not look"
            }
            "a metric name" if line.starts_with("# ") => "one blank stands before a name, and it skips more",
            "a blank and a metric type"
            | "a blank and the help, which may be empty"
            | "a blank and the unit, which may be empty" => {
                "one blank stands behind a name, and it takes other characters for one"
            }
            "the end of the line" => "nothing stands behind an exemplar, and it does not look",
            _ => return None,
        },
        ErrorKind::UnknownType(_) | ErrorKind::UnitOfOtherName { .. } if rest.starts_with(' ') => {
            "one blank stands behind a name, and it skips more"
        }
        _ => return None,
    })
}

/// Whether Python reads a number that the standard's grammar does not have, or that a double does not hold.
fn is_odd_number(text: &str) -> bool {
    let unsigned = text.trim_start_matches(['+', '-']);
    !text.is_ascii()
        || text.contains(['_', ' ', '\t'])
        || (unsigned.len() < text.len() && unsigned.eq_ignore_ascii_case("nan"))
        || unsigned.parse::<f64>().is_ok_and(f64::is_infinite)
}
