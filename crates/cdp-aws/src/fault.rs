//! A service's error as a fault of a port. Codes are those of the services' API references.

use std::error::Error;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use cdp_ports::{FaultKind, PortError};

/// An error that a service may answer with.
pub trait Faulty: Error + ProvideErrorMetadata + Send + Sync + 'static {}

impl<E: Error + ProvideErrorMetadata + Send + Sync + 'static> Faulty for E {}

/// `action`: what was being done, to what.
pub fn fault<E: Faulty>(action: impl Into<String>, error: SdkError<E, HttpResponse>) -> PortError {
    PortError::because(kind_of(&error), action, told(&error))
}

/// The service's own words, which name the action that is not allowed; or else what kept the request from an answer.
fn told<E: Faulty>(error: &SdkError<E, HttpResponse>) -> String {
    if let SdkError::ServiceError(answer) = error
        && let (Some(code), Some(message)) = (answer.err().code(), answer.err().message())
    {
        let request = answer.err().meta().extra("aws_request_id").map(|id| format!(" (request {id})"));
        return format!("{code}: {message}{}", request.unwrap_or_default());
    }
    let chain = std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (**error).source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn kind_of<E: Faulty>(error: &SdkError<E, HttpResponse>) -> FaultKind {
    match error {
        SdkError::ServiceError(answer) => {
            of_code(answer.err().code().unwrap_or_default(), answer.raw().status().as_u16())
        }
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => FaultKind::Busy,
        SdkError::DispatchFailure(failure) if failure.is_timeout() || failure.is_io() => FaultKind::Busy,
        // No credentials, or a setting that no request can be made of.
        _ => FaultKind::Broken,
    }
}

fn of_code(code: &str, status: u16) -> FaultKind {
    match code {
        "ConditionalCheckFailedException" | "PreconditionFailed" => FaultKind::Stale,
        "ResourceNotFoundException" | "NoSuchKey" | "NoSuchVersion" | "NoSuchBucket" => FaultKind::Missing,
        "ThrottlingException"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TooManyRequestsException"
        | "KMSThrottlingException"
        | "SlowDown"
        | "RequestThrottled"
        | "TransactionConflictException"
        | "TransactionInProgressException"
        | "ReplicatedWriteConflictException"
        | "ResourceInUseException"
        | "ExpiredIteratorException" => FaultKind::Busy,
        _ if status == 429 || status >= 500 => FaultKind::Busy,
        // The request's own fault: of what it brings, or of what a user asks for.
        "ValidationException"
        | "TransactionCanceledException"
        | "IdempotentParameterMismatchException"
        | "ItemCollectionSizeLimitExceededException"
        | "InvalidArgumentException"
        | "InvalidRequestException"
        | "InvalidParameterException"
        | "InvalidMessageContents"
        | "BatchRequestTooLong"
        | "InvalidArgument"
        | "InvalidRange"
        | "EntityTooLarge"
        | "KeyTooLongError" => FaultKind::Refused,
        // An answer to HEAD has no body, and so no code. All else, such as rights, credentials, clocks and keys of KMS, is not
        // mended by another request, and no record may be blamed for it.
        _ => match status {
            404 => FaultKind::Missing,
            412 => FaultKind::Stale,
            416 => FaultKind::Refused,
            _ => FaultKind::Broken,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_a_next_step() {
        for (code, status, expected) in [
            ("ConditionalCheckFailedException", 400, FaultKind::Stale),
            ("ProvisionedThroughputExceededException", 400, FaultKind::Busy),
            ("TransactionConflictException", 400, FaultKind::Busy),
            ("TooManyRequestsException", 400, FaultKind::Busy),
            ("InternalServerError", 500, FaultKind::Busy),
            ("", 503, FaultKind::Busy),
            ("", 429, FaultKind::Busy),
            ("ResourceNotFoundException", 400, FaultKind::Missing),
            ("NoSuchVersion", 404, FaultKind::Missing),
            ("NotFound", 404, FaultKind::Missing),
            ("PreconditionFailed", 412, FaultKind::Stale),
            ("", 412, FaultKind::Stale),
            ("", 403, FaultKind::Broken),
            ("AccessDeniedException", 400, FaultKind::Broken),
            ("ExpiredTokenException", 400, FaultKind::Broken),
            ("KMSDisabledException", 400, FaultKind::Broken),
            ("RequestExpired", 400, FaultKind::Broken),
            ("", 400, FaultKind::Broken),
            ("RequestThrottled", 400, FaultKind::Busy),
            ("ValidationException", 400, FaultKind::Refused),
            ("InvalidRange", 416, FaultKind::Refused),
            ("", 416, FaultKind::Refused),
        ] {
            assert_eq!(of_code(code, status), expected, "{code} {status}");
        }
    }
}
