//! The two directions of an exchange, and what is named after them.

use super::reply::LocalReply;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Request,
    Response,
}

impl Way {
    /// The callback that is told of headers.
    pub(super) fn headers(self) -> &'static str {
        if self == Self::Request { "proxy_on_request_headers" } else { "proxy_on_response_headers" }
    }

    /// The callback that is shown a body.
    pub(super) fn body(self) -> &'static str {
        if self == Self::Request { "proxy_on_request_body" } else { "proxy_on_response_body" }
    }

    /// The callback that is told of trailers.
    pub(super) fn trailers(self) -> &'static str {
        if self == Self::Request { "proxy_on_request_trailers" } else { "proxy_on_response_trailers" }
    }

    /// What Envoy says when more is held than it allows.
    pub(super) fn too_large(self) -> LocalReply {
        match self {
            Self::Request => LocalReply::of_envoy(413, "Payload Too Large", "request_payload_too_large"),
            Self::Response => {
                LocalReply::of_envoy(500, "Internal Server Error", "response_payload_too_large")
            }
        }
    }
}
