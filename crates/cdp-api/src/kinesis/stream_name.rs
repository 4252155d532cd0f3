//! Which stream is meant: by name, by ARN, or both. A deployment has one.

use super::fault::{Fault, Kind};

/// A local platform has neither region nor account; clients show these and nothing checks them.
const ARN_PREFIX: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/";

pub(super) fn arn(name: &str) -> String {
    format!("{ARN_PREFIX}{name}")
}

pub(super) fn check(ours: &str, name: Option<&str>, arn: Option<&str>) -> Result<(), Fault> {
    let in_arn = arn.map(|arn| arn.rsplit_once('/').map_or(arn, |(_, name)| name));
    if name.or(in_arn).is_none() {
        return Err(Fault::constraint("streamName", "not be null"));
    }
    let missing = |name: &str| {
        let name: String = name.chars().take(128).collect();
        Fault::new(Kind::ResourceNotFound, format!("Stream {name} under account 000000000000 not found."))
    };
    [name, in_arn].into_iter().flatten().find(|asked| *asked != ours).map_or(Ok(()), |other| Err(missing(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_or_not_found() {
        for (name, arn, expected) in [
            (Some("events"), None, None),
            (None, Some("arn:aws:kinesis:eu-west-1:123456789012:stream/events"), None),
            (Some("events"), Some("arn:aws:kinesis:eu-west-1:123456789012:stream/events"), None),
            (Some("other"), None, Some(Kind::ResourceNotFound)),
            (Some("events"), Some("arn:aws:kinesis:eu-west-1:123456789012:stream/other"), Some(Kind::ResourceNotFound)),
            (None, None, Some(Kind::Validation)),
        ] {
            assert_eq!(check("events", name, arn).err().map(|fault| fault.kind), expected, "{name:?} {arn:?}");
        }
    }
}
