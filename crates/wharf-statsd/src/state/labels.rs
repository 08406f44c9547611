//! The labels of a series, in one piece of memory.

/// `name 0xFF value 0xFF` for each label, in the order of the names: no text has such a byte. Equal labels have equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Labels(Box<[u8]>);

const SEPARATOR: u8 = 0xFF;

impl Labels {
    /// The names are sorted.
    pub(super) fn new<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut bytes = Vec::new();
        for (name, value) in labels {
            for text in [name, value] {
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(SEPARATOR);
            }
        }
        Self(bytes.into())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        // Made of texts only.
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let mut parts = self.0.split(|byte| *byte == SEPARATOR);
        std::iter::from_fn(move || {
            let name = parts.next().filter(|name| !name.is_empty())?;
            Some((text(name), text(parts.next()?)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back_as_they_were() {
        for labels in [
            vec![],
            vec![("a", "")],
            vec![("a", ""), ("b", "c")],
            vec![("a", "x\0y"), ("b", "é"), ("c", "")],
        ] {
            let packed = Labels::new(labels.iter().copied());
            assert_eq!(packed.iter().collect::<Vec<_>>(), labels);
        }
    }
}
