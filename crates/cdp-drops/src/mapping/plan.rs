//! A mapping, bound to the columns that a file really has: what is done for each row, without looking a name up.

use std::borrow::Cow;
use std::ops::Range;

use cdp_event::{EventKind, Identifier, MAX_EVENT_BYTES, Namespace, Reason, Rejection};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use super::time::{TimeReader, short};
use super::value::{Cell, Cells, Notation, ValueType, push_string};
use super::{Columns, Mapping, ROW_KINDS, Stated, constant_json, row_kind};
use crate::batch::RowEvents;

const MAX_MESSAGE_ID_CHARS: usize = 100;

/// What a row is called where it has no name of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowName<'r> {
    pub source: &'r str,
    pub number: u64,
    pub raw: &'r [u8],
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(super) columns: Vec<String>,
    pub(super) notation: Notation,
    pub(super) user_id: Option<usize>,
    pub(super) anonymous_id: Option<usize>,
    pub(super) email: Option<usize>,
    pub(super) phone: Option<usize>,
    pub(super) others: Vec<(Namespace, usize)>,
    /// What the mapping names a person by, also where the row has no such column.
    pub(super) person_columns: Vec<String>,
    pub(super) kind: Option<Saying>,
    pub(super) event: Option<Saying>,
    pub(super) time: Option<(usize, TimeReader)>,
    pub(super) message_id: MessageId,
    pub(super) traits: Object,
    pub(super) properties: Object,
    pub(super) context: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Saying {
    Constant(String),
    Column(usize),
}

#[derive(Clone, Debug)]
pub(super) enum MessageId {
    /// From the row's content and number.
    Made,
    /// A name within the source.
    OfSource(Vec<usize>),
    /// The whole id.
    Whole(usize),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Object {
    /// A column that holds a JSON object, which the fields are added to.
    pub whole: Option<usize>,
    pub fields: Vec<Field>,
    /// Members that are the same in each row: `"currency":"EUR"`.
    pub constants: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub column: usize,
    /// `"name":`.
    pub key: String,
    pub of_type: Option<ValueType>,
}

/// The person of a row, as far as the row tells.
struct Person<'c> {
    user_id: Option<Cow<'c, str>>,
    anonymous_id: Option<Cow<'c, str>>,
    email: Option<Cow<'c, str>>,
    phone: Option<Cow<'c, str>>,
    others: Vec<(&'c str, Cow<'c, str>)>,
}

impl Plan {
    /// The error names a column that the file does not have. `lenient`: rows differ in their columns, so none is missed.
    pub fn bind(mapping: &Mapping, columns: Vec<String>, lenient: bool) -> Result<Self, String> {
        let find = |name: &str| columns.iter().position(|column| column == name);
        if !lenient && let Some((key, column)) = mapping.named_columns().find(|(_, column)| find(column).is_none()) {
            let there = shown(&columns);
            return Err(format!(
                "there is no column {column:?}, which `mapping.{key}` names; the columns are: {there}"
            ));
        }
        let optional = |column: &Option<String>| column.as_deref().and_then(find);
        let saying = |stated: &Option<Stated>| match stated {
            Some(Stated::Constant(text)) => Some(Saying::Constant(text.clone())),
            Some(Stated::Column(column)) => find(column).map(Saying::Column),
            None => None,
        };
        let time = match &mapping.time {
            // Whoever checked the mapping knows that the format is sound.
            Some(time) => find(&time.column).zip(TimeReader::compile(time).ok()),
            None => None,
        };
        let taken: Vec<&str> = mapping.named_columns().map(|(_, column)| column).collect();
        let is_other = |column: &str| !taken.contains(&column) && !mapping.skip.contains(column);
        let field = |column: usize, name: &str| Field {
            column,
            key: key_of(mapping.names.get(name).map_or(name, String::as_str)),
            of_type: mapping.types.get(name).copied(),
        };
        let fields = |wanted: &Columns| -> Vec<Field> {
            let all = columns.iter().enumerate();
            match wanted {
                Columns::Listed(names) => names.iter().filter_map(|name| Some(field(find(name)?, name))).collect(),
                Columns::AllOthers => {
                    all.filter(|(_, name)| is_other(name)).map(|(at, name)| field(at, name)).collect()
                }
            }
        };
        let constant = |(name, value): (&String, _)| constant_json(value).map(|json| format!("{}{json}", key_of(name)));
        let id_columns: Vec<usize> = mapping.message_id.listed().filter_map(find).collect();
        Ok(Self {
            user_id: optional(&mapping.user_id),
            anonymous_id: optional(&mapping.anonymous_id),
            email: optional(&mapping.email),
            phone: optional(&mapping.phone),
            others: mapping.identifiers.iter().filter_map(|(name, c)| Some((name.parse().ok()?, find(c)?))).collect(),
            person_columns: mapping.person_columns().map(|(_, column)| column.to_owned()).collect(),
            kind: saying(&mapping.kind),
            event: saying(&mapping.event),
            time,
            message_id: if id_columns.is_empty() { MessageId::Made } else { MessageId::OfSource(id_columns) },
            traits: Object { whole: None, fields: fields(&mapping.traits), constants: vec![] },
            properties: Object {
                whole: None,
                fields: fields(&mapping.properties),
                constants: mapping.constants.iter().filter_map(constant).collect(),
            },
            context: None,
            notation: Notation { nulls: mapping.nulls.iter().cloned().collect(), decimal_comma: mapping.decimal_comma },
            columns,
        })
    }

    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Appends the row's events to `out`: identify where it tells traits or no event, then the event.
    pub fn write(&self, row: RowName<'_>, cells: &impl Cells, out: &mut Vec<u8>) -> Result<RowEvents, Rejection> {
        let person = self.person(cells)?;
        let (kind, name) = self.kind(cells)?;
        let time = self.time(cells)?;
        let id = self.message_id(row, cells);

        let identify = self.write_identify(&person, kind == EventKind::Identify, &id, &time, cells, out)?;
        let event = match kind {
            EventKind::Identify => None,
            EventKind::Track | EventKind::Page | EventKind::Screen | EventKind::Group | EventKind::Alias => {
                Some(self.write_event(&person, kind, &name, &id, &time, cells, out)?)
            }
        };
        match (identify, event) {
            (Some(first), second) => Ok(RowEvents { first, second }),
            (None, Some(event)) => Ok(RowEvents::one(event)),
            (None, None) => Err(Rejection::new(Reason::BadRow, "the row tells nothing")),
        }
    }

