//! Who answers over HTTP? One loopback listener in a thread of its own, assembled from the routers
//! of the edges.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use axum::extract::Request;
use axum::http::{HeaderName, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve};
use rustls::ServerConfig;
use tokio::runtime;
use tokio::sync::oneshot;

use super::tls::TlsListener;
use crate::metrics::{self, Metrics};

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {cause}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: io::Error,
    },
    /// No thread or no event queue.
    #[error("cannot start the listener: {0}")]
    Start(io::Error),
}

/// A running listener; dropping it stops it.
pub struct Listener {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Listener {
    /// Binds `address` and serves `/metrics`, `/-/healthy`, and `/-/ready`, which answers 200 while
    /// `ready` is set; over TLS where `tls` is given.
    ///
    /// # Errors
    /// When the address is taken, not permitted or not of this host.
    pub fn start(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        metrics: Arc<Metrics>,
        ready: Arc<AtomicBool>,
    ) -> Result<Self, ListenError> {
        let bind = |address| {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, socket) = bind(address).map_err(|cause| ListenError::Bind { address, cause })?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ListenError::Start)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = async move {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            let routes = routes(metrics, ready);
            let serving = async {
                match tls {
                    Some(config) => serve(TlsListener::new(socket, config)?, routes).await,
                    None => serve(socket, routes).await,
                }
            };
            tokio::select! {
                end = serving => end,
                _ = stopped => Ok(()),
            }
        };
        let run = move || {
            if let Err(error) = runtime.block_on(serve) {
                tracing::error!(%error, "the listener stopped");
            }
        };
        let thread = thread::Builder::new().name("http".to_owned()).spawn(run).map_err(ListenError::Start)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, with the port that port 0 became.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself already.
            let _gone = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn routes(metrics: Arc<Metrics>, ready: Arc<AtomicBool>) -> Router {
    let readiness = move || {
        let answer = match ready.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ready\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not capturing\n"),
        };
        std::future::ready(answer)
    };
    Router::new()
        .route("/-/healthy", get(async || "healthy\n"))
        .route("/-/ready", get(readiness))
        .merge(metrics::router(metrics))
        .layer(middleware::from_fn(guard))
}

/// Refuses requests whose Host is not this machine's loopback: a page in a browser could otherwise
/// read them through a name that it points here (DNS rebinding).
async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if !host.is_some_and(is_loopback_name) {
        return StatusCode::MISDIRECTED_REQUEST.into_response();
    }
    let mut response = next.run(request).await;
    const ALWAYS: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}

/// Whether a Host field names the loopback: `localhost`, 127.0.0.0/8 or `[::1]`, with any port.
fn is_loopback_name(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;
    use crate::base::time::Timestamp;
    use crate::metrics::Layout;

    fn ask(listener: &Listener, host: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(listener.address()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Metrics of a daemon that watches nothing.
    fn no_metrics() -> Arc<Metrics> {
        let layout = Layout {
            interfaces: &[],
            outputs: &[],
            detectors: &[],
            rules: &[],
            pools: &[],
            workers: 1,
            loaded: Timestamp(0),
        };
        Arc::new(Metrics::new(&layout).unwrap())
    }

    fn start(port: u16, ready: &Arc<AtomicBool>) -> Result<Listener, ListenError> {
        let metrics = no_metrics();
        Listener::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), None, metrics, Arc::clone(ready))
    }

    #[test]
    fn metrics_health_and_readiness_are_served() {
        let ready = Arc::new(AtomicBool::new(false));
        let listener = start(0, &ready).unwrap();
        let host = listener.address().to_string();
        let metrics = ask(&listener, &host, "/metrics");
        assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("\ntokentrail_build_info{"), "{metrics}");
        assert!(metrics.contains("x-content-type-options: nosniff"));
        assert!(ask(&listener, "localhost", "/-/healthy").starts_with("HTTP/1.1 200"));
        assert!(ask(&listener, "localhost", "/-/ready").starts_with("HTTP/1.1 503"));
        ready.store(true, Ordering::Relaxed);
        assert!(ask(&listener, "localhost", "/-/ready").starts_with("HTTP/1.1 200"));
        assert!(ask(&listener, "localhost", "/nothing").starts_with("HTTP/1.1 404"));
    }

    #[test]
    fn with_a_certificate_it_speaks_tls_only() {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let file = dir.path().join("web.yaml");
        std::fs::write(&file, "tls_server_config: {cert_file: cert.pem, key_file: key.pem}").unwrap();
        let tls = crate::engine::web_config::load(&file).unwrap();

        let metrics = no_metrics();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = Listener::start(address, Some(tls), metrics, Arc::default()).unwrap();

        // Somebody who says nothing holds up nobody.
        let _silent = TcpStream::connect(listener.address()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut session = rustls::ClientConnection::new(Arc::new(client), "localhost".try_into().unwrap()).unwrap();
        let mut stream = TcpStream::connect(listener.address()).unwrap();
        let mut tls = rustls::Stream::new(&mut session, &mut stream);
        tls.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // The server may close without a close_notify; what it said counts.
        let _abrupt = tls.read_to_end(&mut answer);
        assert!(answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"healthy\n"));

        let mut plain = TcpStream::connect(listener.address()).unwrap();
        plain.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let _refused = plain.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP"));
    }

    #[test]
    fn a_foreign_host_is_misdirected() {
        let listener = start(0, &Arc::default()).unwrap();
        let answer = ask(&listener, "evil.example:9977", "/metrics");
        assert!(answer.starts_with("HTTP/1.1 421") && !answer.contains("tokentrail_"), "{answer}");
    }

    #[test]
    fn a_taken_port_is_named_and_a_stopped_one_is_free() {
        let first = start(0, &Arc::default()).unwrap();
        let port = first.address().port();
        let refusal = start(port, &Arc::default()).err().unwrap().to_string();
        assert!(refusal.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{refusal}");
        drop(first);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn loopback_names() {
        for host in ["localhost", "LOCALHOST:9977", "127.0.0.1", "127.9.0.1:80", "[::1]", "[::1]:9977"] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "10.0.0.1:9977", "localhost:9977:1", "[::2]:1"] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
