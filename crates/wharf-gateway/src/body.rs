//! Bodies of pushes, in whatever format they come.

use wharf_model::{Exposition, Meter};

use crate::refusal::Refusal;

/// A body that has come, expanded if it was compressed.
///
/// The gateway decides whether it has to be read: text that is like earlier text but for its values need not be.
pub trait Body {
    /// What is to be read.
    fn bytes(&self) -> &[u8];

    /// Whether that is the text format.
    fn is_text(&self) -> bool;

    /// Reads bytes: those of the body or, of text, others that are like them. The same bytes have to come to the same as
    /// long as the gateway is there, but for the memory of this meter.
    ///
    /// # Errors
    /// If they cannot be read.
    fn decode<'t>(&self, bytes: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal>;
}

impl<B: Body> Body for &B {
    fn bytes(&self) -> &[u8] {
        (*self).bytes()
    }

    fn is_text(&self) -> bool {
        (*self).is_text()
    }

    fn decode<'t>(&self, bytes: &'t [u8], memory: &Meter<'_>) -> Result<Exposition<'t>, Refusal> {
        (*self).decode(bytes, memory)
    }
}
