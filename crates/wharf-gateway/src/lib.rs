//! What a gateway does, whatever a push or a question comes in by: HTTP today, other protocols beside it. Nothing here knows a
//! status code, a header or a socket.

mod shutdown;

pub use shutdown::Shutdown;
