//! Times as files write them.

use cdp_event::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use super::TimeColumn;

#[derive(Clone, Debug)]
pub(super) struct TimeReader {
    format: TimeFormat,
    zone: TimeZone,
}

#[derive(Clone, Debug)]
enum TimeFormat {
    Iso,
    EpochSeconds,
    EpochMs,
    /// As it was written, and as it is read by.
    Pattern {
        written: String,
        pattern: String,
    },
}

impl TimeReader {
    pub fn iso() -> Self {
        Self { format: TimeFormat::Iso, zone: TimeZone::UTC }
    }

    /// The error is the setting's key, the problem, and the remedy.
    pub fn compile(time: &TimeColumn) -> Result<Self, (&'static str, String, &'static str)> {
        let zone = match time.timezone.as_str() {
            "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| {
                (
                    "timezone",
                    format!("there is no time zone {name:?}"),
                    "use a name of the IANA database, such as Europe/Paris",
                )
            })?,
        };
        let format = match time.format.as_str() {
            "iso" => TimeFormat::Iso,
            "epoch_s" => TimeFormat::EpochSeconds,
            "epoch_ms" => TimeFormat::EpochMs,
            written => match checked_pattern(written) {
                Ok(pattern) => TimeFormat::Pattern { written: written.to_owned(), pattern },
                Err(problem) => {
                    let remedy =
                        "use iso, epoch_s, epoch_ms, letters such as YYYYMMDD, or a strptime pattern such as %d/%m/%Y";
                    return Err(("format", problem, remedy));
                }
            },
        };
        Ok(Self { format, zone })
    }

    /// The error says what the text is not.
    pub fn read(&self, text: &str) -> Result<Timestamp, String> {
        let text = text.trim();
        let moment = match &self.format {
            TimeFormat::Iso => self.iso_moment(text),
            TimeFormat::EpochSeconds => epoch(text, 1000.0),
            TimeFormat::EpochMs => epoch(text, 1.0),
            TimeFormat::Pattern { pattern, .. } => self.by_pattern(pattern, text),
        };
        let moment = moment.ok_or_else(|| format!("{:?} is not a time of the format {}", short(text), self.name()))?;
        if (Timestamp::EARLIEST..=Timestamp::LATEST).contains(&moment) {
            return Ok(moment);
        }
        Err(format!("{:?} is not between 1900 and 2200", short(text)))
    }

    fn name(&self) -> &str {
        match &self.format {
            TimeFormat::Iso => "iso",
            TimeFormat::EpochSeconds => "epoch_s",
            TimeFormat::EpochMs => "epoch_ms",
            TimeFormat::Pattern { written, .. } => written,
        }
    }

    fn iso_moment(&self, text: &str) -> Option<Timestamp> {
        if let Ok(moment) = text.parse() {
            return Some(moment);
        }
        self.in_zone(text.parse().ok()?)
    }

    fn by_pattern(&self, pattern: &str, text: &str) -> Option<Timestamp> {
        let broken_down = BrokenDownTime::parse(pattern, text).ok()?;
        if let Ok(moment) = broken_down.to_timestamp() {
            return Some(Timestamp::from_ms(moment.as_millisecond()));
        }
        let civil = broken_down.to_datetime().or_else(|_| broken_down.to_date().map(DateTime::from));
        self.in_zone(civil.ok()?)
    }

    fn in_zone(&self, civil: DateTime) -> Option<Timestamp> {
        Some(Timestamp::from_ms(self.zone.to_timestamp(civil).ok()?.as_millisecond()))
    }
}

fn epoch(text: &str, unit_ms: f64) -> Option<Timestamp> {
    if let (Ok(whole), true) = (text.parse::<i64>(), unit_ms == 1.0) {
        return Some(Timestamp::from_ms(whole));
    }
    let ms = (text.parse::<f64>().ok()? * unit_ms).round();
    ms.is_finite().then_some(Timestamp::from_ms(ms as i64))
}