    fn person<'c>(&'c self, cells: &'c impl Cells) -> Result<Person<'c>, Rejection> {
        let value = |column: Option<usize>, namespace: Namespace| {
            let Some(text) = column.and_then(|column| self.notation.text(cells.get(column))) else { return Ok(None) };
            match Identifier::new(namespace, text.clone()) {
                Ok(_) => Ok(Some(text)),
                Err(error) => Err(Rejection::of(self.name(column), Reason::BadIdentifier, error.to_string())),
            }
        };
        let mut others = Vec::new();
        for (namespace, column) in &self.others {
            if let Some(text) = value(Some(*column), namespace.clone())? {
                others.push((namespace.as_str(), text));
            }
        }
        let mut person = Person {
            user_id: value(self.user_id, Namespace::USER_ID)?,
            anonymous_id: value(self.anonymous_id, Namespace::ANONYMOUS_ID)?,
            email: value(self.email, Namespace::EMAIL)?,
            phone: value(self.phone, Namespace::PHONE)?,
            others,
        };
        if person.is_nobody() {
            let found = [self.user_id, self.anonymous_id, self.email, self.phone].into_iter().flatten();
            let names = match self.person_columns.as_slice() {
                [] => found.map(|column| self.name(Some(column))).collect::<Vec<_>>().join(", "),
                named => named.join(", "),
            };
            return Err(Rejection::of(names, Reason::NoIdentifier, "no column that names the person has a value"));
        }
        if person.user_id.is_none() && person.anonymous_id.is_none() {
            person.anonymous_id = Some(Cow::Owned(person.made_anonymous_id()));
        }
        Ok(person)
    }

