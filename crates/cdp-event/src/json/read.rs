//! Values, as producers write them: text where text is meant, numbers as ids, nulls for what is absent.

use std::borrow::Cow;

use super::Fault;
use super::scan::{Kind, Scanner};

/// A value that is no object and no list is read; those are passed over.
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Whole(i128),
    Number(f64),
    Bool(bool),
    Null,
    Composite,
}

/// What is needed of an object.
pub(crate) trait Fields<'a>: Default {
    /// Reads the value of `key`, or passes over it.
    fn read(&mut self, key: &str, json: &mut Scanner<'a>) -> Result<(), Fault>;
}

/// The value of a key that may stand once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Once<T>(Option<T>);

impl<T: Default> Once<T> {
    pub fn set(&mut self, value: T) -> Result<(), Fault> {
        if self.0.replace(value).is_some() { Err(Fault::twice()) } else { Ok(()) }
    }

    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub fn get(self) -> T {
        self.0.unwrap_or_default()
    }
}

impl<'a> Scanner<'a> {
    /// Text. A whole number is taken as its digits (many producers send numeric ids); null is absence.
    pub fn id(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        match self.scalar()? {
            Scalar::Text(text) => Ok(Some(text)),
            Scalar::Whole(number) => Ok(Some(number.to_string().into())),
            Scalar::Null => Ok(None),
            Scalar::Number(_) | Scalar::Bool(_) | Scalar::Composite => Err(Fault::not_a("text")),
        }
    }

    /// Text where it is text, and nothing where it is anything else: for fields that a producer may use as it likes.
    pub fn maybe_text(&mut self) -> Result<Option<Cow<'a, str>>, Fault> {
        Ok(match self.scalar()? {
            Scalar::Text(text) => Some(text),
            Scalar::Whole(number) => Some(number.to_string().into()),
            Scalar::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Some((number as i64).to_string().into())
            }
            Scalar::Number(_) | Scalar::Bool(_) | Scalar::Null | Scalar::Composite => None,
        })
    }

    /// A number, also when it is written as text; nothing otherwise.
    pub fn maybe_number(&mut self) -> Result<Option<f64>, Fault> {
        let number = match self.scalar()? {
            Scalar::Number(number) => Some(number),
            Scalar::Whole(number) => Some(number as f64),
            Scalar::Text(text) => text.trim().parse().ok(),
            Scalar::Bool(_) | Scalar::Null | Scalar::Composite => None,
        };
        Ok(number.filter(|number: &f64| number.is_finite()))
    }

    /// True where the value is `true`, and nowhere else.
    pub fn is_true(&mut self) -> Result<bool, Fault> {
        Ok(matches!(self.scalar()?, Scalar::Bool(true)))
    }

    /// Of an object, what is needed.
    pub fn fields<T: Fields<'a>>(&mut self) -> Result<T, Fault> {
        let mut fields = T::default();
        self.object(|json, key| fields.read(key, json))?;
        Ok(fields)
    }

    /// Of an object, what is needed; nothing where a producer sent something else in its place.
    pub fn maybe_fields<T: Fields<'a>>(&mut self) -> Result<Option<T>, Fault> {
        match self.kind()? {
            Kind::Object => self.fields().map(Some),
            _ => self.pass().map(|_| None),
        }
    }

    fn scalar(&mut self) -> Result<Scalar<'a>, Fault> {
        let kind = self.kind()?;
        if kind == Kind::Text {
            return self.text().map(Scalar::Text);
        }
        let text = self.pass()?;
        Ok(match kind {
            Kind::Number => number(text)?,
            Kind::True => Scalar::Bool(true),
            Kind::False => Scalar::Bool(false),
            Kind::Null => Scalar::Null,
            Kind::Text | Kind::Object | Kind::List => Scalar::Composite,
        })
    }
}

/// Whole numbers of 64 bits are exact; all others are what a 64-bit float makes of them.
fn number<'a>(text: &str) -> Result<Scalar<'a>, Fault> {
    let whole = text.parse::<i64>().map(i128::from).or_else(|_| text.parse::<u64>().map(i128::from));
    if let Ok(whole) = whole {
        return Ok(Scalar::Whole(whole));
    }
    let number = text.parse().unwrap_or(f64::INFINITY);
    if f64::is_finite(number) { Ok(Scalar::Number(number)) } else { Err(Fault::not_a("a number of 64 bits")) }
}
