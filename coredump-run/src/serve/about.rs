//! What a dump says of a request.

use std::net::SocketAddr;

use coredump_core::model;
use http::{HeaderMap, Method, Uri};

/// What a dump says of the request, but for its body.
pub struct About {
    /// How it is done.
    pub method: Method,
    /// What it is about.
    pub target: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Who sent it.
    pub peer: SocketAddr,
}

impl About {
    /// As a dump says it.
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
