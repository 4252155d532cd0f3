//! Errors as Kinesis names them, so that SDKs raise the exceptions that their users catch.

use axum::http::StatusCode;
use cdp_ports::{FaultKind, PortError};
use serde::Serialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ResourceNotFound,
    Validation,
    InvalidArgument,
    Serialization,
    UnknownOperation,
    ExpiredIterator,
    ThroughputExceeded,
    MissingAuthentication,
    IncompleteSignature,
    UnrecognizedClient,
    InvalidSignature,
    InternalFailure,
}

#[derive(Debug)]
pub(super) struct Fault {
    pub kind: Kind,
    pub message: String,
    /// For the log only.
    pub cause: Option<String>,
}

#[derive(Serialize)]
pub(super) struct FaultView<'a> {
    #[serde(rename = "__type")]
    kind: &'static str,
    message: &'a str,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResourceNotFound => "ResourceNotFoundException",
            Self::Validation => "ValidationException",
            Self::InvalidArgument => "InvalidArgumentException",
            Self::Serialization => "SerializationException",
            Self::UnknownOperation => "UnknownOperationException",
            Self::ExpiredIterator => "ExpiredIteratorException",
            Self::ThroughputExceeded => "ProvisionedThroughputExceededException",
            Self::MissingAuthentication => "MissingAuthenticationTokenException",
            Self::IncompleteSignature => "IncompleteSignatureException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::InvalidSignature => "InvalidSignatureException",
            Self::InternalFailure => "InternalFailure",
        }
    }

    pub const fn status(self) -> StatusCode {
        match self {
            Self::InternalFailure => StatusCode::INTERNAL_SERVER_ERROR,
            Self::ResourceNotFound
            | Self::Validation
            | Self::InvalidArgument
            | Self::Serialization
            | Self::UnknownOperation
            | Self::ExpiredIterator
            | Self::ThroughputExceeded
            | Self::MissingAuthentication
            | Self::IncompleteSignature
            | Self::UnrecognizedClient
            | Self::InvalidSignature => StatusCode::BAD_REQUEST,
        }
    }
}

impl Fault {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    pub fn serialization(message: impl Into<String>) -> Self {
        Self::new(Kind::Serialization, message)
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, message)
    }

    pub fn unknown_operation(name: &str) -> Self {
        Self::new(Kind::UnknownOperation, format!("no such operation: {}", name.chars().take(80).collect::<String>()))
    }

    /// In the words of AWS, which some clients parse.
    pub fn constraint(field: &str, constraint: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must {constraint}"
        );
        Self::new(Kind::Validation, message)
    }

    pub fn view(&self) -> FaultView<'_> {
        FaultView { kind: self.kind.as_str(), message: &self.message }
    }
}

/// What a fault of the stream means for an AWS SDK: throttling and internal failures are tried again, others are not.
impl From<PortError> for Fault {
    fn from(error: PortError) -> Self {
        match error.kind {
            FaultKind::Busy => Self::new(Kind::ThroughputExceeded, "Rate exceeded for the stream; try again later."),
            FaultKind::Missing => Self::new(Kind::ResourceNotFound, error.action),
            FaultKind::Refused => Self::new(Kind::Validation, error.to_string()),
            FaultKind::Stale | FaultKind::Broken => {
                let fault = Self::new(Kind::InternalFailure, "The stream can't be used now.");
                Self { cause: Some(error.to_string()), ..fault }
            }
        }
    }
}
