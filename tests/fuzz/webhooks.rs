//! Headers of signed webhooks, by every scheme. Who is believed has signed this body, with this secret, lately.

use cdp_webhooks::{Headers, NotSigned};

use crate::fuzz_one_in;
use crate::memory::most_held;
use crate::seeds::{MOMENT, Scheme, schemes};

/// The bytes of eight signatures, and a header's fields.
const MEMORY_BYTES: usize = 1 << 20;
const HOUR_MS: i64 = 3_600_000;

const WORDS: [&[u8]; 20] = [
    b",v1=",
    b"v1,",
    b"sha256=",
    b"v0=",
    b"t=",
    b"t=1769851800",
    b"t=-1",
    b"t=9223372036854775808",
    b"1769851801",
    b",",
    b" ",
    b"=",
    b"\n",
    b"\n\n",
    b": ",
    b"webhook-id: msg_2\n",
    b"webhook-timestamp: +1769851800\n",
    b"x-hub-signature-256",
    "é".as_bytes(),
    b"\xff",
];

#[test]
fn a_call_is_believed_that_was_signed_with_the_secret_and_no_other() {
    for scheme in schemes() {
        fuzz_one_in(10, &scheme.calls(), &WORDS, |bytes| {
            let held = most_held(|| check(&scheme, bytes));
            assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
        });
    }
}

/// The headers, each on a line of its own, then an empty line and the body.
fn taken_apart(call: &[u8]) -> (Vec<(&str, &[u8])>, &[u8]) {
    let (mut headers, mut rest) = (vec![], call);
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        rest = after;
        if line.is_empty() {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii();
        headers.extend(std::str::from_utf8(&line[..colon]).ok().map(|name| (name, value)));
    }
    (headers, rest)
}

fn check(scheme: &Scheme, call: &[u8]) {
    let Scheme { webhook, stranger, signs_time, .. } = scheme;
    let (headers, body) = taken_apart(call);
    let headers = Headers::of(headers);
    match webhook.verify(&headers, body, MOMENT) {
        Ok(()) => {
            let longer = [body, b" "].concat();
            assert_eq!(webhook.verify(&headers, &longer, MOMENT), Err(NotSigned::Wrong));
            assert_eq!(stranger.verify(&headers, body, MOMENT), Err(NotSigned::Wrong));
            let later = webhook.verify(&headers, body, MOMENT.plus_ms(HOUR_MS));
            assert_eq!(matches!(later, Err(NotSigned::Stale { .. })), *signs_time, "{later:?}");
        }
        Err(error) => assert!(error.to_string().len() < 300, "{error}"),
    }
    let sound = scheme.headers(body);
    assert_eq!(webhook.verify(&Headers::of(taken_apart(sound.as_bytes()).0), body, MOMENT), Ok(()));
}
