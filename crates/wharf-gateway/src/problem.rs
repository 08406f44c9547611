//! Something that is wrong with the gateway itself, in a sentence.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// What is pushed is lost.
    Critical,
    /// Somebody should look after it.
    Warning,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A short name, which stays the same.
    pub name: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// A sentence that anybody may read who may read some groups.
    pub summary: String,
    /// Why it is so. It may name files, so it is for administrators.
    pub detail: Option<String>,
}
