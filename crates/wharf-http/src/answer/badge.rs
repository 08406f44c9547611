//! Badges: a small picture of two words, as SVG, that other pages show.
//!
//! No font is measured. Widths come from a table of the usual fonts of such badges, and the picture says how long each text is, so a
//! reader's own font is stretched or pressed to fit. There are no ids, scripts, styles or links in it: several badges may stand in
//! one page, and whoever shows one needs to trust nothing.

use std::fmt::{self, Write as _};

use wharf_settings::prints;

/// What a badge says, and in which colour its right side is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Badge {
    pub(crate) label: String,
    pub(crate) message: String,
    pub(crate) colour: Colour,
}

/// The colour beside the words: white text can be read on each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Green,
    Amber,
    Red,
    Grey,
}

impl Colour {
    fn as_str(self) -> &'static str {
        match self {
            Self::Green => "#2b6e3f",
            Self::Amber => "#8a5a00",
            Self::Red => "#b3261e",
            Self::Grey => "#5a6873",
        }
    }
}

const LABEL_COLOUR: &str = "#33404a";
/// Beside each text.
const PADDING: u32 = 6;
/// More characters are cut: the picture is for one line of a page.
pub(crate) const MOST_CHARACTERS: usize = 64;

/// The picture. Texts are cut, and what does not print is written by number.
impl fmt::Display for Badge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (label, message) = (shown(&self.label), shown(&self.message));
        let (label_width, message_width) = (width(&label), width(&message));
        let (left, right) = (label_width + 2 * PADDING, message_width + 2 * PADDING);
        let whole = left + right;
        let words = format!("{}: {}", Escaped(&label), Escaped(&message));
        writeln!(
            f,
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{words}"><title>{words}</title>"#
        )?;
        writeln!(
            f,
            r#"<rect width="{whole}" height="20" rx="3" fill="{LABEL_COLOUR}"/>"#
        )?;
        let (colour, straight) = (self.colour.as_str(), right - 3);
        writeln!(
            f,
            r#"<path d="M{left} 0h{straight}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{straight}z" fill="{colour}"/>"#
        )?;
        writeln!(
            f,
            r##"<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" xml:space="preserve">"##
        )?;
        for (at, length, text) in [
            (PADDING, label_width, &label),
            (left + PADDING, message_width, &message),
        ] {
            writeln!(
                f,
                r#"<text x="{at}" y="14" textLength="{length}" lengthAdjust="spacingAndGlyphs">{}</text>"#,
                Escaped(text)
            )?;
        }
        writeln!(f, "</g></svg>")
    }
}

/// A text as it is shown.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for c in characters.by_ref().take(MOST_CHARACTERS) {
        if prints(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

/// Text within XML, also within a value in double quotes.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// How wide each printable character of ASCII is in Verdana, from the blank on, in 1/2048 of its size.
#[rustfmt::skip]
const WIDTHS: [u32; 95] = [
    720, 806, 940, 1676, 1302, 2204, 1488, 550, 930, 930, 1302, 1676, 745, 930, 745, 930,
    1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 1302, 930, 930, 1676, 1676, 1676, 1117,
    2048, 1400, 1404, 1430, 1578, 1295, 1177, 1588, 1539, 862, 931, 1419, 1140, 1726, 1532, 1612,
    1235, 1612, 1424, 1400, 1262, 1499, 1400, 2025, 1403, 1260, 1403, 930, 930, 930, 1676, 1302,
    1302, 1230, 1276, 1067, 1276, 1220, 720, 1276, 1296, 562, 705, 1212, 562, 1992, 1296, 1243,
    1276, 1276, 874, 1067, 807, 1296, 1212, 1676, 1212, 1212, 1076, 1301, 930, 1301, 1676,
];
const EM: u32 = 2048;
const FONT_SIZE: u32 = 11;

/// How wide a text is, in pixels, at least one.
fn width(text: &str) -> u32 {
    let width: u32 = text.chars().map(character_width).sum();
    (width * FONT_SIZE).div_ceil(EM).max(1)
}

fn character_width(c: char) -> u32 {
    let known = u32::from(c).checked_sub(0x20);
    let known = known.and_then(|at| WIDTHS.get(usize::try_from(at).ok()?));
    known.copied().unwrap_or(match c {
        // Marks over or beside others.
        '\u{300}'..='\u{36f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}' => 0,
        // As wide as they are high.
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => EM,
        _ => 1302,
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn badge(label: &str, message: &str) -> String {
        let badge = Badge {
            label: label.to_owned(),
            message: message.to_owned(),
            colour: Colour::Green,
        };
        badge.to_string()
    }

    #[test]
    fn a_badge_is_two_words_side_by_side() {
        expect![[r##"
            <svg xmlns="http://www.w3.org/2000/svg" width="123" height="20" role="img" aria-label="backup: ok 2 h ago"><title>backup: ok 2 h ago</title>
            <rect width="123" height="20" rx="3" fill="#33404a"/>
            <path d="M52 0h68a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-68z" fill="#2b6e3f"/>
            <g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" xml:space="preserve">
            <text x="6" y="14" textLength="40" lengthAdjust="spacingAndGlyphs">backup</text>
            <text x="58" y="14" textLength="59" lengthAdjust="spacingAndGlyphs">ok 2 h ago</text>
            </g></svg>
        "##]]
        .assert_eq(&badge("backup", "ok 2 h ago"));
    }

    #[test]
    fn text_is_never_markup_and_shows_what_nobody_sees() {
        let svg = badge("</text><script>\"'&\u{0}\u{202e}\u{ffff}", "\u{1f600}");
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;&quot;&#39;&amp;\\u{0}\\u{202e}\\u{ffff}</text>"));
        assert_eq!(svg.matches("<text").count(), 2);
        assert!(svg.contains("\u{1f600}</text>"));
    }

    #[test]
    fn long_texts_are_cut() {
        let svg = badge(&"W".repeat(1000), "x");
        assert!(svg.contains(&format!(">{}…</text>", "W".repeat(64))));
        assert_eq!(width(&"W".repeat(64)), 697);
    }

    #[test]
    fn marks_take_no_room_and_wide_characters_take_all_of_it() {
        assert_eq!(width("e\u{301}"), width("e"));
        assert_eq!(width("\u{6f22}\u{5b57}"), 22);
        assert_eq!(width(""), 1);
    }
}
