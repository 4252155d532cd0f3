//! Parameters of a question. Each comes as text and is read by itself, so that whoever sent a wrong one is told its name and
//! what it takes.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

use super::refusal::Refusal;

pub(super) type AskedQuery<Q> = Result<Query<Q>, QueryRejection>;

/// How many elements a page has.
pub(super) fn limit(sent: Option<&str>, usual: usize, most: usize) -> Result<usize, Refusal> {
    let Some(sent) = sent else { return Ok(usual) };
    let limit = sent.parse().ok().filter(|limit| (1..=most).contains(limit));
    limit.ok_or_else(|| wrong("limit", &format!("a number between 1 and {most}"), sent))
}

/// One of a few words.
pub(super) fn word<T: Copy>(name: &str, sent: Option<&str>, words: &[(&str, T)]) -> Result<Option<T>, Refusal> {
    let Some(sent) = sent else { return Ok(None) };
    let found = words.iter().find(|(word, _)| *word == sent).map(|(_, meaning)| Some(*meaning));
    found.ok_or_else(|| {
        let words: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
        wrong(name, &words.join(" or "), sent)
    })
}

/// Off unless it is given.
pub(super) fn flag(name: &str, sent: Option<&str>) -> Result<bool, Refusal> {
    word(name, sent, &[("true", true), ("false", false)]).map(Option::unwrap_or_default)
}

fn wrong(name: &str, takes: &str, sent: &str) -> Refusal {
    let sent: String = sent.chars().take(40).collect();
    Refusal::bad_parameter(name, &format!("takes {takes}, not {sent:?}"))
}
