//! Escapes in JSON text.

/// Where JSON text escapes half of a character, `\ud83d` without its other half: no Unicode text can hold that. SDKs make
/// it of an emoji that was cut in two. The byte's place.
pub(crate) fn lone_surrogate(json: &[u8]) -> Option<usize> {
    memchr::memchr(b'\\', json)?;
    let mut at = 0;
    let mut high_ends = None;
    while let Some(&byte) = json.get(at) {
        let escape = json.get(at + 1).filter(|_| byte == b'\\');
        let unit = escape.filter(|&&kind| kind == b'u').and_then(|_| hex(json.get(at + 2..at + 6)?));
        let follows_high = high_ends == Some(at);
        match (follows_high, unit) {
            (true, Some(0xDC00..=0xDFFF)) => high_ends = None,
            (true, _) => return Some(at - 6),
            (false, Some(0xDC00..=0xDFFF)) => return Some(at),
            (false, Some(0xD800..=0xDBFF)) => high_ends = Some(at + 6),
            (false, _) => {}
        }
        at += match (unit, escape) {
            (Some(_), _) => 6,
            (None, Some(_)) => 2,
            (None, None) => 1,
        };
    }
    high_ends.map(|end| end - 6)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, &digit| Some(number * 16 + char::from(digit).to_digit(16)?))
}

/// The text that stands between quotes, with escapes that the scanner found sound.
pub(super) fn unescaped(quoted: &str) -> String {
    serde_json::from_str(&format!("\"{quoted}\"")).unwrap_or_else(|_| quoted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_characters_are_found() {
        for (json, place) in [
            (r#""plain""#, None),
            (r#""\ud83d\ude00""#, None),
            (r#""\\ud83d""#, None),
            (r#""\\\ud83d""#, Some(3)),
            (r#""\ud83d""#, Some(1)),
            (r#""\ude00""#, Some(1)),
            (r#""\uD83D\uD83D\uDE00""#, Some(1)),
            (r#""\ud83d\n""#, Some(1)),
            (r#""\ud83d"#, Some(1)),
            (r#""\ud8"#, None),
            (r#""\u"#, None),
            (r#""\"#, None),
        ] {
            assert_eq!(lone_surrogate(json.as_bytes()), place, "{json}");
        }
    }
}
