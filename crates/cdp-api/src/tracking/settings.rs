//! What the browser and mobile SDKs ask for before they send: where to. Here the answer is: to this very host.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use serde::Serialize;

use crate::{Api, Refusal};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Settings {
    integrations: Integrations,
    analytics_next_enabled: bool,
    metrics: SdkMetrics,
}

#[derive(Serialize)]
struct Integrations {
    #[serde(rename = "Segment.io")]
    segment: Destination,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    api_key: String,
    /// Host, port and `/v1`, without the protocol.
    api_host: String,
    protocol: &'static str,
    unbundled_integrations: [String; 0],
    add_bundled_metadata: bool,
}

/// Of the SDK about itself. None are wanted.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SdkMetrics {
    sample_rate: f32,
}

pub(super) async fn settings<S>(
    State(api): State<Arc<Api<S>>>,
    Path(write_key): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Settings>, Refusal> {
    if api.source(&write_key).is_none() {
        return Err(Refusal::UnknownWriteKey);
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST.as_str()).unwrap_or("localhost");
    let protocol = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let segment = Destination {
        api_key: write_key,
        api_host: format!("{host}/v1"),
        protocol,
        unbundled_integrations: [],
        add_bundled_metadata: true,
    };
    Ok(Json(Settings {
        integrations: Integrations { segment },
        analytics_next_enabled: true,
        metrics: SdkMetrics { sample_rate: 0.0 },
    }))
}
