//! What the columns of a source's files mean: `[drops.SOURCE.mapping]` of the deployment's settings.
//!
//! ```toml
//! [drops.partner.mapping]
//! user_id = "customer"                     # or anonymous_id, email, phone: a row needs one of them
//! identifiers = { loyalty = "card_no" }    # other namespaces
//! event = "Order Completed"                # or { column = "kind" }; without it a row only tells of the person
//! time = { column = "day", format = "YYYYMMDD", timezone = "Europe/Paris" }
//! message_id = ["order_no", "line"]        # what names a row in this source; else made from its content and number
//! properties = "*"                         # all other columns, or a list
//! traits = ["first_name", "city"]
//! names = { amount = "revenue" }           # else a column keeps its name
//! types = { amount = "money", gift = "boolean" }
//! constants = { currency = "EUR" }         # properties that each event has
//! skip = ["internal_note"]
//! ```

mod guess;
mod plan;
mod time;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use cdp_event::{EventKind, Namespace};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub(crate) use guess::guess;
pub(crate) use plan::{Plan, RowName, made_message_id};
use time::TimeReader;
pub use value::ValueType;
pub(crate) use value::{Cell, Cells, push_string};

/// Values are names of columns unless said otherwise. A column of a JSON row may be a path: `customer.id`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mapping {
    pub user_id: Option<String>,
    pub anonymous_id: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    /// By namespace.
    pub identifiers: BTreeMap<String, String>,
    /// track, identify, page or screen. Without it: track where a row has an event, identify where it has none.
    #[serde(rename = "type")]
    pub kind: Option<Stated>,
    /// What happened: the event's name.
    pub event: Option<Stated>,
    #[serde(deserialize_with = "time_setting")]
    pub time: Option<TimeColumn>,
    /// Together they name a row in this source. Without them, the id is made from the row's content and number.
    pub message_id: Columns,
    pub traits: Columns,
    pub properties: Columns,
    /// What a trait or a property is called, by column.
    pub names: BTreeMap<String, String>,
    /// By column. Without one, text stays text, and values that have a type keep it.
    pub types: BTreeMap<String, ValueType>,
    pub constants: BTreeMap<String, toml::Value>,
    /// Columns that "*" leaves out.
    pub skip: BTreeSet<String>,
    /// Values that mean that there is none, beside the empty one.
    pub nulls: BTreeSet<String>,
    /// Numbers are written `1.234,56`.
    pub decimal_comma: bool,
}

/// Said for all rows, or by a column of each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stated {
    Constant(String),
    Column(String),
}

/// Columns, or all that have no other meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    Listed(Vec<String>),
    AllOthers,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeColumn {
    pub column: String,
    /// `iso` (also without time or offset), `epoch_s`, `epoch_ms`, letters such as `YYYYMMDD` or `DD.MM.YYYY HH:mm:ss`, or a
    /// strptime pattern.
    #[serde(default = "iso")]
    pub format: String,
    /// Of times that name no offset: a name of the IANA database.
    #[serde(default = "utc")]
    pub timezone: String,
}

/// A setting that can't be right, by its key below the mapping.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{key}: {problem}; {remedy}")]
pub struct MappingError {
    pub key: String,
    pub problem: String,
    pub remedy: String,
}

