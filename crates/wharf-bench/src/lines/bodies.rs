//! What lines look like.

use std::fmt::Write as _;

/// Lines of a datagram, where there are several.
pub(crate) const LINES_A_DATAGRAM: usize = 20;
/// Rules that lines of others fall under.
const OTHER_RULES: usize = 99;

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A counter that its name tells from others.
    Plain,
    /// A counter that a tag tells from others.
    Tagged,
    /// A counter whose labels the last of a hundred globs makes.
    Globs,
    /// An observation of a histogram, likewise.
    Histograms,
}

impl Shape {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Tagged, Self::Globs, Self::Histograms];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tagged => "tagged",
            Self::Globs => "100 globs",
            Self::Histograms => "histograms",
        }
    }

    /// The family in which what was counted stands: its series add up to the lines.
    pub(crate) fn counts_in(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Tagged | Self::Globs => Some("shop_orders"),
            Self::Histograms => Some("shop_time_count"),
        }
    }

    /// The line of a series.
    fn line(self, series: usize) -> String {
        match self {
            Self::Tagged => format!("shop.orders:1|c|#country:c{series},channel:web"),
            Self::Plain | Self::Globs => format!("shop.c{series}.orders:1|c"),
            Self::Histograms => format!("shop.c{series}.time:320|ms"),
        }
    }

    /// Datagrams, or pieces of a connection, of so many lines each, for so many series; each line ends.
    pub(crate) fn datagrams(self, series: usize, lines: usize) -> Vec<Vec<u8>> {
        let count = series.max(lines);
        let all: Vec<usize> = (0..count - count % lines).map(|at| at % series).collect();
        let datagrams = all.chunks(lines).map(|chunk| {
            let mut datagram = String::new();
            for series in chunk {
                // Writing to a string cannot fail.
                let _infallible = writeln!(datagram, "{}", self.line(*series));
            }
            datagram.into_bytes()
        });
        datagrams.collect()
    }

    /// The rules for these lines, if there are any.
    pub(crate) fn mapping(self) -> Option<String> {
        let observer = match self {
            Self::Plain | Self::Tagged => return None,
            Self::Globs => "",
            Self::Histograms => ", observer_type: histogram, histogram_options: {buckets: [0.1, 1, 10]}",
        };
        let mut rules = "mappings:\n".to_owned();
        for other in 0..OTHER_RULES {
            let _infallible = writeln!(
                rules,
                "- {{match: 'other{other}.*.*', name: other{other}_$1, labels: {{of: $2}}}}"
            );
        }
        let _infallible = writeln!(
            rules,
            "- {{match: 'shop.*.*', name: shop_$2, labels: {{country: $1}}{observer}}}"
        );
        Some(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_have_each_series_equally_often_and_whole_lines() {
        for (series, lines) in [(10, 20), (1000, 20), (1000, 1)] {
            let datagrams = Shape::Tagged.datagrams(series, lines);
            let text: Vec<&str> = datagrams
                .iter()
                .map(|bytes| str::from_utf8(bytes).unwrap())
                .collect();
            assert!(
                text.iter()
                    .all(|text| text.lines().count() == lines && text.ends_with('\n'))
            );
            let all = text.concat();
            for line in [0, series - 1] {
                let line = Shape::Tagged.line(line);
                assert_eq!(
                    all.lines().filter(|other| **other == line).count(),
                    all.lines().count() / series
                );
            }
        }
    }
}
