//! Webhooks: a third party's signed call becomes rows, and each row events, by the mapping of its source.
//!
//! A call is first verified as its sender's scheme says (`signature`), over the very bytes that came. Then its payload is cut
//! into rows (`payload`), which are those of a dropped file from there on. This crate is told what the time is, and what a
//! call's headers are; it knows nothing of HTTP, of streams, or of where secrets are kept.

mod settings;

mod signature;

mod again;
mod payload;
mod webhook;

pub use again::again;
pub use settings::{Algorithm, Encoding, Scheme, SecretEncoding, SettingsError, SignatureSettings, WebhookSettings};
pub use signature::{Headers, NotSigned};
pub use webhook::{BadSecret, Webhook};
