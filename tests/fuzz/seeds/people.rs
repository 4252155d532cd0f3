//! Records that are taken: a few people with a few devices, so that damage is in what joins them too.

use cdp_event::{Envelope, EventKind, aggregate};

use super::MOMENT;

/// Events as they are, in envelopes, and in KPL aggregates.
pub fn people() -> Vec<Vec<u8>> {
    let events: Vec<Vec<u8>> = (0..60).map(|n| sound_event(n).into_bytes()).collect();
    let envelope = Envelope {
        sent_at: Some(MOMENT),
        kind: Some(EventKind::Track),
        context: Some(r#"{"ip":"10.0.0.1"}"#.to_owned()),
        ..Envelope::new("web".to_owned(), MOMENT)
    };
    let wrapped: Vec<Vec<u8>> = events.iter().map(|event| envelope.wrap(event)).collect();
    let mixed: Vec<&[u8]> = events.iter().zip(&wrapped).flat_map(|(one, other)| [&one[..], other]).collect();
    let keyed = |parts: &[&[u8]]| {
        let parts: Vec<(&str, &[u8])> = parts.iter().map(|part| ("k", *part)).collect();
        aggregate(&parts).to_vec()
    };
    let aggregates: Vec<Vec<u8>> = mixed.chunks(3).map(keyed).collect();
    [events, wrapped, aggregates].concat()
}

/// One that is never refused. A third has a message id of its own; the others are called by what they hold.
pub fn sound_event(n: usize) -> String {
    let (user, phone) = (n % 4, n % 7);
    let what = match n % 5 {
        0 => format!(r#""type":"identify","userId":"u{user}","traits":{{"email":"u{user}@x.org","plan":"p{n}"}}"#),
        1 => format!(r#""type":"track","event":"Seen","anonymousId":"phone{phone}","properties":{{"n":{n}}}"#),
        2 => format!(r#""type":"track","event":"Bought","userId":"u{user}","anonymousId":"phone{phone}""#),
        3 => format!(r#""type":"alias","userId":"u{user}","previousId":"old{phone}""#),
        _ => format!(r#""type":"page","name":"Home","anonymousId":"phone{phone}","context":{{"locale":"de"}}"#),
    };
    let id = if n.is_multiple_of(3) { format!(r#""messageId":"m{n}","#) } else { String::new() };
    format!("{{{id}{what}}}")
}
