//! The readers of dropped files. A file ends, whatever is in it, and each of its rows is taken or refused, once.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Seek, Write};
use std::sync::Arc;
use std::thread::LocalKey;

use cdp_drops::{Batch, BatchLimits, Compression, DropSettings, Ending, FileContent, Format, OpenError, Rows};
use cdp_event::{MAX_EVENT_BYTES, Reason, Rejection, validate};
use serde_json::value::RawValue;

use crate::memory::most_held;
use crate::seeds::{self, MOMENT, gzip, zstd};
use crate::stall::{is_stalled, time};
use crate::{fuzz_one_in, seeds_of};

const SOURCE: &str = "partner";
/// As docs/drops.md promises.
const MAX_ROW_BYTES: usize = 1 << 20;
/// Any file, also a broken Parquet one, whose pages say themselves how large they are.
const MEMORY_BYTES: usize = 256 << 20;

const WORDS: [&[u8]; 32] = [
    b"\"",
    b"\"\"",
    b"\",\"",
    b"a\",\"\n",
    b",",
    b";",
    b"\t",
    b"|",
    b"\n",
    b"\r\n",
    b"\r",
    b"\0",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xfe\xff",
    b"\x00\xd8",
    b"\xe9",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"null",
    b"1e400",
    b"PAR1",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"PK\x03\x04",
    b"userId",
    b"9999-12-31",
    b"-0",
    b"   ",
];

const NAMES: [&str; 8] = ["a.csv", "a.json", "a.jsonl", "a", "a.txt.gz", "a.tsv", "a.parquet", "a.json.zst"];

const MAPPINGS: [&str; 5] = [
    "",
    "[mapping]\nuser_id = 'id'\nevent = 'E'\nproperties = '*'\ntypes = { amount = 'money', n = 'integer', x = 'number', yes = 'boolean', doc = 'json', cents = 'money_minor' }",
    "[mapping]\nemail = 'email'\nidentifiers = { card = 'id' }\nevent = { column = 'kind' }\ntraits = ['x', 'doc']\nproperties = '*'\ntime = { column = 'day', format = 'DD.MM.YYYY', timezone = 'Europe/Paris' }\nmessage_id = ['id', 'n']\ndecimal_comma = true\nnulls = ['-']",
    "[mapping]\nanonymous_id = 'id'\ntype = { column = 'kind' }\nevent = 'E'\ntime = { column = 'day', format = 'epoch_s' }\nproperties = ['amount']\nconstants = { currency = 'EUR', n = 1.5 }",
    "encoding = 'utf-16le'\n[csv]\ndelimiter = 'whitespace'\ncolumns = ['id', 'day', 'n']\n[mapping]\nuser_id = 'id'\ntime = { column = 'day', format = '%d/%m/%y' }\ntraits = '*'",
];

/// A file as it was read.
struct Read {
    rows: Vec<Row>,
    ending: Result<Ending, String>,
}

#[derive(Debug, PartialEq)]
struct Row {
    raw: Vec<u8>,
    events: Vec<Result<Vec<u8>, Rejection>>,
}

thread_local! {
    static FILE: File = tempfile::tempfile().expect("a file");
}

fn file_of(bytes: &[u8]) -> Arc<FileContent> {
    let file: &'static LocalKey<File> = &FILE;
    file.with(|file| {
        let mut file = file.try_clone().expect("a handle");
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(bytes)).expect("the disk is fine");
        Arc::new(FileContent::new(file).expect("the disk is fine"))
    })
}

fn settings(toml: &str) -> DropSettings {
    let settings: DropSettings = toml::from_str(toml).expect("settings");
    assert_eq!(settings.check(), Ok(()));
    settings
}

/// Reads the whole file in small batches; holds what is true of every file.
fn read(bytes: &[u8], name: &str, settings: &DropSettings, passed_over: u64) -> Read {
    let mut rows = match Rows::open(file_of(bytes), name, SOURCE, settings) {
        Ok(rows) => rows,
        Err(OpenError::Unreadable { detail, head, .. }) => {
            assert!(!detail.is_empty() && detail.len() < 8 << 10 && head.len() <= 4 << 10, "{detail}");
            return Read { rows: vec![], ending: Err(detail) };
        }
        Err(OpenError::Device(error)) => panic!("a fault of the content is none of the device: {error}"),
    };
    rows.skip(passed_over).expect("a fault of the content is none of the device");
    let (mut batch, mut all) = (Batch::default(), vec![]);
    let mut number = rows.number();
    while rows.ending().is_none() {
        batch.clear();
        rows.fill(&mut batch, BatchLimits { rows: 7, bytes: 1 << 20 }, None).expect("no fault of the device");
        assert!(!batch.rows().is_empty() || rows.ending().is_some(), "it stalls");
        let decoded = batch.decoded(SOURCE, MOMENT);
        for row in batch.rows() {
            number += 1;
            assert_eq!(row.number, number, "rows are numbered as they come");
            let of_row = decoded.iter().filter(|part| part.offset.sequence == row.number.into());
            let events = of_row.map(|part| {
                part.event.clone().map(|raw| {
                    assert!(raw.bytes.len() <= MAX_ROW_BYTES);
                    raw.bytes.to_vec()
                })
            });
            let row = Row { raw: batch.raw(row).to_vec(), events: events.collect() };
            check_row(&row);
            all.push(row);
        }
    }
    assert_eq!(rows.number(), number, "each row is in one batch");
    Read { rows: all, ending: Ok(rows.ending().cloned().expect("it ended")) }
}