impl Mapping {
    pub fn check(&self) -> Result<(), MappingError> {
        let fault = |key: &str, problem: String, remedy: &str| {
            Err(MappingError { key: key.to_owned(), problem, remedy: remedy.to_owned() })
        };
        if self.person_columns().next().is_none() {
            let remedy = "name the column of user_id, anonymous_id, email, phone, or one of identifiers";
            return fault("user_id", "no column says whose row it is".into(), remedy);
        }
        for namespace in self.identifiers.keys() {
            if let Err(error) = namespace.parse::<Namespace>() {
                return fault(&format!("identifiers.{namespace}"), error.to_string(), "choose another name");
            }
        }
        if self.message_id == Columns::AllOthers {
            return fault(
                "message_id",
                "\"*\" is no column".into(),
                "list the columns that name a row, or leave it out",
            );
        }
        if self.traits == Columns::AllOthers && self.properties == Columns::AllOthers {
            return fault(
                "properties",
                "`traits` takes all other columns too".into(),
                "list the columns of one of them",
            );
        }
        let kind = match &self.kind {
            Some(Stated::Constant(name)) => match row_kind(name) {
                Some(kind) => Some(kind),
                None => return fault("type", format!("{name:?} can't come from a row"), ROW_KINDS),
            },
            Some(Stated::Column(_)) | None => None,
        };
        if kind == Some(EventKind::Track) && self.event.is_none() {
            return fault("event", "a track event needs a name".into(), "set it to the name, or to { column = \"…\" }");
        }
        let has_properties = self.properties != Columns::default() || !self.constants.is_empty();
        let only_identifies = kind == Some(EventKind::Identify) || (self.kind.is_none() && self.event.is_none());
        if only_identifies && has_properties {
            return fault("properties", "no event is told that could have them".into(), "set `event`, or use `traits`");
        }
        for (name, value) in &self.constants {
            if constant_json(value).is_none() {
                let remedy = "use text, a number or a boolean";
                return fault(&format!("constants.{name}"), "it is no plain value".into(), remedy);
            }
        }
        let Some(time) = &self.time else { return Ok(()) };
        TimeReader::compile(time).map(drop).map_err(|(key, problem, remedy)| MappingError {
            key: format!("time.{key}"),
            problem,
            remedy: remedy.to_owned(),
        })
    }

    /// Setting and column of each identifier.
    fn person_columns(&self) -> impl Iterator<Item = (String, &str)> {
        let own = [
            ("user_id", &self.user_id),
            ("anonymous_id", &self.anonymous_id),
            ("email", &self.email),
            ("phone", &self.phone),
        ];
        let own = own.into_iter().filter_map(|(key, column)| Some((key.to_owned(), column.as_deref()?)));
        own.chain(
            self.identifiers.iter().map(|(namespace, column)| (format!("identifiers.{namespace}"), column.as_str())),
        )
    }

    /// Setting and column, for each column that is named, but for those that only qualify others.
    pub fn named_columns(&self) -> impl Iterator<Item = (String, &str)> {
        let stated =
            [("type", &self.kind), ("event", &self.event)].into_iter().filter_map(|(key, stated)| match stated {
                Some(Stated::Column(column)) => Some((key.to_owned(), column.as_str())),
                Some(Stated::Constant(_)) | None => None,
            });
        let time = self.time.iter().map(|time| ("time".to_owned(), time.column.as_str()));
        let lists = [("message_id", &self.message_id), ("traits", &self.traits), ("properties", &self.properties)];
        let lists = lists.into_iter().flat_map(|(key, columns)| columns.listed().map(move |c| (key.to_owned(), c)));
        self.person_columns().chain(stated).chain(time).chain(lists)
    }
}

const ROW_KINDS: &str = "use track, identify, page or screen";

fn row_kind(name: &str) -> Option<EventKind> {
    let kind = name.parse().ok()?;
    match kind {
        EventKind::Track | EventKind::Identify | EventKind::Page | EventKind::Screen => Some(kind),
        EventKind::Group | EventKind::Alias => None,
    }
}

fn constant_json(value: &toml::Value) -> Option<serde_json::Value> {
    match value {
        toml::Value::String(text) => Some(text.as_str().into()),
        toml::Value::Integer(number) => Some((*number).into()),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number).map(Into::into),
        toml::Value::Boolean(yes) => Some((*yes).into()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

fn iso() -> String {
    "iso".to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

impl Columns {
    pub(crate) fn listed(&self) -> impl Iterator<Item = &str> {
        let listed = match self {
            Self::Listed(columns) => columns.as_slice(),
            Self::AllOthers => &[],
        };
        listed.iter().map(String::as_str)
    }
}

impl Default for Columns {
    fn default() -> Self {
        Self::Listed(vec![])
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrList;
        impl<'de> Visitor<'de> for TextOrList {
            type Value = Columns;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column, a list of columns, or \"*\" for all others")
            }
            fn visit_str<E>(self, text: &str) -> Result<Columns, E> {
                Ok(if text == "*" { Columns::AllOthers } else { Columns::Listed(vec![text.to_owned()]) })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Columns, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = list.next_element()? {
                    columns.push(column);
                }
                Ok(Columns::Listed(columns))
            }
        }
        deserializer.deserialize_any(TextOrList)
    }
}

impl<'de> Deserialize<'de> for Stated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct InColumn {
            column: String,
        }
        text_or_table(deserializer, Stated::Constant, |InColumn { column }| Stated::Column(column))
    }
}

