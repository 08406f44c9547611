//! The rows of a table of flags, and the macro that makes them.

use crate::{Takes, ValueError};

/// A flag of one section of settings.
#[derive(Debug)]
pub struct Row<S> {
    /// The name, without dashes. Those of the Pushgateway keep their name and meaning for ever.
    pub name: &'static str,
    /// What stands behind it.
    pub takes: Takes,
    /// Whether it may be repeated. Then [`Self::clear`] takes the default away, before the first value.
    pub repeats: bool,
    /// One or two sentences for the help.
    pub help: &'static str,
    /// Takes the default of a flag away that may be repeated.
    pub clear: fn(&mut S),
    /// Puts a value into the settings.
    pub set: fn(&mut S, &str) -> Result<(), ValueError>,
    /// The value in the settings, as it could have been typed.
    pub show: fn(&S) -> String,
}

/// Settings of a part, some or all of which have flags. Made by [`settings!`](crate::settings).
pub trait Section: Sized + 'static {
    /// Its flags, in the order of the help.
    fn rows() -> &'static [Row<Self>];
}

/// Makes a struct of settings, its defaults and its flags: `name: type = default`, and for those with a flag `"the.flag" as kind,
/// "The help."`.
#[macro_export]
macro_rules! settings {
    (
        $(#[$attribute:meta])*
        $visible:vis struct $name:ident {
            $(
                $(#[$documentation:meta])*
                $seen:vis $field:ident: $type:ty = $default:expr
                $(, $flag:literal as $kind:expr, $help:expr)?;
            )*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        $visible struct $name {
            $(
                $(#[$documentation])*
                $seen $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::Section for $name {
            fn rows() -> &'static [$crate::Row<Self>] {
                const ROWS: &[$crate::Row<$name>] = &[$($(
                    $crate::Row {
                        name: $flag,
                        takes: $kind.takes(),
                        repeats: $kind.repeats(),
                        help: $help,
                        clear: |settings| $kind.clear(&mut settings.$field),
                        set: |settings, value| $kind.set(&mut settings.$field, value),
                        show: |settings| $kind.show(&settings.$field),
                    },
                )?)*];
                ROWS
            }
        }
    };
}