fn check_row(row: &Row) {
    assert!((1..=2).contains(&row.events.len()), "a row is an event or two, or is refused");
    assert!(row.raw.len() <= MAX_ROW_BYTES, "{} bytes", row.raw.len());
    for rejection in row.events.iter().filter_map(|event| event.as_ref().err()) {
        assert!(!rejection.detail.is_empty() && rejection.detail.len() < 4 << 10, "{rejection}");
    }
}

/// What a mapping wrote is an event's JSON, whatever the row held; validation may refuse its values, not its form.
fn check_mapped(read: &Read) {
    for event in read.rows.iter().flat_map(|row| &row.events).flatten() {
        let json: Result<&RawValue, _> = serde_json::from_slice(event);
        assert!(json.is_ok(), "{}", event.escape_ascii());
        assert!(event.len() <= MAX_EVENT_BYTES);
        if let Err(rejection) = validate(&seeds::raw(event, Default::default())) {
            let formal = [Reason::NotJson, Reason::TooLarge, Reason::MissingType, Reason::NoIdentifier];
            assert!(!formal.contains(&rejection.reason), "{rejection}: {}", event.escape_ascii());
        }
    }
}

#[test]
fn a_file_of_any_kind_ends_and_its_rows_are_taken_or_refused() {
    let mappings = MAPPINGS.map(settings);
    let seeds = seeds::files();
    fuzz_one_in(16, &seeds, &WORDS, |bytes| {
        let name = NAMES[bytes.len() % NAMES.len()];
        let settings = &mappings[usize::from(bytes.first().copied().unwrap_or_default()) % mappings.len()];
        let held = most_held(|| {
            let whole = read(bytes, name, settings, 0);
            // A kill may come after any row: what is passed over is what was read.
            let passed_over = whole.rows.len() / 2;
            let rest = read(bytes, name, settings, passed_over as u64);
            assert_eq!(rest.rows, whole.rows[passed_over..]);
            assert_eq!(rest.ending, whole.ending);
        });
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

#[test]
fn lines_of_json_are_rows_whatever_is_in_them() {
    let seeds = seeds_of(seeds::events().chunks(3), |events| events.join(&b'\n'));
    let settings = settings("format = 'json_lines'\nencoding = 'utf-8'");
    fuzz_one_in(4, &seeds, &WORDS, |bytes| {
        if [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"]
            .iter()
            .any(|mark| bytes.starts_with(mark))
        {
            return;
        }
        let read = read(bytes, "a", &settings, 0);
        if read.ending.is_err() {
            return;
        }
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        assert!(read.rows.iter().map(|row| &row.raw[..]).eq(lines));
        assert_eq!(read.ending, Ok(Ending::Complete));
    });
}

#[test]
fn elements_of_a_sound_array_are_rows_and_a_broken_one_ends() {
    let seeds = seeds_of(seeds::events().chunks(3), |events| [b"[", &events.join(&b',')[..], b"]"].concat());
    let settings = settings("format = 'json_array'\nencoding = 'utf-8'");
    fuzz_one_in(4, &seeds, &WORDS, |bytes| {
        let read = read(bytes, "a", &settings, 0);
        let sound: Result<Vec<&RawValue>, _> = serde_json::from_slice(bytes);
        if let Ok(elements) = sound {
            assert!(
                read.rows.iter().map(|row| row.raw.trim_ascii()).eq(elements.iter().map(|raw| raw.get().as_bytes()))
            );
            assert_eq!(read.ending, Ok(Ending::Complete));
        }
    });
}

#[test]
fn rows_of_csv_become_events_in_json() {
    let mappings = MAPPINGS.map(settings);
    fuzz_one_in(4, &seeds::csv(), &WORDS, |bytes| {
        let mapping = &mappings[bytes.len() % mappings.len()];
        let read = read(bytes, "a.csv", mapping, 0);
        check_mapped(&read);
        // Without quotes a row is a line.
        let is_plain = bytes.is_ascii() && !bytes.contains(&b'"') && !bytes.contains(&0);
        if let (Ok(Ending::Complete), true, 0..=3) = (&read.ending, is_plain, bytes.len() % mappings.len()) {
            let newline = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
            let lines = bytes.split(|byte| *byte == newline).filter(|line| !line.trim_ascii().is_empty());
            assert_eq!(read.rows.len(), lines.count().saturating_sub(1));
        }
    });
}

#[test]
fn objects_become_events_in_json_by_a_mapping() {
    let mappings = [1, 2, 3].map(|at| settings(MAPPINGS[at]));
    fuzz_one_in(4, &seeds::objects(), &WORDS, |bytes| {
        check_mapped(&read(bytes, "a.jsonl", &mappings[bytes.len() % mappings.len()], 0));
    });
}

#[test]
fn a_parquet_file_that_is_broken_ends() {
    let mappings = [0, 1, 2].map(|at| settings(MAPPINGS[at]));
    let seeds = seeds::parquet();
    fuzz_one_in(32, &seeds, &WORDS, |bytes| {
        let mapping = &mappings[bytes.len() % mappings.len()];
        let held = most_held(|| check_mapped(&read(bytes, "a.parquet", mapping, 0)));
        assert!(held <= MEMORY_BYTES, "{held} bytes of memory");
    });
}

#[test]
fn a_long_file_is_the_same_rows_in_whatever_pieces_it_comes_and_in_bounded_memory() {
    let settings = [settings(MAPPINGS[1]), settings("")];
    fuzz_one_in(1000, &seeds::files(), &WORDS, |bytes| {
        let times = (3 << 20) / bytes.len().max(1);
        let long = bytes.repeat(times.min(10_000));
        let packed = if bytes.len().is_multiple_of(2) { gzip(&long) } else { zstd(&long) };
        for (name, settings) in [("a.csv", &settings[0]), ("a.json", &settings[1])] {
            let mut plain = None;
            let held = most_held(|| plain = summary(&long, name, settings));
            // A row may be nothing but delimiters.
            assert!(held <= 64 << 20, "{held} bytes of memory");
            if let Some((Compression::None, plain)) = plain {
                assert_eq!(summary(&packed, name, settings).map(|(_, packed)| packed), Some(plain));
            }
        }
    });
}

#[test]
fn a_long_file_of_any_lines_is_read_once() {
    let settings = settings(MAPPINGS[1]);
    for file in seeds::csv() {
        let times = (2 << 20) / file.len();
        // The second comes in crumbs.
        for long in [file.repeat(times), zstd(&file).repeat(times)] {
            let is_stalled = is_stalled(|| time(|| drop(summary(&long, "a.csv", &settings))));
            assert!(!is_stalled, "{}", file.escape_ascii());
        }
    }
}

/// How a file is packed; how many rows it has, what they are, and how they ended.
fn summary(bytes: &[u8], name: &str, settings: &DropSettings) -> Option<(Compression, (u64, u64, Ending))> {
    let mut rows = match Rows::open(file_of(bytes), name, SOURCE, settings) {
        Ok(rows) if rows.layout().format == Format::Parquet => return None,
        Ok(rows) => rows,
        Err(OpenError::Unreadable { .. }) => return None,
        Err(OpenError::Device(error)) => panic!("{error}"),
    };
    let (mut batch, mut hasher) = (Batch::default(), DefaultHasher::new());
    while rows.ending().is_none() {
        batch.clear();
        rows.fill(&mut batch, BatchLimits { rows: 1000, bytes: 1 << 20 }, None).expect("no fault of the device");
        for part in batch.decoded(SOURCE, MOMENT) {
            part.bytes.hash(&mut hasher);
            part.event.map(|raw| raw.bytes).map_err(|rejection| rejection.to_string()).hash(&mut hasher);
        }
    }
    Some((rows.layout().compression, (rows.number(), hasher.finish(), rows.ending().cloned()?)))
}

#[test]
fn settings_that_are_sound_read_any_file() {
    let words: [&[u8]; 20] = [
        b"[mapping]\n",
        b"[csv]\n",
        b"user_id = 'id'\n",
        b"'*'",
        b"{ column = 'day' }",
        b"time = ",
        b"format = '%",
        b"%Q",
        b"%s",
        b"%:z",
        b"%V",
        b"YYYY",
        b"timezone = 'Asia/Kolkata'",
        b"types = { n = 'money' }\n",
        b"delimiter = ';'\n",
        b"header = false\n",
        b"''",
        b"\n",
        b"=",
        b"columns = []\n",
    ];
    let seeds = seeds_of(MAPPINGS, |toml| toml.as_bytes().to_vec());
    let files = seeds::files();
    fuzz_one_in(4, &seeds, &words, |bytes| {
        let parsed = std::str::from_utf8(bytes).ok().and_then(|text| toml::from_str::<DropSettings>(text).ok());
        let Some(settings) = parsed else { return };
        match settings.check() {
            Err(error) => assert!(!error.key.is_empty() && !error.problem.is_empty() && !error.remedy.is_empty()),
            Ok(()) => drop(read(&files[bytes.len() % files.len()], "a.csv", &settings, 0)),
        }
    });
}
