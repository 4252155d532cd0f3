//! Whether a call was signed by who holds the secret, and lately. Every scheme is one of these: an HMAC over the body and
//! perhaps a time, in a header.

use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use cdp_event::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

use crate::settings::{Algorithm, Encoding, SecretEncoding, SignatureSettings, is_header};

/// A sender that renews its secret signs with two. Nobody needs more, and each costs a look at the body.
const MOST_SIGNATURES: usize = 8;

/// A call's headers, by names in small letters.
#[derive(Clone, Debug, Default)]
pub struct Headers<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Headers<'a> {
    /// What is no text is left out: no scheme has such.
    pub fn of(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let text = |(name, value)| Some((name, std::str::from_utf8(value).ok()?));
        Self(headers.into_iter().filter_map(text).collect())
    }

    /// Of a header that is there twice, the first.
    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }
}

/// Why a call is not believed. It tells what was missing or wrong, never what would be right.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotSigned {
    #[error("there is no header `{0}`; send what the webhook's signature needs")]
    NoHeader(String),
    #[error("the header `{header}` has no signature in {encoding} after {prefix:?}; sign as the webhook's scheme says")]
    Unreadable { header: String, encoding: &'static str, prefix: String },
    #[error("`{0}` has no time in seconds since 1970; send the time that was signed")]
    NoTime(String),
    #[error("the signature is not that of this body; sign the bytes that are sent, with this webhook's secret")]
    Wrong,
    #[error("the call was signed {away_s} s from now, beyond {tolerance_s} s; sign it anew, and set the clocks")]
    Stale { away_s: u64, tolerance_s: u64 },
}

/// A key that does not print itself.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Signature {
    header: String,
    algorithm: Algorithm,
    encoding: Encoding,
    prefix: String,
    separator: Option<char>,
    signs: Vec<Piece>,
    time: Option<TimePlace>,
    secret: SecretEncoding,
}

/// A piece of what is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Header(String),
    Time,
    Body,
}

#[derive(Clone, Debug)]
enum TimePlace {
    Header(String),
    /// A field of the signature's header, which begins so.
    Field(String),
}

impl Signature {
    /// The error is the setting's key, the problem, and the remedy.
    pub fn compile(settings: &SignatureSettings) -> Result<Self, (&'static str, String, &'static str)> {
        let SignatureSettings { header, algorithm, encoding, prefix, separator, secret, .. } = settings.clone();
        for (key, name) in [("header", Some(&header)), ("timestamp", settings.timestamp.as_ref())] {
            if let Some(name) = name.filter(|name| !is_header(name)) {
                return Err((key, format!("{name:?} is no header's name"), "use letters, digits, `-` and `_`"));
            }
        }
        let time = match (&settings.timestamp, &settings.timestamp_field) {
            (Some(_), Some(_)) => {
                let problem = "the time is in a header of its own, and in the signature's".to_owned();
                return Err(("timestamp_field", problem, "set one of them"));
            }
            (Some(header), None) => Some(TimePlace::Header(header.clone())),
            (None, Some(field)) => Some(TimePlace::Field(field.clone())),
            (None, None) => None,
        };
        let signs = pieces(&settings.signs)?;
        match (time.is_some(), signs.contains(&Piece::Time)) {
            (true, false) => Err(("signs", "the time is not signed".to_owned(), "put {timestamp} where it is signed")),
            (false, true) => {
                let remedy = "name the header, or the field in timestamp_field";
                Err(("timestamp", "nothing says where the time is".to_owned(), remedy))
            }
            (true, true) | (false, false) => {
                Ok(Self { header, algorithm, encoding, prefix, separator, signs, time, secret })
            }
        }
    }

    /// `None`: it is not written as the settings say.
    pub fn key(&self, secret: &str) -> Option<Key> {
        let key = match self.secret {
            SecretEncoding::Text => Some(secret.as_bytes().to_vec()),
            SecretEncoding::Hex => Encoding::Hex.decode(secret),
            SecretEncoding::Base64 => Encoding::Base64.decode(secret),
        };
        key.filter(|key| !key.is_empty()).map(Key)
    }