    fn kind<'c>(&'c self, cells: &'c impl Cells) -> Result<(EventKind, Cow<'c, str>), Rejection> {
        let said = |saying: &'c Option<Saying>| match saying {
            Some(Saying::Constant(text)) => Some(Cow::Borrowed(text.as_str())),
            Some(Saying::Column(column)) => self.notation.text(cells.get(*column)),
            None => None,
        };
        let name = said(&self.event).unwrap_or_default();
        let kind = match said(&self.kind) {
            Some(word) => row_kind(&word.to_ascii_lowercase()).ok_or_else(|| {
                let column = self.kind.as_ref().and_then(Saying::column);
                Rejection::of(
                    self.name(column),
                    Reason::UnknownType,
                    format!("{:?} can't come from a row; {ROW_KINDS}", short(&word)),
                )
            })?,
            None if name.is_empty() => EventKind::Identify,
            None => EventKind::Track,
        };
        if kind == EventKind::Track && name.is_empty() {
            let column = self.event.as_ref().and_then(Saying::column);
            return Err(Rejection::of(self.name(column), Reason::MissingEvent, "the row does not say what happened"));
        }
        Ok((kind, name))
    }

    fn time(&self, cells: &impl Cells) -> Result<Option<String>, Rejection> {
        let Some((column, reader)) = &self.time else { return Ok(None) };
        let refuse = |detail: String| Rejection::of(self.name(Some(*column)), Reason::BadTimestamp, detail);
        let text = self.notation.text(cells.get(*column)).ok_or_else(|| refuse("the row has no time".to_owned()))?;
        reader.read(&text).map(|moment| Some(moment.to_string())).map_err(refuse)
    }

    fn message_id(&self, row: RowName<'_>, cells: &impl Cells) -> String {
        let text = |column: usize| self.notation.text(cells.get(column)).unwrap_or_default();
        match &self.message_id {
            MessageId::Made => made_message_id(row),
            MessageId::Whole(column) => match text(*column) {
                id if id.is_empty() => made_message_id(row),
                id => id.into_owned(),
            },
            MessageId::OfSource(columns) => {
                let mut id = row.source.to_owned();
                let mut has_value = false;
                for column in columns {
                    let part = text(*column);
                    has_value |= !part.is_empty();
                    id.push(':');
                    id.push_str(&part);
                }
                match (has_value, id.len() > MAX_MESSAGE_ID_CHARS - IDENTIFY_SUFFIX.len()) {
                    (false, _) => made_message_id(row),
                    (true, false) => id,
                    (true, true) => format!("drop-{:032x}", xxh3_128_with_seed(id.as_bytes(), 0)),
                }
            }
        }
    }

    /// `None` when the row has no traits and need not be one.
    fn write_identify(
        &self,
        person: &Person<'_>,
        needed: bool,
        id: &str,
        time: &Option<String>,
        cells: &impl Cells,
        out: &mut Vec<u8>,
    ) -> Result<Option<Range<usize>>, Rejection> {
        let start = out.len();
        let id = if needed { Cow::Borrowed(id) } else { Cow::Owned(format!("{id}{IDENTIFY_SUFFIX}")) };
        push_head(out, EventKind::Identify, &id, person, time);
        out.extend_from_slice(b",\"traits\":{");
        let inside = out.len();
        self.push_members(out, &self.traits, cells)?;
        if out.len() == inside && !needed {
            out.truncate(start);
            return Ok(None);
        }
        let told = String::from_utf8_lossy(out.get(inside..).unwrap_or_default()).into_owned();
        for (key, value) in [("\"email\":", &person.email), ("\"phone\":", &person.phone)] {
            if let Some(value) = value
                && !told.contains(key)
            {
                push_key(out, key);
                push_string(out, value);
            }
        }
        out.push(b'}');
        self.push_context(out, person, cells, false)?;
        out.push(b'}');
        checked(start..out.len()).map(Some)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one event, each found once for both events of a row")]
    fn write_event(
        &self,
        person: &Person<'_>,
        kind: EventKind,
        name: &str,
        id: &str,
        time: &Option<String>,
        cells: &impl Cells,
        out: &mut Vec<u8>,
    ) -> Result<Range<usize>, Rejection> {
        let start = out.len();
        push_head(out, kind, id, person, time);
        if !name.is_empty() {
            out.extend_from_slice(if kind == EventKind::Track { b",\"event\":" } else { b",\"name\":" });
            push_string(out, name);
        }
        out.extend_from_slice(b",\"properties\":{");
        self.push_members(out, &self.properties, cells)?;
        out.push(b'}');
        self.push_context(out, person, cells, true)?;
        out.push(b'}');
        checked(start..out.len())
    }

    /// Identifiers that have no field of their own in the spec, and for an event also the person's email and phone.
    fn push_context(
        &self,
        out: &mut Vec<u8>,
        person: &Person<'_>,
        cells: &impl Cells,
        of_event: bool,
    ) -> Result<(), Rejection> {
        if let Some(column) = self.context
            && let Some(json) = self.whole_object(column, cells)?
        {
            out.extend_from_slice(b",\"context\":");
            out.extend_from_slice(json.as_bytes());
            return Ok(());
        }
        let has_traits = of_event && (person.email.is_some() || person.phone.is_some());
        if !has_traits && person.others.is_empty() {
            return Ok(());
        }
        out.extend_from_slice(b",\"context\":{");
        if has_traits {
            out.extend_from_slice(b"\"traits\":{");
            for (key, value) in [("\"email\":", &person.email), ("\"phone\":", &person.phone)] {
                if let Some(value) = value {
                    push_key(out, key);
                    push_string(out, value);
                }
            }
            out.push(b'}');
        }
        if !person.others.is_empty() {
            push_key(out, "\"externalIds\":");
            out.push(b'[');
            for (namespace, value) in &person.others {
                push_key(out, "{\"type\":");
                push_string(out, namespace);
                out.extend_from_slice(b",\"id\":");
                push_string(out, value);
                out.extend_from_slice(b",\"collection\":\"users\",\"encoding\":\"none\"}");
            }
            out.push(b']');
        }
        out.push(b'}');
        Ok(())
    }

    fn push_members(&self, out: &mut Vec<u8>, object: &Object, cells: &impl Cells) -> Result<(), Rejection> {
        if let Some(column) = object.whole
            && let Some(json) = self.whole_object(column, cells)?
        {
            let inner = json.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
            out.extend_from_slice(inner.trim().as_bytes());
        }
        for field in &object.fields {
            let before = out.len();
            push_key(out, &field.key);
            let pushed = self
                .notation
                .push(out, cells.get(field.column), field.of_type)
                .map_err(|detail| Rejection::of(self.name(Some(field.column)), Reason::BadRow, detail))?;
            if !pushed {
                out.truncate(before);
            }
        }
        for member in &object.constants {
            push_key(out, member);
        }
        Ok(())
    }

    fn whole_object<'c>(&self, column: usize, cells: &'c impl Cells) -> Result<Option<Cow<'c, str>>, Rejection> {
        let text = match cells.get(column) {
            Cell::Json(json) if json.starts_with('{') => return Ok(Some(Cow::Borrowed(json))),
            cell => self.notation.text(cell),
        };
        let Some(text) = text else { return Ok(None) };
        if text.starts_with('{') && serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok() {
            return Ok(Some(text));
        }
        Err(Rejection::of(self.name(Some(column)), Reason::WrongType, "it is not a JSON object"))
    }

    fn name(&self, column: Option<usize>) -> String {
        column.and_then(|column| self.columns.get(column)).cloned().unwrap_or_default()
    }
}

