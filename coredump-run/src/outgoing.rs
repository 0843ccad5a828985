//! Sends the guest's own HTTP requests: only with `--network`, and without TLS.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// The time that a server may take to accept a connection or to begin its answer, if the guest sets no timeout.
const PATIENCE: Duration = Duration::from_secs(600);

/// Sends the guest's requests, if they are allowed.
pub struct Outgoing {
    /// True if the guest may use the network.
    pub allowed: bool,
}

/// The work that goes on beside a request while its answer is read.
type Work = Box<dyn Future<Output = Result<(), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Work,
    ) -> Box<dyn Future<Output = Result<(http::Response<WasiBody>, Work), Error>> + Send> {
        let allowed = self.allowed;
        Box::new(async move {
            match allowed {
                true => send(request, options).await,
                false => Err(Error::HttpRequestDenied),
            }
        })
    }
}

async fn send(
    mut request: http::Request<WasiBody>,
    options: Option<RequestOptions>,
) -> Result<(http::Response<WasiBody>, Work), Error> {
    let uri = request.uri();
    let authority = uri.authority().ok_or(Error::HttpRequestUriInvalid)?;
    if uri.scheme() == Some(&http::uri::Scheme::HTTPS) {
        let why =
            "coredump-run sends requests without TLS: https is not supported, use http through a proxy that adds TLS";
        return Err(Error::InternalError(Some(why.to_owned())));
    }
    let address = (authority.host().trim_matches(['[', ']']).to_owned(), authority.port_u16().unwrap_or(80));
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let plain = http::Uri::builder().path_and_query(path).build().map_err(|_| Error::HttpRequestUriInvalid)?;
    *request.uri_mut() = plain;
    let connect = options.and_then(|options| options.connect_timeout).unwrap_or(PATIENCE);
    let first_byte = options.and_then(|options| options.first_byte_timeout).unwrap_or(PATIENCE);
    let stream = tokio::time::timeout(connect, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| Error::ConnectionTimeout)?.map_err(Error::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection must be driven until the answer's body is read.
    let connection = tokio::spawn(connection);
    let response = tokio::time::timeout(first_byte, sender.send_request(request)).await;
    let response = response.map_err(|_| Error::ConnectionReadTimeout)??;
    let response =
        response.map(|body| body.map_err(Error::from).map_frame(|frame| frame.map_data(Bytes::from)).boxed_unsync());
    let work: Work = Box::new(async move {
        match connection.await {
            Ok(done) => done.map_err(Error::from),
            Err(_) => Err(Error::ConnectionTerminated),
        }
    });
    Ok((response, work))
}