    pub fn verify(
        &self,
        keys: &[Key],
        headers: &Headers<'_>,
        body: &[u8],
        now: Timestamp,
        tolerance: Duration,
    ) -> Result<(), NotSigned> {
        let header = |name: &str| headers.get(name).ok_or_else(|| NotSigned::NoHeader(name.to_owned()));
        let fields = header(&self.header)?;
        let signatures: Vec<Vec<u8>> = self.signatures(fields).take(MOST_SIGNATURES).collect();
        if signatures.is_empty() {
            let (header, prefix) = (self.header.clone(), self.prefix.clone());
            return Err(NotSigned::Unreadable { header, encoding: self.encoding.as_str(), prefix });
        }
        let time = match &self.time {
            Some(TimePlace::Header(name)) => Some((header(name)?, name)),
            Some(TimePlace::Field(start)) => {
                let found = self.fields(fields).find_map(|field| field.strip_prefix(start.as_str()));
                Some((found.ok_or_else(|| NotSigned::NoTime(self.header.clone()))?, &self.header))
            }
            None => None,
        };
        let mut signed: Vec<&[u8]> = Vec::with_capacity(self.signs.len());
        for piece in &self.signs {
            signed.push(match piece {
                Piece::Text(text) => text.as_bytes(),
                Piece::Header(name) => header(name)?.as_bytes(),
                Piece::Time => time.map_or("", |(time, _)| time).as_bytes(),
                Piece::Body => body,
            });
        }
        if !keys.iter().any(|key| self.algorithm.is_one(key, &signed, &signatures)) {
            return Err(NotSigned::Wrong);
        }
        // Said only to who holds the secret.
        time.map_or(Ok(()), |(time, place)| check_time(time, place, now, tolerance))
    }

    fn fields<'h>(&self, header: &'h str) -> impl Iterator<Item = &'h str> {
        let is_between = move |c: char| self.separator.map_or_else(|| c.is_whitespace(), |separator| c == separator);
        header.split(is_between).map(str::trim)
    }

    fn signatures(&self, header: &str) -> impl Iterator<Item = Vec<u8>> {
        self.fields(header).filter_map(|field| self.encoding.decode(field.strip_prefix(self.prefix.as_str())?))
    }
}

fn check_time(time: &str, place: &str, now: Timestamp, tolerance: Duration) -> Result<(), NotSigned> {
    let seconds: i64 = time.parse().map_err(|_| NotSigned::NoTime(place.to_owned()))?;
    let away_s = (now.as_ms() / 1000).abs_diff(seconds);
    let tolerance_s = tolerance.as_secs();
    if away_s > tolerance_s { Err(NotSigned::Stale { away_s, tolerance_s }) } else { Ok(()) }
}

