//! The web page: static files over the public JSON API, and their table. Nothing else.
//!
//! One script per view below `static/views`, and one per thing that views share beside them. There is no build step:
//! what a browser loads is what stands in the folder.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;

/// A static file.
#[derive(Debug, Clone, Copy)]
pub struct StaticFile {
    /// Path below the route prefix.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

impl StaticFile {
    /// What changes when the file does, as an `ETag` has it. Good for one build of the program.
    pub fn tag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.bytes);
        format!("\"{:016x}\"", hasher.finish())
    }
}

/// What the page may load and do: nothing but what comes from the gateway itself, no script or style of its own text,
/// no other page around it.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

macro_rules! file {
    ($name:literal, $content_type:literal) => {
        StaticFile {
            path: concat!("/static/", $name),
            content_type: $content_type,
            bytes: include_bytes!(concat!("../static/", $name)),
        }
    };
}

macro_rules! script {
    ($name:literal) => {
        file!($name, "application/javascript")
    };
}

/// The files that the page links to, and those that load each other.
pub const FILES: &[StaticFile] = &[
    file!("favicon.svg", "image/svg+xml"),
    file!("prometheus.css", "text/css"),
    script!("functions.js"),
    script!("api.js"),
    script!("chart.js"),
    script!("clock.js"),
    script!("dialog.js"),
    script!("dom.js"),
    script!("format.js"),
    script!("keys.js"),
    script!("labels.js"),
    script!("live.js"),
    script!("notices.js"),
    script!("past.js"),
    script!("problems.js"),
    script!("quote.js"),
    script!("route.js"),
    script!("strip.js"),
    script!("theme.js"),
    script!("time.js"),
    script!("undo.js"),
    script!("views/expected.js"),
    script!("views/group.js"),
    script!("views/groups.js"),
    script!("views/metrics.js"),
    script!("views/status.js"),
];

/// The page, with links below `prefix` as users see the gateway: `/ext`, or empty for relative links.
pub fn page(prefix: &str) -> String {
    let base = if prefix.is_empty() { "." } else { prefix };
    let escaped = base
        .replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;");
    include_str!("../static/index.html").replace("{base}", &escaped)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn links_follow_the_prefix() {
        assert!(page("").contains(r#""./static/functions.js""#));
        assert!(page("/ext").contains(r#""/ext/static/functions.js""#));
        assert!(page("/\"><b>").contains(r#""/&quot;>&lt;b>/static/"#));
    }

    /// Every script is named by the page too, so that a browser asks for all at once instead of one after the other.
    #[test]
    fn every_file_is_a_link_of_the_page() {
        let page = page("");
        let links = page.split('"').filter_map(|text| text.strip_prefix('.'));
        let links: BTreeSet<&str> = links.filter(|text| text.starts_with("/static/")).collect();
        let files: BTreeSet<&str> = FILES.iter().map(|file| file.path).collect();
        assert_eq!(links, files);
    }

    fn scripts() -> impl Iterator<Item = (&'static StaticFile, &'static str)> {
        let scripts = FILES
            .iter()
            .filter(|file| file.content_type == "application/javascript");
        scripts.map(|file| (file, std::str::from_utf8(file.bytes).unwrap()))
    }

    #[test]
    fn every_import_of_a_script_is_in_the_table() {
        for (file, text) in scripts() {
            let folder = file.path.rsplit_once('/').unwrap().0;
            for import in text
                .split(" from \"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next())
            {
                let path = match import.strip_prefix("../") {
                    Some(name) => format!("/static/{name}"),
                    None => format!("{folder}/{}", import.trim_start_matches("./")),
                };
                assert!(
                    FILES.iter().any(|file| file.path == path),
                    "{} imports {import}",
                    file.path
                );
            }
        }
    }

    #[test]
    fn nothing_makes_markup_of_text() {
        for (file, text) in scripts() {
            for way in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "DOMParser",
                "eval(",
            ] {
                assert!(!text.contains(way), "{} has {way}", file.path);
            }
        }
    }

    #[test]
    fn the_page_and_its_files_stay_small() {
        let bytes: usize = FILES.iter().map(|file| file.bytes.len()).sum();
        assert!(bytes < 151_000, "{bytes} bytes");
    }
}
