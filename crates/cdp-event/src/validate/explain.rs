//! What was wrong with the JSON, for the producer who sent it.

use crate::json::duplicate_key;
use crate::{Reason, Rejection};

/// serde_json tells of syntax and of types in one error; a producer needs to know which, and where.
pub(super) fn explain(error: &serde_json::Error, text: &str) -> Rejection {
    use serde_json::error::Category;
    let message = error.to_string();
    if message.starts_with("duplicate field") {
        return Rejection { reason: Reason::DuplicateKey, field: duplicate_key(text), detail: message };
    }
    // Such a number is sound JSON: no 64-bit float is as large.
    let is_huge_number = message.starts_with("number out of range");
    if error.classify() != Category::Data && !is_huge_number {
        return Rejection::new(Reason::NotJson, message);
    }
    let field = key_before(text, error.line(), error.column());
    Rejection { reason: Reason::WrongType, field, detail: message }
}

/// The last key before a place that serde_json names: `line` and `column` count from 1, columns in bytes.
fn key_before(text: &str, line: usize, column: usize) -> Option<String> {
    let line_begins: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let before = text.get(..line_begins.saturating_add(column).min(text.len()))?;
    before.rmatch_indices(':').find_map(|(colon, _)| {
        let key = before[..colon].trim_end().strip_suffix('"')?;
        Some(key[key.rfind('"')? + 1..].to_owned())
    })
}