impl From<String> for TimeColumn {
    fn from(column: String) -> Self {
        Self { column, format: iso(), timezone: utc() }
    }
}

/// The setting's short form: a column of ISO 8601.
fn time_setting<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimeColumn>, D::Error> {
    text_or_table(deserializer, |column| Some(TimeColumn::from(column)), Some)
}

/// `"text"` or `{ … }`: an untagged enum would not tell which key is wrong.
fn text_or_table<'de, D: Deserializer<'de>, Table: Deserialize<'de>, T>(
    deserializer: D,
    of_text: impl FnOnce(String) -> T,
    of_table: impl FnOnce(Table) -> T,
) -> Result<T, D::Error> {
    struct Either<Table, A, B>(A, B, PhantomData<Table>);
    impl<'de, T, Table: Deserialize<'de>, A: FnOnce(String) -> T, B: FnOnce(Table) -> T> Visitor<'de>
        for Either<Table, A, B>
    {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("text, or a table with the key `column`")
        }
        fn visit_str<E>(self, text: &str) -> Result<T, E> {
            Ok((self.0)(text.to_owned()))
        }
        fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
            Table::deserialize(MapAccessDeserializer::new(map)).map(self.1)
        }
    }
    deserializer.deserialize_any(Either(of_text, of_table, PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_documentation_is_sound() {
        let example: String = include_str!("mapping.rs")
            .lines()
            .skip_while(|line| *line != "//! ```toml")
            .skip(2)
            .take_while(|line| *line != "//! ```")
            .map(|line| format!("{}\n", line.trim_start_matches("//! ")))
            .collect();
        let mapping: Mapping = toml::from_str(&example).expect("it is TOML");
        assert_eq!(mapping.check(), Ok(()));
        assert_eq!(mapping.message_id, Columns::Listed(vec!["order_no".into(), "line".into()]));
        assert_eq!(mapping.event, Some(Stated::Constant("Order Completed".into())));
    }

    #[test]
    fn a_wrong_mapping_is_told_by_key() {
        for (text, expected) in [
            ("traits = '*'", "user_id: no column says whose row it is"),
            ("user_id = 'a'\nidentifiers = { \"Bad Name\" = 'b' }", "identifiers.Bad Name: not a namespace"),
            ("user_id = 'a'\ntype = 'alias'", "type: \"alias\" can't come from a row"),
            ("user_id = 'a'\ntype = 'track'", "event: a track event needs a name"),
            ("user_id = 'a'\nproperties = '*'", "properties: no event is told"),
            ("user_id = 'a'\nmessage_id = '*'", "message_id: \"*\" is no column"),
            ("user_id = 'a'\nevent = 'X'\nconstants = { a = [1] }", "constants.a: it is no plain value"),
            (
                "user_id = 'a'\ntime = { column = 'd', timezone = 'Mars' }",
                "time.timezone: there is no time zone \"Mars\"",
            ),
            ("user_id = 'a'\ntime = { column = 'd', format = '%Q%!' }", "time.format: "),
            ("user_id = 'a'\ntime = { column = 'd', format = 'day' }", "time.format: "),
            ("user_id = 'a'\ntime = { colum = 'd' }", "unknown field `colum`"),
            ("user_id = 'a'\ntypes = { b = 'decimal' }", "unknown variant `decimal`"),
            ("user_id = 'a'\nevent = 5", "text, or a table with the key `column`"),
        ] {
            let outcome = match toml::from_str::<Mapping>(text) {
                Ok(mapping) => mapping.check().map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            assert!(outcome.as_ref().is_err_and(|e| e.contains(expected)), "{text}: {outcome:?}");
        }
    }
}
