//! What is stored, in memory: families, their leaves, the index of series, and the state that has them all.

pub(crate) mod by_key;
pub(crate) mod checks;
pub(crate) mod checksum;
pub(crate) mod cold;
pub(crate) mod compressed;
pub(crate) mod draft;
pub(crate) mod expanded;
pub(crate) mod family;
pub(crate) mod family_names;
pub(crate) mod held_back;
pub(crate) mod ids;
pub(crate) mod index;
pub(crate) mod leaf;
pub(crate) mod leaves;
pub(crate) mod metas;
pub(crate) mod numbered;
pub(crate) mod rendered_text;
pub(crate) mod series_ends;
pub(crate) mod state;
pub(crate) mod touched;
