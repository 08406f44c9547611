//! Numbers of lines, for the few who need them.

/// Counts the lines of a body up to places that come one behind the other.
///
/// Decoders do not count lines; who asks for all of them pays for one more pass over the body.
#[derive(Debug, Default)]
pub(crate) struct LineCounter {
    /// Where the last count ended.
    at: usize,
    /// The line feeds before.
    line_feeds: usize,
}

impl LineCounter {
    /// The line that the byte `offset` is in, counted from 1.
    pub(crate) fn line_of(&mut self, body: &[u8], offset: usize) -> Option<u32> {
        let between = body.get(self.at..offset)?;
        self.line_feeds += memchr::memchr_iter(b'\n', between).count();
        self.at = offset;
        u32::try_from(self.line_feeds + 1).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_place_to_place() {
        let mut counter = LineCounter::default();
        let lines = [0, 1, 2, 2, 5].map(|offset| counter.line_of(b"a\nb\n\nc", offset));
        assert_eq!(lines, [Some(1), Some(1), Some(2), Some(2), Some(4)]);
        assert_eq!(counter.line_of(b"a\nb\n\nc", 7), None);
    }
}
