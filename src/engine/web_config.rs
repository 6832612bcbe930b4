//! How is the listener protected? The web configuration file of Prometheus exporters, as far as this
//! version reads it: a certificate and its key.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;

/// A web configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigError {
    /// A file cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// Something in the file is wrong.
    #[error("{}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What, with line and column where they are known.
        message: String,
    },
}

/// The file. What it may say besides (clients' certificates, users …) is not available yet and is
/// refused by name: protection that is silently missing is worse than none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebConfig {
    tls_server_config: TlsServerConfig,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsServerConfig {
    cert_file: PathBuf,
    key_file: PathBuf,
}

/// Reads the file, and the certificate and key that it names (PEM; relative to the file). The
/// server speaks TLS 1.2 and 1.3.
///
/// # Errors
/// The file, certificate or key that cannot be read or used.
pub fn load(path: &Path) -> Result<Arc<ServerConfig>, WebConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|cause| WebConfigError::Unreadable { path: path.to_owned(), cause })?;
    let wrong = |message: String| WebConfigError::Wrong { path: path.to_owned(), message };
    let config: WebConfig = serde_yaml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let beside = |file: &Path| path.parent().map_or_else(|| file.to_owned(), |folder| folder.join(file));
    let (chain, key) =
        identity(&beside(&config.tls_server_config.cert_file), &beside(&config.tls_server_config.key_file))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|e| wrong(format!("tls_server_config: {e}")))?;
    Ok(Arc::new(server))
}

/// A certificate chain and its private key.
type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(chain_file: &Path, key_file: &Path) -> Result<Identity, WebConfigError> {
    let open = |path: &Path| match File::open(path) {
        Ok(file) => Ok(BufReader::new(file)),
        Err(cause) => Err(WebConfigError::Unreadable { path: path.to_owned(), cause }),
    };
    let wrong =
        |path: &Path, message: &str| WebConfigError::Wrong { path: path.to_owned(), message: message.to_owned() };
    let chain: Vec<_> = rustls_pemfile::certs(&mut open(chain_file)?)
        .collect::<Result<_, _>>()
        .map_err(|cause| WebConfigError::Unreadable { path: chain_file.to_owned(), cause })?;
    if chain.is_empty() {
        return Err(wrong(chain_file, "no certificate in it, expected PEM"));
    }
    let key = rustls_pemfile::private_key(&mut open(key_file)?)
        .map_err(|cause| WebConfigError::Unreadable { path: key_file.to_owned(), cause })?
        .ok_or_else(|| wrong(key_file, "no private key in it, expected PEM"))?;
    Ok((chain, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        load(&dir.path().join("web.yaml")).unwrap_err().to_string().replace(&format!("{}/", dir.path().display()), "")
    }

    const TLS: &str = "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n";

    #[test]
    fn mistakes_name_the_file() {
        assert!(refusal(&[]).starts_with("web.yaml: "));
        assert!(refusal(&[("web.yaml", TLS)]).starts_with("cert.pem: "));
        assert_eq!(refusal(&[("web.yaml", TLS), ("cert.pem", "x")]), "cert.pem: no certificate in it, expected PEM");
        let users = refusal(&[("web.yaml", &format!("{TLS}basic_auth_users: {{a: b}}\n"))]);
        assert!(
            users.starts_with("web.yaml: ") && users.contains("basic_auth_users") && users.contains("line 4"),
            "{users}"
        );
    }
}
