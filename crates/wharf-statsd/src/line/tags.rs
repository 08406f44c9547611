//! Tags in a name, and lists of them.

use super::{Reading, Tag};

impl<'l> Reading<'_, 'l> {
    /// The name without its tags, which are read on the way. `joined` has room for what stands around them.
    pub(super) fn name<'n>(&mut self, text: &'l str, joined: &'n mut String) -> &'n str
    where
        'l: 'n,
    {
        if self.dialect.signalfx {
            match (text.split_once('['), text.split_once(']')) {
                (Some((before, behind)), Some((_, after))) => {
                    // A bracket that closes before one opens ends no tags.
                    let Some((tags, _)) = behind.split_once(']').filter(|_| !before.contains(']')) else {
                        self.counts.tag_errors += 1;
                        return text;
                    };
                    self.list(tags, '=');
                    joined.clear();
                    joined.push_str(before);
                    joined.push_str(after);
                    return joined;
                }
                (None, None) => {}
                _ => {
                    self.counts.tag_errors += 1;
                    return text;
                }
            }
        }
        let begins = |c| c == '#' && self.dialect.librato || c == ',' && self.dialect.influxdb;
        match text.split_once(begins) {
            Some((name, tags)) => {
                self.list(tags, '=');
                name
            }
            None => text,
        }
    }

    /// Reads tags between commas; one at the end is free. `between` stands between key and value.
    pub(super) fn list(&mut self, text: &'l str, between: char) {
        if text.is_empty() {
            return;
        }
        for tag in text.strip_suffix(',').unwrap_or(text).split(',') {
            // Some clients write `#` before each tag of DogStatsD.
            let tag = match between {
                ':' => tag.strip_prefix('#').unwrap_or(tag),
                _ => tag,
            };
            match tag.split_once(between) {
                Some((key, value)) if !key.is_empty() && !value.is_empty() => {
                    self.tags.push(Tag { key, value });
                }
                _ => self.counts.tag_errors += 1,
            }
        }
    }
}
