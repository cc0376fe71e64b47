//! HTTP as the gate reads it: heads, authorities, request targets and media types, each in one strict way.

mod authority;
mod coding;
mod head;
mod media_type;
mod multipart;
mod path;
mod url;

pub use authority::{Authority, HostPattern, InvalidHost};
pub(crate) use coding::{Coding, Decoder};
pub use head::{Head, HeaderPair};
pub use media_type::{Charset, MediaType};
pub(crate) use multipart::{Part, boundary, parts};
pub use path::{AmbiguousPath, InvalidTemplate, PathTemplate, RequestPath};
pub use url::{Host, Url};
