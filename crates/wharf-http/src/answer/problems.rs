//! What is wrong with the gateway, as JSON.

use wharf_gateway::{Problem, Severity};

use crate::answer::json::Members;

/// Longer details are cut.
const MAX_DETAIL_CHARS: usize = 500;

/// Writes them as a list.
pub(crate) fn write(out: &mut Vec<u8>, problems: &[Problem], is_admin: bool) {
    let mut list = Members::array(out);
    for problem in problems {
        let mut object = Members::object(list.next());
        object.string("name", problem.name);
        object.string(
            "severity",
            match problem.severity {
                Severity::Critical => "critical",
                Severity::Warning => "warning",
            },
        );
        object.string("summary", &problem.summary);
        let detail = problem.detail.as_deref().filter(|_| is_admin);
        let detail = detail.map(|detail| detail.chars().take(MAX_DETAIL_CHARS).collect::<String>());
        object.text("detail", detail.as_deref());
        object.end();
    }
    list.end();
}
