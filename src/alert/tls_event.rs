//! How does the metadata log tell a TLS handshake? One JSON line for the two hellos.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::Sensor;
use super::fields::{Client, ECS, Ecs, Event, Network, Observer, Peer, SCHEMA, Time, Visibility};
use super::fit::{self, Fit};
use crate::proto::tls::cipher;
use crate::token::TlsHandshake;

/// The handshake as one JSON object of at most [`fit::LINE_BYTES`], without a newline.
#[must_use]
pub fn line(handshake: &TlsHandshake, sensor: &Sensor) -> String {
    fit::line(|fit| TlsEvent::new(handshake, sensor, fit))
}

/// A TLS handshake as published by `tokentrail schema event`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TlsEvent<'a> {
    /// Time of the frame with the first byte of the client's hello.
    #[serde(rename = "@timestamp")]
    timestamp: Time,
    ecs: Ecs,
    event: Event<Dataset>,
    /// Sender of the client's hello.
    source: Peer,
    /// Its receiver.
    destination: Peer,
    /// The client; absent when a proxy does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Client>,
    /// The connection.
    network: Network,
    tls: Tls<'a>,
    observer: Observer<'a>,
    tokentrail: Tokentrail<'a>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
enum Dataset {
    #[serde(rename = "tokentrail.tls")]
    Tls,
}

/// `tls`; what only one of the hellos says is absent where that one was not seen.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Tls<'a> {
    /// Version that was agreed on: `1.3`. Absent for a version that has no name.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    /// `tls` or `ssl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    version_protocol: Option<&'static str>,
    /// Cipher suite by its IANA name, or its number where it is rare: `0xcafe`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cipher: Option<Cow<'static, str>>,
    /// Application protocol that the server chose; TLS 1.3 hides it, unless it is decrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_protocol: Option<Cow<'a, str>>,
    /// The server took up an earlier session.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<TlsClient<'a>>,
}

/// `tls.client`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct TlsClient<'a> {
    /// Name of the server that the client asked for (SNI); random-looking runs are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    server_name: Option<Cow<'a, str>>,
    /// JA3 fingerprint.
    ja3: &'a str,
    /// JA4 fingerprint.
    ja4: &'a str,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Tokentrail<'a> {
    /// Version of these fields.
    schema: u8,
    /// Number of the frame with the first byte of the client's hello, in its capture, from 1.
    frame: u64,
    /// Name of the capture.
    capture: Option<Cow<'a, str>>,
    /// JA4 without what comes and goes with resumption: by this clients are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4_stable: Option<&'a str>,
    /// What follows the hellos could be read.
    decrypted: bool,
    visibility: Visibility,
}

impl<'a> TlsEvent<'a> {
    /// The handshake as far as it fits.
    #[must_use]
    pub fn new(handshake: &'a TlsHandshake, sensor: &'a Sensor, fit: Fit) -> Self {
        let TlsHandshake { view, offered, chosen, decrypted } = handshake;
        let named = chosen.as_ref().and_then(|chosen| chosen.version.name());
        Self {
            timestamp: Time(view.first.ts),
            ecs: ECS,
            event: Event::new("network", &["connection", "protocol"], Dataset::Tls),
            source: view.source.into(),
            destination: view.destination.into(),
            client: Client::of(view),
            network: Network::tcp(view, "tls"),
            tls: Tls {
                version: named.map(|(version, _)| version),
                version_protocol: named.map(|(_, protocol)| protocol),
                cipher: chosen.as_ref().map(|chosen| cipher::name(chosen.cipher)),
                next_protocol: chosen.as_ref().and_then(|c| c.protocol.as_deref()).map(|text| fit.text(text)),
                resumed: chosen.as_ref().and_then(|chosen| chosen.resumed),
                client: offered.as_ref().map(|offered| TlsClient {
                    server_name: offered.server_name.as_deref().map(|text| fit.text(text)),
                    ja3: &offered.ja3,
                    ja4: &offered.ja4,
                }),
            },
            observer: Observer::new(sensor, fit),
            tokentrail: Tokentrail {
                schema: SCHEMA,
                frame: view.first.frame.number,
                capture: sensor.capture(view.first.frame).map(|name| fit.text(name)),
                ja4_stable: offered.as_ref().map(|offered| &*offered.ja4_stable),
                decrypted: *decrypted,
                visibility: Visibility::of(view),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{schema_event, testing};
    use super::*;
    use crate::proto::TlsVersion;
    use crate::token::tls::{TlsChoice, TlsOffer};

    fn handshake() -> TlsHandshake {
        TlsHandshake {
            view: testing::request(),
            offered: Some(TlsOffer {
                server_name: Some("shop.test".into()),
                ja3: "308b0bd904abbef5e0034a1ff7a78920".into(),
                ja4: "t13d1516h2_8daaf6152771_02713d6af862".into(),
                ja4_stable: "t13d1514h2_8daaf6152771_e5627efa2ab1".into(),
            }),
            chosen: Some(TlsChoice {
                version: TlsVersion::TLS12,
                cipher: 0xc02f,
                protocol: Some("h2".into()),
                resumed: Some(true),
            }),
            decrypted: false,
        }
    }

    fn told(handshake: &TlsHandshake) -> serde_json::Value {
        let value = serde_json::from_str(&line(handshake, &testing::sensor())).unwrap();
        testing::validate(&schema_event(), &value);
        value
    }

    #[test]
    fn a_handshake_says_what_the_contract_names() {
        let value = told(&handshake());
        for (path, expected) in [
            ("/event/dataset", serde_json::json!("tokentrail.tls")),
            ("/source/port", 51_934.into()),
            ("/client/ip", "203.0.113.9".into()),
            ("/network/protocol", "tls".into()),
            ("/tls/version", "1.2".into()),
            ("/tls/version_protocol", "tls".into()),
            ("/tls/cipher", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256".into()),
            ("/tls/next_protocol", "h2".into()),
            ("/tls/resumed", true.into()),
            ("/tls/client/server_name", "shop.test".into()),
            ("/tls/client/ja3", "308b0bd904abbef5e0034a1ff7a78920".into()),
            ("/tls/client/ja4", "t13d1516h2_8daaf6152771_02713d6af862".into()),
            ("/tokentrail/frame", 10_121.into()),
            ("/tokentrail/ja4_stable", "t13d1514h2_8daaf6152771_e5627efa2ab1".into()),
            ("/tokentrail/decrypted", false.into()),
        ] {
            assert_eq!(value.pointer(path), Some(&expected), "{path}");
        }
    }

    #[test]
    fn half_a_handshake_is_still_a_line() {
        let value = told(&TlsHandshake { chosen: None, ..handshake() });
        assert!(value["tls"].get("version").is_none() && value["tls"]["client"]["ja3"].is_string());
        let value = told(&TlsHandshake { offered: None, ..handshake() });
        assert!(value["tls"].get("client").is_none() && value["tls"]["version"] == "1.2");
    }

    #[test]
    fn a_hostile_name_is_cleaned_and_cut() {
        let mut hostile = handshake();
        if let Some(offered) = &mut hostile.offered {
            offered.server_name = Some(format!("\u{1b}[2J\u{202e}{}", "x".repeat(60_000)).into());
        }
        let text = line(&hostile, &testing::sensor());
        assert!(text.len() <= fit::LINE_BYTES && !text.contains('\u{1b}') && !text.contains('\u{202e}'));
    }
}
