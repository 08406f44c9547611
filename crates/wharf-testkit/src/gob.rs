//! State files of the Pushgateway, written value by value in Go's gob coding, so that a test can also build what it would not.

/// A stream under construction: the bytes in the order of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gob(Vec<u8>);

impl Gob {
    /// Appends an unsigned integer.
    #[must_use]
    pub fn unsigned(mut self, value: u64) -> Self {
        if let Some(byte) = u8::try_from(value).ok().filter(|byte| *byte < 0x80) {
            self.0.push(byte);
            return self;
        }
        let digits = value.to_be_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        self.0.push(
            u8::try_from(8 - zeros)
                .expect("a length of a test fits")
                .wrapping_neg(),
        );
        self.0.extend_from_slice(&digits[zeros..]);
        self
    }

    /// Appends a signed integer.
    #[must_use]
    pub fn signed(self, value: i64) -> Self {
        self.unsigned(((value << 1) ^ (value >> 63)).cast_unsigned())
    }

    /// Appends bytes behind their number, as strings are and types that code themselves.
    #[must_use]
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        let mut gob = self.unsigned(u64::try_from(bytes.as_ref().len()).expect("a length of a test fits"));
        gob.0.extend_from_slice(bytes.as_ref());
        gob
    }

    /// Appends what another one has.
    #[must_use]
    pub fn append(mut self, other: &Self) -> Self {
        self.0.extend_from_slice(&other.0);
        self
    }

    /// Appends a message.
    #[must_use]
    pub fn message(self, message: &Self) -> Self {
        self.bytes(&message.0)
    }

    /// The definition of type `id`, of kind `field`: the common part without a name, and then `rest`.
    fn define(self, id: i64, field: u64, rest: &Self) -> Self {
        let common = Self::default().unsigned(1).unsigned(2).signed(id).unsigned(0);
        let definition = Self::default().signed(-id).unsigned(field + 1).append(&common);
        self.message(&definition.append(rest).unsigned(0).unsigned(0))
    }

    fn define_map(self, id: i64, element: i64) -> Self {
        let rest = Self::default().unsigned(1).signed(6).unsigned(1).signed(element);
        self.define(id, 3, &rest)
    }

    fn define_struct(self, id: i64, fields: &[(&str, i64)]) -> Self {
        let mut rest = Self::default()
            .unsigned(1)
            .unsigned(u64::try_from(fields.len()).expect("a length of a test fits"));
        for (name, id) in fields {
            rest = rest.unsigned(1).bytes(name).unsigned(1).signed(*id).unsigned(0);
        }
        self.define(id, 2, &rest)
    }

    fn define_opaque(self, id: i64) -> Self {
        self.define(id, 4, &Self::default())
    }

    /// The seven definitions that a state file needs.
    #[must_use]
    pub fn with_definitions() -> Self {
        Self::default()
            .define_map(65, 66)
            .define_struct(66, &[("Labels", 67), ("Metrics", 68)])
            .define_map(67, 6)
            .define_map(68, 69)
            .define_struct(69, &[("Timestamp", 70), ("GobbableMetricFamily", 71)])
            .define_opaque(70)
            .define_opaque(71)
    }

    /// The beginning of the value's message, up to the number of groups.
    #[must_use]
    pub fn value(groups: u64) -> Self {
        Self::default().signed(65).unsigned(0).unsigned(groups)
    }

    /// A group with a key that nobody reads, labels, and already coded families.
    #[must_use]
    pub fn group(self, labels: &[(&[u8], &[u8])], families: &[Self]) -> Self {
        let count = |count: usize| u64::try_from(count).expect("a length of a test fits");
        let mut gob = self.bytes("a key").unsigned(1).unsigned(count(labels.len()));
        for (name, value) in labels {
            gob = gob.bytes(name).bytes(value);
        }
        gob = gob.unsigned(1).unsigned(count(families.len()));
        for family in families {
            gob = gob.append(family);
        }
        gob.unsigned(0)
    }

    /// A coded family: its name, the time of its push, and a `MetricFamily` without a length in front.
    #[must_use]
    pub fn family(name: impl AsRef<[u8]>, time: &[u8], message: impl AsRef<[u8]>) -> Self {
        let named = Self::default().bytes(name).unsigned(1).bytes(time);
        named.unsigned(1).bytes(message).unsigned(0)
    }

    /// A whole file with `value`.
    #[must_use]
    pub fn stream(value: &Self) -> Vec<u8> {
        Self::with_definitions().message(value).0
    }

    /// What has been written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Seven nanoseconds past noon on the first day of 2026, in version 1.
pub const NOON: &[u8] = b"\x01\0\0\0\x0e\xe0\xe8\x58\xc0\0\0\0\x07\xff\xff";
