use axum::http::StatusCode;
use cdp_local::Deployment;
use clap::Args;
use serde_json::Value;

use super::wait_for;
use crate::at::At;
use crate::fault::Fault;
use crate::output::{Format, Rows, print_object};
use crate::path::in_a_path;

/// Shows a person: traits, identifiers, counts, recent events.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cdp profile user_id:02855 --dir shop\n  cdp profile email:jane@example.com --format json\n  \
    cdp profile email:jane@example.com --aws --stage prod"
)]
pub struct Profile {
    /// NAMESPACE:VALUE, or a profile's id (prf_…).
    name: String,
    #[command(flatten)]
    at: At,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Profile {
    pub fn run(self) -> Result<(), Fault> {
        let answer = wait_for(async {
            let door = self.at.door().await?;
            Ok(door.get(&format!("/v1/profiles/{}", in_a_path(&self.name))).await?)
        })?;
        let body: Value = serde_json::from_slice(&answer.body).map_err(Fault::unavailable)?;
        let message =
            || body["error"]["message"].as_str().or(body["message"].as_str()).unwrap_or("no reason given").to_owned();
        match (answer.status, &body) {
            (StatusCode::OK, person) if self.format == Format::Table => Ok(on_a_screen(person).print(self.format)?),
            (StatusCode::OK, Value::Object(person)) => Ok(print_object(person, self.format)?),
            (StatusCode::NOT_FOUND, _) => {
                Err(Fault::no(format!("{}: {}{}", self.name, message(), self.known_namespaces().unwrap_or_default())))
            }
            (status, _) if status.is_client_error() => Err(Fault::wrong(message())),
            _ => Err(Fault::unavailable(message())),
        }
    }
}

impl Profile {
    /// For whoever asked by a namespace that is not known; as far as this machine has the settings.
    fn known_namespaces(&self) -> Option<String> {
        let (asked, _) = self.name.split_once(':')?;
        let At::Folder(dir) = &self.at else { return None };
        let deployment = Deployment::open(dir).ok()?;
        let known = deployment.config.settings.known_namespaces();
        let is_known = known.contains(asked);
        let names = || known.into_iter().collect::<Vec<_>>().join(", ");
        (!is_known).then(|| format!(" The namespace {asked} is none of those that are known here: {}", names()))
    }
}

/// A line for each trait, identifier and event, without what only programs ask for.
fn on_a_screen(person: &Value) -> Rows {
    let traits = entries(&person["traits"]).map(|(name, set)| format!("{name}: {}", text(&set["value"])));
    let identifiers = elements(&person["identifiers"]).map(|held| words(held, ["namespace", "value"], ":"));
    let counts = entries(&person["events"]["by_name"]).map(|(name, count)| format!("{name}: {count}"));
    let recent =
        elements(&person["recent_events"]).map(|event| words(event, ["timestamp", "type", "event", "name"], " "));
    let mut rows = Rows::new(&["field", "value"]);
    rows.push(["id".into(), person["id"].clone()]);
    rows.push(["identifiers".into(), lines(identifiers)]);
    rows.push(["traits".into(), lines(traits)]);
    rows.push(["audiences".into(), lines(elements(&person["audiences"]).map(text))]);
    for moment in ["created_at", "first_seen", "last_seen"] {
        rows.push([moment.into(), person[moment].clone()]);
    }
    rows.push(["events".into(), lines(counts)]);
    rows.push(["recent_events".into(), lines(recent)]);
    rows
}

fn entries(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn elements(array: &Value) -> impl Iterator<Item = &Value> {
    array.as_array().into_iter().flatten()
}

fn lines(lines: impl Iterator<Item = String>) -> Value {
    lines.collect::<Vec<_>>().join("\n").into()
}

/// Those of the fields that it has.
fn words<const N: usize>(object: &Value, fields: [&str; N], between: &str) -> String {
    fields.iter().filter_map(|field| object.get(field)).map(text).collect::<Vec<_>>().join(between)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_on_a_screen_has_a_line_for_each_trait_identifier_and_event() {
        let rows = on_a_screen(&json!({
            "id": "prf_1",
            "identifiers": [{"namespace": "user_id", "value": "jane", "source": "web"}, {"namespace": "email", "value": "j@x.org"}],
            "traits": {"age": {"value": 7, "source": "web"}, "city": {"value": "Lyon"}},
            "audiences": [],
            "events": {"total": 3, "by_name": {"identify": 2, "Order": 1}},
            "recent_events": [{"type": "track", "event": "Order", "timestamp": "T1"}, {"type": "identify", "timestamp": "T0"}],
        }));
        let of = |field: &str| rows.rows.iter().find(|row| row[0] == field).map(|row| row[1].clone());
        assert_eq!(of("identifiers"), Some("user_id:jane\nemail:j@x.org".into()));
        assert_eq!(of("traits"), Some("age: 7\ncity: Lyon".into()));
        assert_eq!(of("events"), Some("Order: 1\nidentify: 2".into()));
        assert_eq!(of("recent_events"), Some("T1 track Order\nT0 identify".into()));
    }
}
