//! Describes a request for its dump.

use std::net::SocketAddr;

use coredump_core::model;
use http::{HeaderMap, Method, Uri};

/// The description of a request, without its body.
pub struct About {
    /// The method of the request.
    pub method: Method,
    /// The target of the request.
    pub target: Uri,
    /// The headers of the request.
    pub headers: HeaderMap,
    /// The address of the client.
    pub peer: SocketAddr,
}

impl About {
    /// The description as the dump's model has it.
    pub fn model(&self) -> model::Request {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| model::Header {
            name: name.as_str().to_owned(),
            value: text(value),
        };
        model::Request {
            method: Some(self.method.to_string()),
            path: Some(self.target.to_string()),
            headers: self.headers.iter().map(header).collect(),
            peer: Some(self.peer.to_string()),
        }
    }
}