impl Saying {
    const fn column(&self) -> Option<usize> {
        match self {
            Self::Column(column) => Some(*column),
            Self::Constant(_) => None,
        }
    }
}

impl Person<'_> {
    fn is_nobody(&self) -> bool {
        let Self { user_id, anonymous_id, email, phone, others } = self;
        user_id.is_none() && anonymous_id.is_none() && email.is_none() && phone.is_none() && others.is_empty()
    }

    /// The spec wants a user id or an anonymous id. It is made from all that the row names the person by, so it joins rows
    /// that agree in everything, and no others: not even where one of the identifiers is a placeholder.
    fn made_anonymous_id(&self) -> String {
        let own = [("email", &self.email), ("phone", &self.phone)];
        let own = own.into_iter().filter_map(|(namespace, value)| Some((namespace, value.as_deref()?)));
        let others = self.others.iter().map(|(namespace, value)| (*namespace, value.as_ref()));
        let mut all = String::new();
        for (namespace, value) in own.chain(others) {
            all.extend([namespace, "\n", &value.to_lowercase(), "\n"]);
        }
        format!("row-{:032x}", xxh3_128_with_seed(all.as_bytes(), 0))
    }
}

/// An identify beside an event is a message of its own.
const IDENTIFY_SUFFIX: &str = ".traits";

/// The same row of the same source is the same message, so that a mended file can be dropped again.
pub(crate) fn made_message_id(row: RowName<'_>) -> String {
    let seed = xxh3_64_with_seed(row.source.as_bytes(), row.number);
    format!("drop-{:032x}", xxh3_128_with_seed(row.raw, seed))
}

fn push_head(out: &mut Vec<u8>, kind: EventKind, id: &str, person: &Person<'_>, time: &Option<String>) {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(kind.as_str().as_bytes());
    out.extend_from_slice(b"\",\"messageId\":");
    push_string(out, id);
    for (key, value) in [(",\"userId\":", &person.user_id), (",\"anonymousId\":", &person.anonymous_id)] {
        if let Some(value) = value {
            out.extend_from_slice(key.as_bytes());
            push_string(out, value);
        }
    }
    if let Some(time) = time {
        out.extend_from_slice(b",\"timestamp\":\"");
        out.extend_from_slice(time.as_bytes());
        out.push(b'"');
    }
}

/// A comma where one is needed, and the key.
fn push_key(out: &mut Vec<u8>, key: &str) {
    if !matches!(out.last(), Some(b'{' | b'[') | None) {
        out.push(b',');
    }
    out.extend_from_slice(key.as_bytes());
}

pub(super) fn key_of(name: &str) -> String {
    let mut key = Vec::with_capacity(name.len() + 3);
    push_string(&mut key, name);
    key.push(b':');
    String::from_utf8(key).unwrap_or_default()
}

/// Columns by their names, as many as a message may hold.
pub(super) fn shown(columns: &[String]) -> String {
    const MOST: usize = 40;
    let mut shown: Vec<String> = columns.iter().take(MOST).map(|name| short(name)).collect();
    if columns.len() > MOST {
        shown.push(format!("and {} more", columns.len() - MOST));
    }
    shown.join(", ")
}

fn checked(event: Range<usize>) -> Result<Range<usize>, Rejection> {
    if event.len() <= MAX_EVENT_BYTES {
        return Ok(event);
    }
    Err(Rejection::new(Reason::TooLarge, format!("the row's event has {} bytes", event.len())))
}
