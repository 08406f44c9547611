//! How a value is written: what the help says of it, how it is read, how it is shown.

use crate::ValueError;

/// What stands behind a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A switch: nothing.
    Nothing,
    /// The path of a file.
    File,
    /// The path of a folder.
    Folder,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Something else, for which these words stand.
    Value(&'static str),
}

impl Takes {
    /// The end of a sentence that starts with the flag.
    pub fn described(self) -> String {
        match self {
            Self::Nothing => "takes true or false".to_owned(),
            Self::File => "takes the path of a file".to_owned(),
            Self::Folder => "takes the path of a folder, or nothing".to_owned(),
            Self::OneOf(words) => format!("takes one of: {}", words.join(", ")),
            Self::Value(what) => format!("takes {what}"),
        }
    }
}

/// How the values of a type are written, for one meaning of theirs: a number of bytes is not written as a number of groups is.
#[derive(Debug)]
pub struct Kind<T> {
    takes: Takes,
    read: Read<T>,
    show: fn(&T) -> String,
}

#[derive(Debug)]
enum Read<T> {
    /// The flag is given once.
    Once(fn(&str) -> Result<T, ValueError>),
    /// It may be repeated: the default goes, and each value is added.
    Each {
        clear: fn(&mut T),
        add: fn(&mut T, &str) -> Result<(), ValueError>,
    },
}

impl<T> Kind<T> {
    /// Values of one text each.
    pub const fn new(takes: Takes, read: fn(&str) -> Result<T, ValueError>, show: fn(&T) -> String) -> Self {
        let read = Read::Once(read);
        Self { takes, read, show }
    }

    /// Lists: `clear` takes the default away before the first value is added.
    pub const fn repeated(
        takes: Takes,
        clear: fn(&mut T),
        add: fn(&mut T, &str) -> Result<(), ValueError>,
        show: fn(&T) -> String,
    ) -> Self {
        let read = Read::Each { clear, add };
        Self { takes, read, show }
    }

    /// What stands behind the flag.
    pub const fn takes(&self) -> Takes {
        self.takes
    }

    /// Whether the flag may be repeated.
    pub const fn repeats(&self) -> bool {
        matches!(self.read, Read::Each { .. })
    }

    /// Takes the default of a list away.
    pub fn clear(&self, place: &mut T) {
        if let Read::Each { clear, .. } = self.read {
            clear(place);
        }
    }

    /// Puts a value into its place, or adds it there.
    ///
    /// # Errors
    /// If it is no value of this kind; nothing has changed then.
    pub fn set(&self, place: &mut T, value: &str) -> Result<(), ValueError> {
        match self.read {
            Read::Once(read) => *place = read(value)?,
            Read::Each { add, .. } => add(place, value)?,
        }
        Ok(())
    }

    /// The value, as it could have been typed.
    pub fn show(&self, place: &T) -> String {
        (self.show)(place)
    }
}
