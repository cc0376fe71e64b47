//! HTTP as the gate reads it: heads, authorities, request targets and media types, each in one strict way.

mod authority;
mod head;
mod media_type;
mod path;

pub use authority::{Authority, HostPattern, InvalidHost};
pub use head::{Head, HeaderPair};
pub use media_type::{Charset, MediaType};
pub use path::{AmbiguousPath, InvalidTemplate, PathTemplate, RequestPath};
