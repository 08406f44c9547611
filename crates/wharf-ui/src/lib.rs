//! The web page: static files over the public JSON API, and their table. Nothing else.

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

/// The files that the page links to.
pub const FILES: &[StaticFile] = &[
    StaticFile {
        path: "/static/functions.js",
        content_type: "application/javascript",
        bytes: include_bytes!("../static/functions.js"),
    },
    StaticFile {
        path: "/static/prometheus.css",
        content_type: "text/css",
        bytes: include_bytes!("../static/prometheus.css"),
    },
    StaticFile {
        path: "/static/favicon.svg",
        content_type: "image/svg+xml",
        bytes: include_bytes!("../static/favicon.svg"),
    },
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
    use super::*;

    #[test]
    fn links_follow_the_prefix() {
        assert!(page("").contains(r#""./static/functions.js""#));
        assert!(page("/ext").contains(r#""/ext/static/functions.js""#));
        assert!(page("/\"><b>").contains(r#""/&quot;>&lt;b>/static/"#));
    }

    #[test]
    fn every_link_of_the_page_is_in_the_table() {
        let page = page("");
        let links = page.split('"').filter_map(|text| text.strip_prefix("."));
        let links: Vec<&str> = links.filter(|text| text.starts_with("/static/")).collect();
        assert_eq!(links.len(), FILES.len());
        for link in links {
            assert!(FILES.iter().any(|file| file.path == link), "{link}");
        }
    }
}
