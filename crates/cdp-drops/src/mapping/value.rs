//! Values of cells, in the types that the mapping gives them, as JSON.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::time::short;

/// What a row holds in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    Absent,
    Text(&'a str),
    /// One JSON value.
    Json(&'a str),
}

/// A row, by the columns that its plan was bound to.
pub(crate) trait Cells {
    fn get(&self, column: usize) -> Cell<'_>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    String,
    Number,
    Integer,
    Boolean,
    /// An amount in the currency's main unit: `1,234.50`, `€ 12`.
    Money,
    /// An amount in hundredths: 1234 becomes 12.34.
    MoneyMinor,
    /// Text that holds JSON.
    Json,
}

/// How values are written in the files of a source.
#[derive(Clone, Debug, Default)]
pub(super) struct Notation {
    pub nulls: Vec<String>,
    pub decimal_comma: bool,
}

impl Notation {
    /// The cell as text without white space around it; `None` when it is absent, empty, null, or no scalar.
    pub fn text<'c>(&self, cell: Cell<'c>) -> Option<Cow<'c, str>> {
        let text = match cell {
            Cell::Absent | Cell::Json("null") => return None,
            Cell::Text(text) => Cow::Borrowed(text.trim()),
            Cell::Json(json) if json.starts_with(['{', '[']) => return None,
            Cell::Json(json) => match unquoted(json) {
                Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
                Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
            },
        };
        (!text.is_empty() && !self.nulls.iter().any(|null| *null == text)).then_some(text)
    }

    /// Appends the cell's value; `false` when it has none. The error says what the value is not.
    pub fn push(&self, out: &mut Vec<u8>, cell: Cell<'_>, of_type: Option<ValueType>) -> Result<bool, String> {
        if let (Cell::Json(json), None | Some(ValueType::Json)) = (cell, of_type)
            && !json.starts_with('"')
        {
            out.extend_from_slice(json.as_bytes());
            return Ok(true);
        }
        if let (Cell::Json(json), Some(ValueType::String)) = (cell, of_type)
            && json.starts_with(['{', '['])
        {
            push_string(out, json);
            return Ok(true);
        }
        let Some(text) = self.text(cell) else {
            return match cell {
                Cell::Json(json) if json.starts_with(['{', '[']) => Err("it is an object or a list".to_owned()),
                Cell::Absent | Cell::Text(_) | Cell::Json(_) => Ok(false),
            };
        };
        let is_not = |what: &str| format!("{:?} is not {what}", short(&text));
        match of_type {
            None | Some(ValueType::String) => push_string(out, &text),
            Some(ValueType::Number) => self.decimal(&text).ok_or_else(|| is_not("a number"))?.push(out),
            Some(ValueType::Integer) => {
                let number = self.decimal(&text).filter(Decimal::is_whole).ok_or_else(|| is_not("an integer"))?;
                Decimal { fraction: String::new(), ..number }.push(out);
            }
            Some(ValueType::Money) => self.money(&text).ok_or_else(|| is_not("an amount"))?.push(out),
            Some(ValueType::MoneyMinor) => {
                let amount =
                    self.money(&text).filter(Decimal::is_whole).ok_or_else(|| is_not("an amount in hundredths"))?;
                amount.hundredths().push(out);
            }
            Some(ValueType::Boolean) => match boolean(&text) {
                Some(true) => out.extend_from_slice(b"true"),
                Some(false) => out.extend_from_slice(b"false"),
                None => return Err(is_not("a boolean")),
            },
            Some(ValueType::Json) => {
                let json: &RawValue = serde_json::from_str(&text).map_err(|_| is_not("JSON"))?;
                out.extend_from_slice(json.get().as_bytes());
            }
        }
        Ok(true)
    }

    fn money(&self, text: &str) -> Option<Decimal> {
        let is_of_currency = |c: char| c.is_alphabetic() || matches!(c, '$' | '€' | '£' | '¥' | '₹' | ' ' | '\u{a0}');
        let amount = text.trim_matches(is_of_currency);
        // The sign may stand before the currency: -$5.
        match text.strip_prefix('-') {
            Some(rest) if !amount.contains(|c: char| !is_of_currency(c) && c == '-') => {
                self.decimal(&format!("-{rest}"))
            }
            Some(rest) => self.decimal(&format!("-{}", rest.trim_matches(is_of_currency))),
            None => self.decimal(amount),
        }
    }

    /// Digits with groups and a fraction, or what JSON takes as a number.
    fn decimal(&self, text: &str) -> Option<Decimal> {
        let (point, group) = if self.decimal_comma { (',', '.') } else { ('.', ',') };
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent.parse::<i16>().ok()?)),
            None => (digits, None),
        };
        let (whole, fraction) = mantissa.split_once(point).unwrap_or((mantissa, ""));
        let is_group = |c: char| c == group || matches!(c, ' ' | '\'' | '\u{a0}' | '\u{202f}');
        let whole: String = whole.chars().filter(|c| !is_group(*c)).collect();
        let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_digits(&whole) || !is_digits(fraction) {
            return None;
        }
        if whole.len() + fraction.len() > MAX_DIGITS || exponent.is_some_and(|e| e.unsigned_abs() > MAX_EXPONENT) {
            return None;
        }
        Some(Decimal { negative, whole, fraction: fraction.to_owned(), exponent })
    }
}

