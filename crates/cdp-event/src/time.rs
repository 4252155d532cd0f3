//! Moments, in milliseconds of UTC.

use std::fmt;
use std::str::FromStr;

use jiff::fmt::temporal::DateTimeParser;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotATime {
    #[error("not a time: {0:?} (ISO 8601 with an offset is expected, such as 2026-01-31T09:30:00.000Z)")]
    Unreadable(String),
    /// A time, and one beyond those that are held: 9999-12-31, or a year of as many digits before Christ.
    #[error("{0:?} is out of range")]
    OutOfRange(String),
}

const GENERAL: DateTimeParser = DateTimeParser::new();
/// An offset is below it: RFC 3339 ends at 23:59.
const DAY_SECS: i32 = 86_400;

impl Timestamp {
    /// Times outside of this range are refused: they can't be right, and other engines can't hold them.
    pub const EARLIEST: Self = Self(-2_208_988_800_000);
    pub const LATEST: Self = Self(7_258_118_400_000);

    pub fn is_in_range(self) -> bool {
        (Self::EARLIEST..=Self::LATEST).contains(&self)
    }

    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    pub const fn as_ms(self) -> i64 {
        self.0
    }

    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Days since 1970-01-01, the unit of a date column.
    pub const fn days(self) -> i32 {
        self.0.div_euclid(86_400_000) as i32
    }

    /// `2026-01-31`.
    pub fn date(self) -> String {
        self.to_string()[..10].to_owned()
    }

    /// `2026-01-31T09:30:00.000Z`, the form that all SDKs of the field send, without a general parser.
    fn parse_common(text: &[u8]) -> Option<Self> {
        let text: &[u8; 24] = text.try_into().ok()?;
        let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
        if separators.iter().any(|&(at, expected)| text[at] != expected) {
            return None;
        }
        let number = |from: usize, to: usize| {
            text[from..to].iter().try_fold(0i64, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
        };
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second, ms) = (number(11, 13)?, number(14, 16)?, number(17, 19)?, number(20, 23)?);
        if !(1..=12).contains(&month) || !(1..=28).contains(&day) || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days_from_civil(year, month, day);
        Some(Self((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms))
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar, counted in 400-year eras that begin in March
/// (the usual closed form; see Hinnant, "chrono-compatible low-level date algorithms").
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        if let Some(common) = Self::parse_common(text.as_bytes()) {
            return Ok(common);
        }
        let shown = || text.chars().take(80).collect();
        let pieces = GENERAL.parse_pieces(text.trim()).map_err(|_| NotATime::Unreadable(shown()))?;
        let offset = pieces.to_numeric_offset().filter(|offset| offset.seconds().abs() < DAY_SECS);
        let (Some(time), Some(offset)) = (pieces.time(), offset) else { return Err(NotATime::Unreadable(shown())) };
        let moment = offset.to_timestamp(pieces.date().to_datetime(time));
        moment.map(|moment| Self(moment.as_millisecond())).map_err(|_| NotATime::OutOfRange(shown()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_sdks_send() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2025-03-01T00:34:26.435Z", 1_740_789_266_435),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("2025-03-01T01:34:26.435+01:00", 1_740_789_266_435),
            ("2025-03-01T00:34:26.435123+00:00", 1_740_789_266_435),
            ("2025-03-01T00:34:26Z", 1_740_789_266_000),
            ("2025-03-02T00:33:26+23:59", 1_740_789_266_000),
            ("2025-02-28T00:35:26-23:59", 1_740_789_266_000),
            ("9999-12-28T23:59:59.999Z", 253_402_041_599_999),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "yesterday",
            "2025-02-30T00:00:00.000Z",
            "2025-03-01",
            "2025-03-01T00:34:26",
            "2025-13-01T00:00:00.000Z",
            "1740789266",
            "2026-11-26T10:00:00+24:00",
            "2026-11-26T10:00:00+25:00",
            "2026-11-26T10:00:00-25:59",
            "2026-11-26T10:00:00+00:60",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime::Unreadable(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_time_that_can_not_be_held_is_told_as_out_of_range() {
        for text in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z", "9999-12-31T00:00:00-12:00"] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime::OutOfRange(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn common_and_general_parser_agree() {
        for ms in (-2_000_000_000_000i64..7_000_000_000_000).step_by(86_399_999 * 97) {
            let text = Timestamp(ms).to_string();
            assert_eq!(text.parse(), Ok(Timestamp(ms)), "{text}");
        }
    }
}
