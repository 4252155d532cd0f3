//! What JSON rows are made into events by: nothing, where they are Segment-shaped; else the source's mapping.

use std::borrow::Cow;
use std::fmt;

use cdp_event::{Reason, Rejection};
use memchr::memmem::Finder;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::batch::{Batch, RowEvents};
use crate::mapping::{Cell, Cells, Mapping, Plan, RowName, guess, made_message_id};

/// For the rows of one file, or of one call.
pub struct JsonShape(Shape);

enum Shape {
    Segment { source: String, message_id: Box<Finder<'static>> },
    Mapped(Box<JsonMapper>),
}

struct JsonMapper {
    source: String,
    /// None: the keys are columns that are named as in the Segment spec.
    mapping: Option<Mapping>,
    /// Columns that are paths into a row.
    paths: Vec<String>,
    /// Bound to the keys of the row before: rows of a file mostly have the same.
    plan: Option<Plan>,
}

impl JsonShape {
    /// Without a mapping, rows are Segment-shaped.
    pub fn new(source: &str, mapping: Option<&Mapping>) -> Self {
        match mapping {
            Some(_) => Self::of_columns(source, mapping),
            None => {
                let (source, message_id) = (source.to_owned(), Box::new(Finder::new("\"messageId\"")));
                Self(Shape::Segment { source, message_id })
            }
        }
    }

    /// Rows of a table, of which each key is a column. Without a mapping, columns are named as in the Segment spec.
    pub(super) fn of_columns(source: &str, mapping: Option<&Mapping>) -> Self {
        let (source, mapping) = (source.to_owned(), mapping.cloned());
        let named = mapping.iter().flat_map(Mapping::named_columns).map(|(_, column)| column);
        let paths = named.filter(|column| column.contains('.')).map(str::to_owned).collect();
        Self(Shape::Mapped(Box::new(JsonMapper { source, mapping, paths, plan: None })))
    }

    /// Appends the row: its events, or why it has none.
    pub fn emit(&mut self, number: u64, raw: &[u8], batch: &mut Batch) {
        match &mut self.0 {
            Shape::Segment { source, message_id } => {
                if message_id.find(raw).is_some() {
                    return batch.push_event(number, raw);
                }
                match raw.split_first() {
                    Some((b'{', rest)) => batch.push_mapped(number, raw, |out| {
                        let start = out.len();
                        let id = made_message_id(RowName { source, number, raw });
                        let is_empty = rest.trim_ascii_start().starts_with(b"}");
                        out.extend_from_slice(format!("{{\"messageId\":\"{id}\"").as_bytes());
                        out.extend_from_slice(if is_empty { b"" } else { b"," });
                        out.extend_from_slice(rest);
                        Ok(RowEvents::one(start..out.len()))
                    }),
                    Some(_) | None => batch.push_event(number, raw),
                }
            }
            Shape::Mapped(mapper) => batch.push_mapped(number, raw, |out| mapper.write(number, raw, out)),
        }
    }
}

impl JsonMapper {
    fn write(&mut self, number: u64, raw: &[u8], out: &mut Vec<u8>) -> Result<RowEvents, Rejection> {
        let text = simdutf8::compat::from_utf8(raw)
            .map_err(|error| Rejection::new(Reason::NotUtf8, format!("byte {} is not UTF-8", error.valid_up_to())))?;
        let Members(mut members) =
            serde_json::from_str(text).map_err(|error| Rejection::new(Reason::NotJson, error.to_string()))?;
        for path in &self.paths {
            if !members.iter().any(|(key, _)| key == path)
                && let Some(value) = value_at(path, &members)
            {
                members.push((Cow::Owned(path.clone()), value));
            }
        }
        let is_bound = self.plan.as_ref().is_some_and(|plan| {
            plan.columns().len() == members.len()
                && plan.columns().iter().zip(&members).all(|(column, (key, _))| column == key)
        });
        if !is_bound {
            let columns = members.iter().map(|(key, _)| key.to_string()).collect();
            let plan = match &self.mapping {
                Some(mapping) => Plan::bind(mapping, columns, true),
                None => guess(columns),
            };
            self.plan = Some(plan.map_err(|detail| Rejection::new(Reason::BadRow, detail))?);
        }
        let Some(plan) = &self.plan else { return Err(Rejection::new(Reason::BadRow, "the row has no columns")) };
        plan.write(RowName { source: &self.source, number, raw }, &Members(members), out)
    }
}

/// The members of an object, as they stand.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl Cells for Members<'_> {
    fn get(&self, column: usize) -> Cell<'_> {
        self.0.get(column).map_or(Cell::Absent, |(_, value)| Cell::Json(value.get()))
    }
}

/// What stands at `path` in the object that `json` is: at the key of that name, else below each of its parts.
pub fn member<'a>(json: &'a str, path: &str) -> Option<&'a str> {
    let Members(members) = serde_json::from_str(json).ok()?;
    let own = members.iter().find(|(key, _)| key == path).map(|(_, value)| *value);
    own.or_else(|| value_at(path, &members)).map(RawValue::get)
}

fn value_at<'a>(path: &str, members: &[(Cow<'a, str>, &'a RawValue)]) -> Option<&'a RawValue> {
    let (key, rest) = path.split_once('.')?;
    let (_, value) = members.iter().find(|(name, _)| name == key)?;
    let Members(inner) = serde_json::from_str(value.get()).ok()?;
    match inner.iter().find(|(name, _)| name == rest) {
        Some((_, value)) => Some(*value),
        None => value_at(rest, &inner),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some((Key(key), value)) = map.next_entry()? {
                    members.push((key, value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Borrowed unless it holds escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
