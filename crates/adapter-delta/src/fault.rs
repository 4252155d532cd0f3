//! Which fault an error of the store is, however deep in others it stands.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use cdp_ports::FaultKind;
use delta_kernel::KernelError;
use object_store::client::HttpError;

const MAY_NOT: &str = " (to read, allow it s3:GetObject below the lake's prefix, and s3:ListBucket in its bucket; to write, s3:PutObject and s3:DeleteObject, too)";
const NOBODY: &str = " (give the process a role, or run `aws configure` or `aws sso login`)";

pub(crate) fn fault_of(error: &(dyn Error + 'static)) -> FaultKind {
    chain(error).find_map(fault).unwrap_or(FaultKind::Broken)
}

/// What to do about it, in words that go after the error's own.
pub(crate) fn remedy(error: &(dyn Error + 'static)) -> &'static str {
    let remedy = |error: &(dyn Error + 'static)| match status(error) {
        Some(403) => Some(MAY_NOT),
        Some(401) => Some(NOBODY),
        _ => error.downcast_ref().is_some_and(has_no_credentials).then_some(NOBODY),
    };
    chain(error).find_map(remedy).unwrap_or("")
}

/// The error, what caused it, what caused that, and so on.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    match error.downcast_ref() {
        // It does not call it its source.
        Some(KernelError::ObjectStore(store)) => Some(store),
        _ => error.source(),
    }
}

fn fault(error: &(dyn Error + 'static)) -> Option<FaultKind> {
    if let Some(KernelError::FileNotFound(_)) = error.downcast_ref() {
        return Some(FaultKind::Missing);
    }
    if let Some(error) = error.downcast_ref() {
        return fault_of_store(error);
    }
    if let Some(error) = error.downcast_ref() {
        return Some(if has_no_credentials(error) { FaultKind::Broken } else { FaultKind::Busy });
    }
    // A connection that failed, or took too long.
    if error.is::<HttpError>() {
        return Some(FaultKind::Busy);
    }
    status(error).map(|status| match status {
        401 | 403 => FaultKind::Broken,
        404 => FaultKind::Missing,
        408 | 429 | 500.. => FaultKind::Busy,
        _ => FaultKind::Refused,
    })
}

/// `None`: its cause says more.
fn fault_of_store(error: &object_store::Error) -> Option<FaultKind> {
    use object_store::Error as Store;
    match error {
        Store::NotFound { .. } => Some(FaultKind::Missing),
        Store::AlreadyExists { .. } | Store::Precondition { .. } | Store::NotModified { .. } => Some(FaultKind::Stale),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => Some(FaultKind::Broken),
        Store::InvalidPath { .. } => Some(FaultKind::Refused),
        _ => None,
    }
}

fn has_no_credentials(error: &CredentialsError) -> bool {
    matches!(error, CredentialsError::CredentialsNotLoaded(_) | CredentialsError::InvalidConfiguration(_))
}

/// The HTTP status of an answer, in the words of object_store, which tells it in no other way.
fn status(error: &(dyn Error + 'static)) -> Option<u16> {
    let text = error.to_string();
    // A success whose body says `SlowDown`.
    if text.starts_with("Server returned error response: ") {
        return Some(503);
    }
    // The bucket is in another region than ours.
    if text.starts_with("Received redirect without LOCATION") {
        return Some(301);
    }
    text.strip_prefix("Server returned non-2xx status code: ")?.get(..3)?.parse().ok()
}