/// `v0:{timestamp}:{body}`, taken apart.
fn pieces(form: &str) -> Result<Vec<Piece>, (&'static str, String, &'static str)> {
    let unpaired =
        || ("signs", format!("{form:?} has a brace without its other half"), "write it as {timestamp}.{body}");
    let mut pieces = Vec::new();
    let mut rest = form;
    while let Some((text, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(unpaired)?;
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        pieces.push(match name {
            "body" => Piece::Body,
            "timestamp" => Piece::Time,
            name if is_header(name) => Piece::Header(name.to_owned()),
            name => return Err(("signs", format!("{name:?} is no header's name"), "use letters, digits, `-` and `_`")),
        });
        rest = after;
    }
    if rest.contains('}') {
        return Err(unpaired());
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    if pieces.contains(&Piece::Body) {
        return Ok(pieces);
    }
    Err(("signs", format!("{form:?} does not sign the body"), "put {body} where it is signed"))
}

impl Algorithm {
    fn is_one(self, key: &Key, signed: &[&[u8]], signatures: &[Vec<u8>]) -> bool {
        match self {
            Self::Sha1 => is_one::<Hmac<Sha1>>(key, signed, signatures),
            Self::Sha256 => is_one::<Hmac<Sha256>>(key, signed, signatures),
            Self::Sha512 => is_one::<Hmac<Sha512>>(key, signed, signatures),
        }
    }
}

/// Compared in constant time.
fn is_one<M: Mac + KeyInit + Clone>(Key(key): &Key, signed: &[&[u8]], signatures: &[Vec<u8>]) -> bool {
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else { return false };
    signed.iter().for_each(|piece| mac.update(piece));
    signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
}

/// Some senders leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Encoding {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Hex => "hex",
            Self::Base64 => "base64",
        }
    }

    /// `None` also for nothing.
    fn decode(self, text: &str) -> Option<Vec<u8>> {
        let bytes = match self {
            Self::Hex => unhex(text),
            Self::Base64 => BASE64.decode(text).ok(),
        };
        bytes.filter(|bytes| !bytes.is_empty())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::WebhookSettings;

    fn check(
        settings: &str,
        secrets: &[&str],
        headers: &[(&str, &str)],
        body: &[u8],
        now_s: i64,
    ) -> Result<(), NotSigned> {
        let settings: WebhookSettings = toml::from_str(settings).expect("settings");
        let signature = Signature::compile(&settings.signature().expect("a signature")).expect("sound");
        let keys: Vec<Key> = secrets.iter().map(|secret| signature.key(secret).expect("a key")).collect();
        let headers = Headers::of(headers.iter().map(|(name, value)| (*name, value.as_bytes())));
        signature.verify(&keys, &headers, body, Timestamp::from_ms(now_s * 1000), settings.tolerance())
    }

    fn wrong_or(encoding: &'static str, header: &str, prefix: &str) -> NotSigned {
        NotSigned::Unreadable { header: header.into(), encoding, prefix: prefix.into() }
    }

    #[test]
    fn github_as_its_documentation_has_it() {
        let secret = "It's a Secret to Everybody";
        let digits = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let sound = format!("sha256={digits}");
        let header = "x-hub-signature-256";
        for (secrets, value, body, expected) in [
            (&[secret][..], sound.as_str(), "Hello, World!", Ok(())),
            (&["another one", secret], &sound, "Hello, World!", Ok(())),
            (&[secret], &sound.to_uppercase().replace("SHA", "sha"), "Hello, World!", Ok(())),
            (&[secret], &sound, "Hello, World", Err(NotSigned::Wrong)),
            (&[secret], &sound, "", Err(NotSigned::Wrong)),
            (&["another one"], &sound, "Hello, World!", Err(NotSigned::Wrong)),
            (&[secret], &sound[..sound.len() - 2], "Hello, World!", Err(NotSigned::Wrong)),
            (&[secret], &format!("{sound}00"), "Hello, World!", Err(NotSigned::Wrong)),
            (&[secret], digits, "Hello, World!", Err(wrong_or("hex", header, "sha256="))),
            (&[secret], "sha256=", "Hello, World!", Err(wrong_or("hex", header, "sha256="))),
            (&[secret], "sha256=757", "Hello, World!", Err(wrong_or("hex", header, "sha256="))),
            (&[secret], "sha256=zz", "Hello, World!", Err(wrong_or("hex", header, "sha256="))),
            (&[secret], "sha256=é0", "Hello, World!", Err(wrong_or("hex", header, "sha256="))),
            (&[secret], "sha1=757107ea", "Hello, World!", Err(wrong_or("hex", header, "sha256="))),
        ] {
            let told = check("scheme = 'github'", secrets, &[("X-Hub-Signature-256", value)], body.as_bytes(), 0);
            assert_eq!(told, expected, "{value} {body}");
        }
        let none = check("scheme = 'github'", &[secret], &[], b"", 0);
        assert_eq!(none, Err(NotSigned::NoHeader(header.to_owned())));
    }

    /// Made with `hmac.new(b"whsec_test_secret", b"1700000000." + body, sha256)`.
    #[test]
    fn stripe_signs_a_time_and_may_sign_twice() {
        const SIGNED: &str = "248a374f50f943a28b0f6ab50faf9a7e7e29b710fa26df9fb1618b9bf8ea9c9a";
        let body = br#"{"id":"evt_1"}"#;
        let now = 1_700_000_000;
        let sound = format!("t=1700000000,v1={SIGNED}");
        let other = "0".repeat(64);
        let missing = Err(NotSigned::NoTime("stripe-signature".into()));
        let stale = |away_s| Err(NotSigned::Stale { away_s, tolerance_s: 300 });
        for (value, now, expected) in [
            (sound.clone(), now, Ok(())),
            (sound.clone(), now + 300, Ok(())),
            (sound.clone(), now - 300, Ok(())),
            (sound.clone(), now + 301, stale(301)),
            (sound.clone(), now - 301, stale(301)),
            (format!("t=1700000000,v1={other},v1={SIGNED},v0=6ffb"), now, Ok(())),
            (format!("v1={SIGNED}, t=1700000000"), now, Ok(())),
            (format!("t=1700000000,v1={other}"), now, Err(NotSigned::Wrong)),
            (format!("t=1700000001,v1={SIGNED}"), now, Err(NotSigned::Wrong)),
            (format!("t=,v1={SIGNED}"), now, Err(NotSigned::Wrong)),
            (format!("v1={SIGNED}"), now, missing),
            (format!("t=1700000000,v0={SIGNED}"), now, Err(wrong_or("hex", "stripe-signature", "v1="))),
            (String::new(), now, Err(wrong_or("hex", "stripe-signature", "v1="))),
        ] {
            let told = check("scheme = 'stripe'", &["whsec_test_secret"], &[("stripe-signature", &value)], body, now);
            assert_eq!(told, expected, "{value} {now}");
        }
        let patient = "scheme = 'stripe'\ntolerance_s = 600";
        let late = check(patient, &["whsec_test_secret"], &[("stripe-signature", &sound)], body, now + 600);
        assert_eq!(late, Ok(()));
    }

    /// Made with `base64(hmac.new(b"hush", body, sha256))`.
    #[test]
    fn shopify_signs_the_raw_body_in_base64() {
        const SIGNED: &str = "0sOxnwZWiLvlYV5Te0B7kMO1JeGOfgJcW+t1EvcakN4=";
        let body = "{\"id\": 1,  \"name\":\"ü\"}";
        for (value, body, expected) in [
            (SIGNED, body, Ok(())),
            (SIGNED.trim_end_matches('='), body, Ok(())),
            (SIGNED, "{\"id\":1,\"name\":\"ü\"}", Err(NotSigned::Wrong)),
            ("AAAA", body, Err(NotSigned::Wrong)),
            ("!", body, Err(wrong_or("base64", "x-shopify-hmac-sha256", ""))),
        ] {
            let told = check("scheme = 'shopify'", &["hush"], &[("x-shopify-hmac-sha256", value)], body.as_bytes(), 0);
            assert_eq!(told, expected, "{value} {body}");
        }
    }

    /// The first three have their vectors in public documentation: Standard Webhooks, Slack, and RFC 2202's second case.
    #[test]
    fn a_generic_scheme_is_described_by_its_settings() {
        let standard = "scheme = 'generic'\n[signature]\nheader = 'webhook-signature'\nprefix = 'v1,'\nencoding = 'base64'\n\
                        signs = '{webhook-id}.{timestamp}.{body}'\ntimestamp = 'webhook-timestamp'\nsecret = 'base64'";
        let headers = |signature: &'static str| {
            [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", signature),
            ]
        };
        let secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let body = br#"{"test": 2432232314}"#;
        for (signature, now_s, expected) in [
            ("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1_614_265_330, Ok(())),
            ("v1a,AAAA v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 1_614_265_330, Ok(())),
            ("v1,AAAA", 1_614_265_330, Err(NotSigned::Wrong)),
            (
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
                1_614_275_330,
                Err(NotSigned::Stale { away_s: 10_000, tolerance_s: 300 }),
            ),
        ] {
            assert_eq!(check(standard, &[secret], &headers(signature), body, now_s), expected, "{signature}");
        }
        let without_id = check(standard, &[secret], &headers("v1,AAAA")[1..], body, 1_614_265_330);
        assert_eq!(without_id, Err(NotSigned::NoHeader("webhook-id".into())));
        let without_time = check(standard, &[secret], &[headers("v1,AAAA")[0], headers("v1,AAAA")[2]], body, 0);
        assert_eq!(without_time, Err(NotSigned::NoHeader("webhook-timestamp".into())));

        let slack = "scheme = 'generic'\n[signature]\nheader = 'X-Slack-Signature'\nprefix = 'v0='\n\
                     signs = 'v0:{timestamp}:{body}'\ntimestamp = 'X-Slack-Request-Timestamp'";
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        let headers = [
            ("x-slack-request-timestamp", "1531420618"),
            ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ];
        let told = check(slack, &["8f742231b10e8888abcd99yyyzzz85a5"], &headers, body.as_bytes(), 1_531_420_618);
        assert_eq!(told, Ok(()));

        let sha1 = "scheme = 'generic'\n[signature]\nheader = 'x-signature'\nalgorithm = 'sha1'";
        let headers = [("x-signature", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79")];
        assert_eq!(check(sha1, &["Jefe"], &headers, b"what do ya want for nothing?", 0), Ok(()));

        let sha512 = "scheme = 'generic'\n[signature]\nheader = 'x-signature'\nalgorithm = 'sha512'\nsecret = 'hex'";
        let headers = [(
            "x-signature",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        )];
        assert_eq!(check(sha512, &["4a656665"], &headers, b"what do ya want for nothing?", 0), Ok(()));
    }

    #[test]
    fn a_key_that_is_not_as_it_is_said_to_be_is_none() {
        let signature = |secret| {
            let settings = SignatureSettings { secret, ..WEB.clone() };
            Signature::compile(&settings).expect("sound")
        };
        for (encoding, secret, is_key) in [
            (SecretEncoding::Text, "any", true),
            (SecretEncoding::Text, "", false),
            (SecretEncoding::Hex, "00ff", true),
            (SecretEncoding::Hex, "00f", false),
            (SecretEncoding::Base64, "AAAA", true),
            (SecretEncoding::Base64, "whsec_!", false),
        ] {
            assert_eq!(signature(encoding).key(secret).is_some(), is_key, "{encoding:?} {secret}");
        }
        let key = signature(SecretEncoding::Text).key("hush").expect("a key");
        assert!(!format!("{key:?}").contains("hush"));
    }

    static WEB: std::sync::LazyLock<SignatureSettings> =
        std::sync::LazyLock::new(|| toml::from_str("header = 'x-signature'").expect("settings"));
}