/// Other engines read a number as a binary fraction of 64 bits.
const MAX_DIGITS: usize = 60;
const MAX_EXPONENT: u16 = 240;

/// A number by its digits: no amount is changed by way of a binary fraction.
struct Decimal {
    negative: bool,
    whole: String,
    fraction: String,
    exponent: Option<i16>,
}

impl Decimal {
    fn is_whole(&self) -> bool {
        self.exponent.is_none() && self.fraction.bytes().all(|b| b == b'0')
    }

    fn hundredths(self) -> Self {
        let padded = format!("{:0>3}", self.whole);
        let (whole, fraction) = padded.split_at(padded.len() - 2);
        Self { whole: whole.to_owned(), fraction: fraction.to_owned(), ..self }
    }

    fn push(&self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        let whole = self.whole.trim_start_matches('0');
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole.as_bytes() });
        if !self.fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(self.fraction.as_bytes());
        }
        if let Some(exponent) = self.exponent {
            out.extend_from_slice(format!("e{exponent}").as_bytes());
        }
    }
}

fn boolean(text: &str) -> Option<bool> {
    const YES: [&str; 5] = ["true", "yes", "1", "t", "y"];
    const NO: [&str; 5] = ["false", "no", "0", "f", "n"];
    let is_one_of = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(YES) { Some(true) } else { is_one_of(NO).then_some(false) }
}

/// A JSON scalar as text.
fn unquoted(json: &str) -> Cow<'_, str> {
    let Some(inner) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Cow::Borrowed(json);
    };
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    serde_json::from_str(json).map_or(Cow::Borrowed(inner), Cow::Owned)
}

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain.as_bytes());
        let Some(byte) = special.bytes().next() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => out.extend_from_slice(format!("\\u{control:04x}").as_bytes()),
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use ValueType::*;

    fn check(notation: &Notation, cell: Cell<'_>, of_type: Option<ValueType>, expected: Result<&str, &str>) {
        let mut out = Vec::new();
        let outcome = notation.push(&mut out, cell, of_type);
        let text = std::str::from_utf8(&out).expect("JSON is text");
        let got = outcome.as_ref().map(|some| if *some { text } else { "-" }).map_err(|error| error.as_str());
        assert_eq!(got, expected, "{cell:?} {of_type:?}");
        if let (Ok(json), false) = (expected, expected == Ok("-")) {
            assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn text_takes_the_type_it_is_given() {
        let notation = Notation { nulls: vec!["NULL".into()], decimal_comma: false };
        for (text, of_type, expected) in [
            (" a\t\"b\"\\\u{1} ", None, Ok(r#""a\t\"b\"\\\u0001""#)),
            ("", None, Ok("-")),
            ("NULL", Some(Number), Ok("-")),
            ("007", None, Ok("\"007\"")),
            ("007", Some(Integer), Ok("7")),
            ("7.00", Some(Integer), Ok("7")),
            ("7.5", Some(Integer), Err("\"7.5\" is not an integer")),
            ("-1,234.50", Some(Number), Ok("-1234.50")),
            ("1e3", Some(Number), Ok("1e3")),
            (".5", Some(Number), Ok("0.5")),
            ("abc", Some(Number), Err("\"abc\" is not a number")),
            ("NaN", Some(Number), Err("\"NaN\" is not a number")),
            ("$1,234.50", Some(Money), Ok("1234.50")),
            ("-$5", Some(Money), Ok("-5")),
            ("12.30 EUR", Some(Money), Ok("12.30")),
            ("EUR", Some(Money), Err("\"EUR\" is not an amount")),
            ("1234", Some(MoneyMinor), Ok("12.34")),
            ("-5", Some(MoneyMinor), Ok("-0.05")),
            ("12.5", Some(MoneyMinor), Err("\"12.5\" is not an amount in hundredths")),
            ("Yes", Some(Boolean), Ok("true")),
            ("0", Some(Boolean), Ok("false")),
            ("maybe", Some(Boolean), Err("\"maybe\" is not a boolean")),
            ("{\"a\": [1]}", Some(Json), Ok("{\"a\": [1]}")),
            ("{a}", Some(Json), Err("\"{a}\" is not JSON")),
        ] {
            check(&notation, Cell::Text(text), of_type, expected);
        }
        let european = Notation { decimal_comma: true, ..notation };
        check(&european, Cell::Text("1.234,50"), Some(Number), Ok("1234.50"));
        check(&european, Cell::Text("1 234,50 €"), Some(Money), Ok("1234.50"));
    }

    #[test]
    fn json_keeps_its_type_unless_it_is_given_another() {
        let notation = Notation::default();
        for (json, of_type, expected) in [
            ("12", None, Ok("12")),
            ("12", Some(String), Ok("\"12\"")),
            ("\" 12\\n\"", Some(Integer), Ok("12")),
            ("{\"a\":1}", None, Ok("{\"a\":1}")),
            ("{\"a\":1}", Some(String), Ok(r#""{\"a\":1}""#)),
            ("[1]", Some(Number), Err("it is an object or a list")),
            ("true", Some(Boolean), Ok("true")),
            ("null", Some(Number), Ok("-")),
        ] {
            check(&notation, Cell::Json(json), of_type, expected);
        }
    }
}
