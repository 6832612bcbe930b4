//! How does the metadata log tell an HTTP transaction? In one JSON line.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::Sensor;
use super::fields::{ECS, Ecs, Event, Observer, Request, SCHEMA, Time, Visibility};
use super::fit::{self, Fit};
use crate::base::ids::TokenRef;
use crate::token::{Carrier, TokenClass, Transaction, TransactionToken};

/// The transaction as one JSON object of at most [`fit::LINE_BYTES`], without a newline.
#[must_use]
pub fn line(transaction: &Transaction, sensor: &Sensor) -> String {
    fit::line(|fit| HttpEvent::new(transaction, sensor, fit))
}

/// An HTTP transaction as published by `tokentrail schema event`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct HttpEvent<'a> {
    /// Time of the frame with the first byte of the request.
    #[serde(rename = "@timestamp")]
    timestamp: Time,
    ecs: Ecs,
    event: Event<Dataset>,
    #[serde(flatten)]
    request: Request<'a>,
    observer: Observer<'a>,
    tokentrail: Tokentrail<'a>,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
enum Dataset {
    #[serde(rename = "tokentrail.http")]
    Http,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Tokentrail<'a> {
    /// Version of these fields.
    schema: u8,
    /// Number of the frame with the first byte of the request, in its capture, from 1.
    frame: u64,
    /// Name of the capture.
    capture: Option<Cow<'a, str>>,
    tokens: Vec<Token<'a>>,
    /// How many more tokens there were than fit on the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens_omitted: Option<usize>,
    /// Cookie pairs in the request.
    cookies: u32,
    visibility: Visibility,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
struct Token<'a> {
    /// Keyed digest of the token.
    #[serde(rename = "ref")]
    reference: TokenRef,
    /// The rule that named it.
    id: Cow<'a, str>,
    /// Name on the wire.
    name: Cow<'a, str>,
    carrier: Carrier,
    class: TokenClass,
    direction: TokenDirection,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum TokenDirection {
    Presented,
    Issued,
}

impl<'a> Token<'a> {
    fn new(TransactionToken { token, issued }: &'a TransactionToken, fit: Fit) -> Self {
        Self {
            reference: token.token,
            id: fit.text(&token.id),
            name: fit.text(&token.name),
            carrier: token.carrier,
            class: token.class,
            direction: if *issued { TokenDirection::Issued } else { TokenDirection::Presented },
        }
    }
}

impl<'a> HttpEvent<'a> {
    /// The transaction as far as it fits.
    #[must_use]
    pub fn new(transaction: &'a Transaction, sensor: &'a Sensor, fit: Fit) -> Self {
        let view = &*transaction.request;
        let (tokens, tokens_omitted) = fit.items(&transaction.tokens);
        Self {
            timestamp: Time(view.first.ts),
            ecs: ECS,
            event: Event::new("web", &["access"], Dataset::Http),
            request: Request::new(view, transaction.status, fit),
            observer: Observer::new(sensor, fit),
            tokentrail: Tokentrail {
                schema: SCHEMA,
                frame: view.first.frame.number,
                capture: sensor.capture(view.first.frame).map(|name| fit.text(name)),
                tokens: tokens.map(|token| Token::new(token, fit)).collect(),
                tokens_omitted,
                cookies: transaction.cookies,
                visibility: Visibility::of(view),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{schema_event, testing};
    use super::*;

    #[test]
    fn a_transaction_says_what_the_contract_names() {
        let (transaction, sensor) = (testing::transaction(), testing::sensor());
        let value: serde_json::Value = serde_json::from_str(&line(&transaction, &sensor)).unwrap();
        testing::validate(&schema_event(), &value);
        for (path, expected) in [
            ("/@timestamp", serde_json::json!("2026-11-22T10:42:07.311Z")),
            ("/event/dataset", "tokentrail.http".into()),
            ("/source/ip", "10.0.0.5".into()),
            ("/destination/port", 8080.into()),
            ("/client/ip", "203.0.113.9".into()),
            ("/http/version", "1.1".into()),
            ("/http/request/method", "POST".into()),
            ("/http/response/status_code", 200.into()),
            ("/url/domain", "shop.test".into()),
            ("/url/path", "/account/email".into()),
            ("/url/query", "to=‹…›".into()),
            ("/user_agent/original", "curl/8.9".into()),
            ("/tokentrail/frame", 10_121.into()),
            ("/tokentrail/capture", "token-replay.pcap".into()),
            ("/tokentrail/cookies", 3.into()),
            ("/tokentrail/tokens/0/ref", transaction.tokens[0].token.token.to_string().into()),
            ("/tokentrail/tokens/0/direction", "presented".into()),
            ("/tokentrail/tokens/1/direction", "issued".into()),
            ("/tokentrail/tokens/1/class", "session".into()),
            ("/tokentrail/visibility/one_sided", false.into()),
        ] {
            assert_eq!(value.pointer(path), Some(&expected), "{path}");
        }
        assert!(value.pointer("/tokentrail/tokens_omitted").is_none());
    }

    #[test]
    fn a_reply_without_its_request_is_still_a_line() {
        let mut transaction = testing::transaction();
        std::sync::Arc::make_mut(&mut transaction.request).http = None;
        let value: serde_json::Value = serde_json::from_str(&line(&transaction, &testing::sensor())).unwrap();
        testing::validate(&schema_event(), &value);
        assert!(value.get("url").is_none());
        assert_eq!(value["http"]["response"]["status_code"], 200);
    }

    #[test]
    fn a_request_without_host_names_no_domain() {
        let mut transaction = testing::transaction();
        if let Some(http) = &mut std::sync::Arc::make_mut(&mut transaction.request).http {
            (http.host, http.query) = ("".into(), None);
        }
        let value: serde_json::Value = serde_json::from_str(&line(&transaction, &testing::sensor())).unwrap();
        testing::validate(&schema_event(), &value);
        assert_eq!(value["url"], serde_json::json!({"path": "/account/email"}));
    }

    #[test]
    fn a_thousand_tokens_are_cut_and_counted() {
        let mut transaction = testing::transaction();
        transaction.tokens = std::iter::repeat_n(transaction.tokens[0].clone(), 1_024).collect();
        let text = line(&transaction, &testing::sensor());
        assert!(text.len() <= fit::LINE_BYTES, "{}", text.len());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        testing::validate(&schema_event(), &value);
        let shown = value["tokentrail"]["tokens"].as_array().unwrap().len() as u64;
        assert_eq!(shown + value["tokentrail"]["tokens_omitted"].as_u64().unwrap(), 1_024);
    }
}
