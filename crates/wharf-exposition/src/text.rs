//! The text format 0.0.4 (and 1.0.0).


