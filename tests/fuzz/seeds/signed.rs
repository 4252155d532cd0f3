//! Signed calls, signed here by what the senders' documentation says.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cdp_webhooks::Webhook;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{MOMENT, kinesis_json, webhooks};

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// [`MOMENT`], and its day.
const DATE: &str = "20260131T093000Z";
const DAY: &str = "20260131";

/// Of the Kinesis API: what a call's headers and its body say, apart from those that are always the same.
pub struct Call {
    pub signature: String,
    pub body: Vec<u8>,
    /// The headers `authorization` and `x-amz-date`, each on a line of its own, then the body.
    pub seed: Vec<u8>,
}

/// Headers of every call.
pub struct SigV4;

impl SigV4 {
    pub const KEY_ID: &str = KEY_ID;
    pub const SECRET: &str = SECRET;
    pub const DATE: &str = DATE;
    pub const HEADERS: [(&str, &str); 3] = [
        ("content-type", "application/x-amz-json-1.1"),
        ("host", "kinesis.example.com"),
        ("x-amz-target", "Kinesis_20131202.PutRecord"),
    ];
}

pub fn sigv4_calls() -> Vec<Call> {
    let put = kinesis_json().into_iter().find_map(|call| Some(call.strip_prefix(b"PutRecord\n")?.to_vec()));
    let bodies = [put.expect("an example"), br#"{"StreamName":"events","Data":"","PartitionKey":"k"}"#.to_vec()];
    let scopes = [("eu-central-1", "kinesis"), ("us-east-1", "any")];
    let signed = ["host;x-amz-date", "content-type;host;x-amz-date;x-amz-target"];
    let mut calls = Vec::new();
    for body in &bodies {
        for scope in scopes {
            calls.extend(signed.iter().map(|signed| sigv4_call(scope, signed, body)));
        }
    }
    calls
}

fn sigv4_call((region, service): (&str, &str), signed: &str, body: &[u8]) -> Call {
    let value = |name: &str| SigV4::HEADERS.iter().find(|(known, _)| *known == name).map_or(DATE, |(_, value)| *value);
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", value(name))).collect();
    let canonical = format!("POST\n/\n\n{headers}\n{signed}\n{}", hex(&Sha256::digest(body)));
    let scope = format!("{DAY}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{DATE}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
    let key = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| mac(&key, &[part.as_bytes()]));
    let signature = hex(&mac(&key, &[to_sign.as_bytes()]));
    let claim = format!("Credential={KEY_ID}/{scope}, SignedHeaders={signed}, Signature={signature}");
    let seed = [format!("AWS4-HMAC-SHA256 {claim}\n{DATE}\n").as_bytes(), body].concat();
    Call { signature, body: body.to_vec(), seed }
}

/// A webhook's way to sign.
pub struct Scheme {
    pub webhook: Webhook,
    /// Has another secret.
    pub stranger: Webhook,
    pub signs_time: bool,
    sign: fn(&[u8]) -> String,
}

impl Scheme {
    /// The headers of a call with this body, each on a line of its own, and an empty line.
    pub fn headers(&self, body: &[u8]) -> String {
        (self.sign)(body)
    }

    pub fn calls(&self) -> Vec<Vec<u8>> {
        webhooks().into_iter().map(|body| [self.headers(&body).as_bytes(), &body].concat()).collect()
    }
}

const HUSH: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The generic scheme as Standard Webhooks and as Slack have it.
pub fn schemes() -> [Scheme; 5] {
    let mapping = "\n[mapping]\nuser_id = 'id'\nevent = 'E'";
    let standard = "scheme = 'generic'\n[signature]\nheader = 'webhook-signature'\nprefix = 'v1,'\nencoding = 'base64'\n\
                    signs = '{webhook-id}.{timestamp}.{body}'\ntimestamp = 'webhook-timestamp'\nsecret = 'base64'";
    let slack = "scheme = 'generic'\n[signature]\nheader = 'X-Slack-Signature'\nprefix = 'v0='\n\
                 signs = 'v0:{timestamp}:{body}'\ntimestamp = 'X-Slack-Request-Timestamp'";
    [
        scheme(&format!("scheme = 'stripe'{mapping}"), true, stripe),
        scheme(&format!("scheme = 'shopify'{mapping}"), false, shopify),
        scheme(&format!("scheme = 'github'{mapping}"), false, github),
        scheme(standard, true, standard_webhooks),
        scheme(slack, true, slack_like),
    ]
}

fn scheme(settings: &str, signs_time: bool, sign: fn(&[u8]) -> String) -> Scheme {
    let settings = toml::from_str(settings).expect("settings");
    let webhook = |secret| Webhook::new("hook", &settings, [secret]).expect("sound");
    Scheme { webhook: webhook(HUSH), stranger: webhook("AAAA"), signs_time, sign }
}

fn now_s() -> i64 {
    MOMENT.as_ms() / 1000
}

fn stripe(body: &[u8]) -> String {
    let time = now_s();
    let signature = hex(&mac(HUSH.as_bytes(), &[format!("{time}.").as_bytes(), body]));
    format!("stripe-signature: t={time},v1={},v1={signature},v0=6ffb\n\n", "0".repeat(64))
}

fn shopify(body: &[u8]) -> String {
    format!("x-shopify-hmac-sha256: {}\n\n", STANDARD.encode(mac(HUSH.as_bytes(), &[body])))
}

fn github(body: &[u8]) -> String {
    format!("x-hub-signature-256: sha256={}\n\n", hex(&mac(HUSH.as_bytes(), &[body])))
}

fn standard_webhooks(body: &[u8]) -> String {
    let (time, key) = (now_s(), STANDARD.decode(HUSH).expect("base64"));
    let signature = STANDARD.encode(mac(&key, &[format!("msg_1.{time}.").as_bytes(), body]));
    format!("webhook-id: msg_1\nwebhook-timestamp: {time}\nwebhook-signature: v1a,AAAA v1,{signature}\n\n")
}

fn slack_like(body: &[u8]) -> String {
    let time = now_s();
    let signature = hex(&mac(HUSH.as_bytes(), &[format!("v0:{time}:").as_bytes(), body]));
    format!("x-slack-request-timestamp: {time}\nx-slack-signature: v0={signature}\n\n")
}

fn mac(key: &[u8], pieces: &[&[u8]]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    pieces.iter().fold(mac, |mac, piece| mac.chain_update(piece)).finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