fn checked_pattern(given: &str) -> Result<String, String> {
    let pattern = if given.contains('%') { given.to_owned() } else { strptime_of(given) };
    if !pattern.contains('%') {
        return Err(format!("{given:?} names no part of a date"));
    }
    let some_time = jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let written = strtime::format(&pattern, &some_time).map_err(|error| format!("{pattern:?}: {error}"))?;
    let read = BrokenDownTime::parse(&pattern, written.as_str()).map_err(|error| format!("{pattern:?}: {error}"))?;
    if read.to_timestamp().is_err() && read.to_date().is_err() {
        return Err(format!("{given:?} names no year, month and day"));
    }
    Ok(pattern)
}

/// `DD.MM.YYYY HH:mm` is `%d.%m.%Y %H:%M`.
fn strptime_of(letters: &str) -> String {
    const PARTS: [(&str, &str); 7] =
        [("YYYY", "%Y"), ("YY", "%y"), ("MM", "%m"), ("DD", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S")];
    PARTS.iter().fold(letters.to_owned(), |pattern, (part, directive)| pattern.replace(part, directive))
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_files_write_them() {
        for (format, zone, text, expected) in [
            ("iso", "UTC", "2025-03-01T00:34:26.435Z", "2025-03-01T00:34:26.435Z"),
            ("iso", "Europe/Paris", "2025-03-01T00:34:26+05:00", "2025-02-28T19:34:26.000Z"),
            ("iso", "Europe/Paris", "2025-07-01", "2025-06-30T22:00:00.000Z"),
            ("iso", "UTC", "2025-07-01 10:20:30", "2025-07-01T10:20:30.000Z"),
            ("YYYYMMDD", "UTC", "19970118", "1997-01-18T00:00:00.000Z"),
            ("DD.MM.YYYY HH:mm:ss", "America/New_York", "31.12.2024 19:00:00", "2025-01-01T00:00:00.000Z"),
            ("%d/%m/%y", "UTC", " 05/06/24 ", "2024-06-05T00:00:00.000Z"),
            ("%Y-%m-%d %H:%M:%S %z", "Europe/Paris", "2024-06-05 01:00:00 +0000", "2024-06-05T01:00:00.000Z"),
            ("epoch_s", "UTC", "1740789266.435", "2025-03-01T00:34:26.435Z"),
            ("epoch_ms", "UTC", "1740789266435", "2025-03-01T00:34:26.435Z"),
            ("iso", "UTC", "yesterday", "\"yesterday\" is not a time of the format iso"),
            ("epoch_s", "UTC", "NaN", "\"NaN\" is not a time of the format epoch_s"),
            ("epoch_ms", "UTC", "99999999999999999", "\"99999999999999999\" is not between 1900 and 2200"),
            ("YYYYMMDD", "UTC", "19970230", "\"19970230\" is not a time of the format YYYYMMDD"),
        ] {
            let column = TimeColumn { column: "t".into(), format: format.into(), timezone: zone.into() };
            let reader = TimeReader::compile(&column).expect("a sound format");
            let read = reader.read(text).map_or_else(|error| error, |moment| moment.to_string());
            assert_eq!(read, expected, "{format} {text}");
        }
    }

    #[test]
    fn a_format_that_no_time_has_is_refused_when_it_is_set() {
        for (format, told) in [
            ("dd.mm.yyyy", "\"dd.mm.yyyy\" names no year, month and day"),
            ("DD.MM.YYYYY", "\"DD.MM.YYYYY\" names no year, month and day"),
            ("HH:mm", "\"HH:mm\" names no year, month and day"),
            ("date", "\"date\" names no part of a date"),
        ] {
            let column = TimeColumn { column: "t".into(), format: format.into(), timezone: "UTC".into() };
            let (key, problem, _) = TimeReader::compile(&column).expect_err("no time has it");
            assert_eq!((key, problem.as_str()), ("format", told));
        }
    }
}
