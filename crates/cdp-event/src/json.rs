//! Reading JSON the way producers write it: text where text is meant, numbers as ids, nulls for what is absent.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Text. A whole number is taken as its digits (many producers send numeric ids); null is absence.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Text<'a>(pub Option<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Borrowed(text))))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Owned(text.to_owned()))))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Owned(number.to_string()))))
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text(None))
            }
        }
        deserializer.deserialize_any(TextVisitor)
    }
}

/// Text where it is text, and nothing where it is anything else: for fields that a producer may use as it likes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct MaybeText<'a>(pub Option<Cow<'a, str>>);

/// A number, also when it is written as text; nothing otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct MaybeNumber(pub Option<f64>);

struct Lenient;

enum Scalar<'a> {
    Text(Cow<'a, str>),
    Whole(i128),
    Number(f64),
    Bool(bool),
    Other,
}

impl<'de> Visitor<'de> for Lenient {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }
    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(number.into()))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Whole(number.into()))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number(number))
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for MaybeText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match deserializer.deserialize_any(Lenient)? {
            Scalar::Text(text) => Some(text),
            Scalar::Whole(number) => Some(Cow::Owned(number.to_string())),
            Scalar::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Some(Cow::Owned((number as i64).to_string()))
            }
            Scalar::Number(_) | Scalar::Bool(_) | Scalar::Other => None,
        }))
    }
}

impl<'de> Deserialize<'de> for MaybeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match deserializer.deserialize_any(Lenient)? {
            Scalar::Number(number) => Some(number),
            Scalar::Whole(number) => Some(number as f64),
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Bool(_) | Scalar::Other => None,
        };
        Ok(Self(number.filter(|n: &f64| n.is_finite())))
    }
}

/// An object's fields where there is an object; nothing where a producer sent something else in its place.
pub(crate) struct Maybe<T>(pub Option<T>);

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// True where the value is `true`, and nowhere else.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct IsTrue(pub bool);

impl<'de> Deserialize<'de> for IsTrue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(matches!(deserializer.deserialize_any(Lenient)?, Scalar::Bool(true))))
    }
}

/// How deep objects and arrays nest, as far as `limit + 1`.
pub(crate) fn depth_exceeds(json: &[u8], limit: usize) -> bool {
    if openings(json) <= limit {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Counted in pieces that a byte can count, so that the processor takes many bytes at a time.
fn openings(json: &[u8]) -> usize {
    let of_piece = |piece: &[u8]| piece.iter().map(|&b| u8::from(b == b'{') | u8::from(b == b'[')).sum::<u8>();
    json.chunks(255).map(|piece| usize::from(of_piece(piece))).sum()
}

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

/// The path of the first key that stands twice in one object: `context.device.id`.
pub(crate) fn duplicate_key(json: &str) -> Option<String> {
    let mut found = None;
    let walk = Walk { path: &mut Vec::new(), found: &mut found };
    let mut deserializer = serde_json::Deserializer::from_str(json);
    // An error only ends the walk: what was found until then stands.
    let _ = walk.deserialize(&mut deserializer);
    found
}

struct Walk<'w> {
    path: &'w mut Vec<String>,
    found: &'w mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Walk { path: self.path, found: self.found })?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            self.path.push(key.clone());
            if !keys.insert(key) && self.found.is_none() {
                *self.found = Some(self.path.join("."));
            }
            map.next_value_seed(Walk { path: self.path, found: self.found })?;
            self.path.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_nesting_not_brackets() {
        let wide = format!("[{}]", vec!["{}"; 500].join(","));
        let quoted = format!("\"{}\\\"[\"", "[".repeat(500));
        let deep = "[".repeat(65) + &"]".repeat(65);
        assert_eq!([&wide, &quoted, &deep].map(|json| depth_exceeds(json.as_bytes(), 64)), [false, false, true]);
    }

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

    #[test]
    fn a_key_that_stands_twice_is_named_by_its_path() {
        for (json, path) in [
            (r#"{"a":1,"b":{"a":1}}"#, None),
            (r#"{"a":1,"a":2}"#, Some("a")),
            (r#"{"x":[{"y":{"z":1,"z":2}}],"x":0}"#, Some("x.y.z")),
            (r#"{"a":1,"\u0061":2}"#, Some("a")),
        ] {
            assert_eq!(duplicate_key(json).as_deref(), path, "{json}");
        }
    }

    #[test]
    fn numbers_serve_as_ids_and_nothing_else_does() {
        let ids = |json: &'static str| serde_json::from_str::<Text<'_>>(json).map(|text| text.0);
        assert_eq!(ids("42").ok().flatten().as_deref(), Some("42"));
        assert_eq!(ids("null").ok(), Some(None));
        assert!(ids("{}").is_err() && ids("1.5").is_err() && ids("true").is_err());
    }
}
