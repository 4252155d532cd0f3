//! Signature version 4: whoever sends must hold the secret of a configured access key. Without configured keys anyone may.

use std::collections::HashSet;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use cdp_event::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::fault::{Fault, Kind};
use crate::AccessKey;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TOLERATED_MS: i64 = 15 * 60 * 1000;

pub(super) fn check(keys: &[AccessKey], parts: &Parts, body: &[u8], now: Timestamp) -> Result<(), Fault> {
    if keys.is_empty() {
        return Ok(());
    }
    let authorization = header(&parts.headers, "authorization")
        .ok_or_else(|| Fault::new(Kind::MissingAuthentication, "Missing Authentication Token"))?;
    let claim = Claim::parse(authorization).ok_or_else(|| {
        Fault::new(
            Kind::IncompleteSignature,
            format!(
                "The Authorization header is not of the form {ALGORITHM} Credential=…, SignedHeaders=…, Signature=…"
            ),
        )
    })?;
    let key = keys.iter().find(|key| key.id == claim.key_id).ok_or_else(|| {
        Fault::new(Kind::UnrecognizedClient, "The security token included in the request is invalid.")
    })?;
    let sent_at = header(&parts.headers, "x-amz-date").unwrap_or_default();
    let is_recent = moment(sent_at).is_some_and(|sent| (now.as_ms() - sent.as_ms()).abs() <= TOLERATED_MS);
    if !is_recent || !sent_at.starts_with(claim.date) {
        return Err(invalid("Signature expired: `x-amz-date` is not within 15 minutes of this machine's time."));
    }
    let signed = string_to_sign(&claim, sent_at, &canonical_request(&claim, parts, body));
    if !claim.is_signed_with(key.secret.expose(), &signed) {
        return Err(invalid("The request signature we calculated does not match the signature you provided."));
    }
    Ok(())
}

/// What the Authorization header says.
struct Claim<'a> {
    key_id: &'a str,
    /// `20260131`.
    date: &'a str,
    region: &'a str,
    service: &'a str,
    /// Invariant: names with semicolons between, each once.
    signed_headers: &'a str,
    signature: Vec<u8>,
}

impl<'a> Claim<'a> {
    fn parse(authorization: &'a str) -> Option<Self> {
        let fields = authorization.strip_prefix(ALGORITHM)?;
        let field = |name: &str| fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential")?.rsplitn(5, '/');
        let (end, service, region, date, key_id) =
            (scope.next()?, scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        let signed_headers = field("SignedHeaders")?;
        let signature = unhex(field("Signature")?)?;
        let is_sound = end == "aws4_request" && are_different(signed_headers.split(';'));
        is_sound.then_some(Self { key_id, date, region, service, signed_headers, signature })
    }

    fn scope(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }

    fn is_signed_with(&self, secret: &str, signed: &str) -> bool {
        let start = format!("AWS4{secret}").into_bytes();
        let key = [self.date, self.region, self.service, "aws4_request"]
            .into_iter()
            .try_fold(start, |key, part| Some(mac(&key, part)?.finalize().into_bytes().to_vec()));
        key.and_then(|key| mac(&key, signed)).is_some_and(|mac| mac.verify_slice(&self.signature).is_ok())
    }
}

/// What is signed holds a header as often as it is named: a large one that is named over and over would fill the memory.
fn are_different<'n>(mut names: impl Iterator<Item = &'n str>) -> bool {
    let mut seen = HashSet::new();
    names.all(|name| seen.insert(name.to_ascii_lowercase()))
}

fn canonical_request(claim: &Claim<'_>, parts: &Parts, body: &[u8]) -> String {
    let mut headers = String::new();
    for name in claim.signed_headers.split(';') {
        let values: Vec<String> = parts.headers.get_all(name).iter().map(|value| collapse(value.as_bytes())).collect();
        // HTTP/2 has no `host`.
        let value = match (name, values.is_empty(), parts.uri.authority()) {
            ("host", true, Some(authority)) => authority.to_string(),
            _ => values.join(","),
        };
        headers.push_str(&format!("{name}:{value}\n"));
    }
    let mut query: Vec<&str> =
        parts.uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    [
        parts.method.as_str(),
        parts.uri.path(),
        &query.join("&"),
        &headers,
        claim.signed_headers,
        &hex(&Sha256::digest(body)),
    ]
    .join("\n")
}

fn string_to_sign(claim: &Claim<'_>, sent_at: &str, canonical_request: &str) -> String {
    [ALGORITHM, sent_at, &claim.scope(), &hex(&Sha256::digest(canonical_request))].join("\n")
}

fn mac(key: &[u8], text: &str) -> Option<Hmac<Sha256>> {
    Some(Hmac::<Sha256>::new_from_slice(key).ok()?.chain_update(text))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Without space around, and with single spaces inside.
fn collapse(value: &[u8]) -> String {
    String::from_utf8_lossy(value).split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// `20260131T093000Z`.
fn moment(text: &str) -> Option<Timestamp> {
    let part = |from: usize, to: usize| text.get(from..to);
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(9, 11)?, part(11, 13)?, part(13, 15)?);
    (text.len() == 16).then(|| format!("{year}-{month}-{day}T{hour}:{minute}:{second}.000Z").parse().ok())?
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    if digits.len().is_multiple_of(2) { pairs.collect() } else { None }
}

fn invalid(message: &str) -> Fault {
    Fault::new(Kind::InvalidSignature, message)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::Secret;

    /// The example of AWS's documentation of the signing process (`get-vanilla` of its test suite, as a POST with a body
    /// of no bytes): key AKIDEXAMPLE, 2015-08-30, us-east-1, service.
    fn vanilla(authorization: &str) -> Parts {
        let request = Request::get("/")
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .header("authorization", authorization);
        request.body(()).expect("a request").into_parts().0
    }

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                          SignedHeaders=host;x-amz-date, \
                          Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

    fn checked(authorization: &str, body: &[u8], now: &str) -> Option<Kind> {
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let keys = [AccessKey { id: "AKIDEXAMPLE".into(), secret }];
        check(&keys, &vanilla(authorization), body, now.parse().expect("a time")).err().map(|fault| fault.kind)
    }

    #[test]
    fn a_signature_counts_for_its_request_its_key_and_its_time() {
        let now = "2015-08-30T12:40:00.000Z";
        assert_eq!(checked(SIGNED, b"", now), None);
        assert_eq!(checked(SIGNED, b"x", now), Some(Kind::InvalidSignature));
        assert_eq!(checked(SIGNED, b"", "2015-08-30T12:51:01.000Z"), Some(Kind::InvalidSignature));
        assert_eq!(checked(&SIGNED.replace("us-east-1", "eu-west-1"), b"", now), Some(Kind::InvalidSignature));
        assert_eq!(checked(&SIGNED.replace("AKIDEXAMPLE", "AKIDOTHER"), b"", now), Some(Kind::UnrecognizedClient));
        assert_eq!(checked(&SIGNED.replace("Signature=5f", "Signature=5g"), b"", now), Some(Kind::IncompleteSignature));
        let twice = SIGNED.replace("SignedHeaders=host", "SignedHeaders=host;Host");
        assert_eq!(checked(&twice, b"", now), Some(Kind::IncompleteSignature));
        assert_eq!(checked("Basic abc", b"", now), Some(Kind::IncompleteSignature));
        assert!(check(&[], &vanilla(""), b"", "2015-08-30T12:40:00.000Z".parse().expect("a time")).is_ok());
    }
}
