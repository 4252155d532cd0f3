//! The two codings of the Kinesis protocol. They differ in blobs and time stamps only: base64 and seconds in JSON, byte
//! strings and tagged milliseconds in CBOR.

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cdp_event::Timestamp;
use ciborium::tag::Accepted;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::fault::{Fault, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Cbor,
}

impl Format {
    pub fn of(headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if content_type.starts_with(b"application/x-amz-cbor") { Self::Cbor } else { Self::Json }
    }

    pub const fn content_type(self) -> axum::http::HeaderValue {
        match self {
            Self::Json => axum::http::HeaderValue::from_static("application/x-amz-json-1.1"),
            Self::Cbor => axum::http::HeaderValue::from_static("application/x-amz-cbor-1.1"),
        }
    }

    pub fn read<T: DeserializeOwned>(self, body: &[u8]) -> Result<T, Fault> {
        match self {
            Self::Json if body.is_empty() => serde_json::from_slice(b"{}").map_err(|error| error.to_string()),
            Self::Json => serde_json::from_slice(body).map_err(|error| error.to_string()),
            Self::Cbor => ciborium::from_reader(body).map_err(explain),
        }
        .map_err(Fault::serialization)
    }

    pub fn write<T: Serialize>(self, answer: &T) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Json => serde_json::to_vec(answer).map_err(|error| error.to_string()),
            Self::Cbor => {
                let mut bytes = Vec::new();
                ciborium::into_writer(answer, &mut bytes).map(|()| bytes).map_err(|error| error.to_string())
            }
        }
        .map_err(|error| Fault::new(Kind::InternalFailure, error))
    }
}

/// The library's own words are its types'.
fn explain(error: ciborium::de::Error<std::io::Error>) -> String {
    use ciborium::de::Error;
    match error {
        // The body is in memory: reading it fails where it ends.
        Error::Io(_) => "the body ends before its CBOR is whole".to_owned(),
        Error::Syntax(at) => format!("the body is no CBOR: byte {at} can't be read"),
        Error::Semantic(Some(at), what) => format!("{what}, at byte {at}"),
        Error::Semantic(None, what) => what,
        Error::RecursionLimitExceeded => "the body is nested too deeply".to_owned(),
    }
}

/// A record's data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Blob(pub Bytes);

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BlobVisitor;
        impl Visitor<'_> for BlobVisitor {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a blob")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Blob, E> {
                STANDARD.decode(text).map(|bytes| Blob(bytes.into())).map_err(|_| E::custom("a blob is not base64"))
            }
            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Blob, E> {
                Ok(Blob(bytes.into()))
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Blob, E> {
                Ok(Blob(Bytes::copy_from_slice(bytes)))
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(BlobVisitor)
        } else {
            deserializer.deserialize_byte_buf(BlobVisitor)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(pub Timestamp);

/// CBOR's tag for a time since 1970. AWS SDKs write milliseconds under it, where the RFC has seconds.
const EPOCH: u64 = 1;

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_f64(self.0.as_ms() as f64 / 1000.0)
        } else {
            Accepted::<i64, EPOCH>(self.0.as_ms()).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let is_json = deserializer.is_human_readable();
        let number = if is_json {
            Number::deserialize(deserializer)?
        } else {
            Accepted::<Number, EPOCH>::deserialize(deserializer)?.0
        };
        let ms = match number {
            Number::Whole(number) if is_json => number.saturating_mul(1000),
            Number::Whole(number) => number,
            // A fraction is of a second in either coding.
            Number::Real(seconds) if seconds.is_finite() => (seconds * 1000.0) as i64,
            Number::Real(_) => return Err(D::Error::custom("a time stamp is not finite")),
        };
        Ok(Self(Timestamp::from_ms(ms)))
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(i64),
    Real(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        blob: Blob,
        at: Moment,
    }

    fn sample() -> Sample {
        Sample { blob: Blob(Bytes::from_static(b"\x00\xff")), at: Moment(Timestamp::from_ms(1_700_000_000_123)) }
    }

    #[test]
    fn both_codings_give_back_what_they_took() {
        for format in [Format::Json, Format::Cbor] {
            let bytes = format.write(&sample()).expect("written");
            assert_eq!(format.read::<Sample>(&bytes).expect("read"), sample(), "{format:?}");
        }
    }

    #[test]
    fn blobs_and_times_look_as_aws_sdks_write_them() {
        let json = Format::Json.write(&sample()).expect("written");
        assert_eq!(json, br#"{"blob":"AP8=","at":1700000000.123}"#);
        let cbor = Format::Cbor.write(&sample()).expect("written");
        let expected =
            [b"\xa2\x64blob\x42\x00\xff\x62at\xc1\x1b".as_slice(), &1_700_000_000_123u64.to_be_bytes()].concat();
        assert_eq!(cbor, expected);
        for (text, ms) in [("1700000000", 1_700_000_000_000), ("1.7e9", 1_700_000_000_000), ("0.5", 500)] {
            assert_eq!(Format::Json.read::<Moment>(text.as_bytes()).expect("read").0.as_ms(), ms, "{text}");
        }
    }

    #[test]
    fn what_is_cut_or_nested_absurdly_is_refused() {
        let bytes = Format::Cbor.write(&sample()).expect("written");
        for length in 0..bytes.len() {
            assert!(Format::Cbor.read::<Sample>(&bytes[..length]).is_err(), "cut to {length}");
        }
        let deep = [0x81u8; 100_000];
        assert!(Format::Cbor.read::<Sample>(&deep).is_err());
        assert!(Format::Json.read::<Sample>("[".repeat(100_000).as_bytes()).is_err());
    }
}
