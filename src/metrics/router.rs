//! How are metrics asked for? `GET /metrics`, as one router of the daemon's listener.

use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::Metrics;

/// The routes of this floor.
pub fn router(metrics: Arc<Metrics>) -> Router {
    Router::new().route("/metrics", get(move || std::future::ready(answer(&metrics))))
}

fn answer(metrics: &Metrics) -> Response {
    match metrics.render() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
