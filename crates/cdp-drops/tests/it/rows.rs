//! Rows of each format, whole and broken.

use cdp_drops::{Batch, BatchLimits};

use crate::files::{gzip, open, orders_parquet, read, settings, told, zstd};

const SEGMENT: [&str; 3] = [
    r#"{"type":"track","event":"A","userId":"u1","messageId":"1"}"#,
    r#"{"type":"track","event":"B","userId":"u2","messageId":"2"}"#,
    r#"{"type":"identify","userId":"u3","messageId":"3","traits":{"quote":"]}\"{"}}"#,
];

const BY_CUSTOMER: &str = "[mapping]\nuser_id = 'customer'\nevent = 'Order'\nproperties = '*'\nskip = ['at']";

fn each_compression(bytes: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    [("", bytes.to_vec()), (".gz", gzip(bytes)), (".zst", zstd(bytes))]
}

#[test]
fn segment_shaped_json_needs_no_mapping() {
    let lines = format!("\n{}\r\n  {}  \n\n{}", SEGMENT[0], SEGMENT[1], SEGMENT[2]);
    let array = format!(" [\n{} , {},\n\t{}\n] \n", SEGMENT[0], SEGMENT[1], SEGMENT[2]);
    for (name, text) in [("a.jsonl", &lines), ("a.json", &lines), ("a.json", &array), ("noname", &array)] {
        for (ending, bytes) in each_compression(text.as_bytes()) {
            let read = read(&format!("{name}{ending}"), &bytes, &settings(""));
            assert_eq!(read.rows, SEGMENT, "{name}{ending}");
            assert_eq!((read.ending.as_str(), read.encoding), ("complete", "UTF-8"));
        }
    }
}

#[test]
fn csv_and_parquet_are_read_in_each_compression() {
    let csv = "customer,amount,at\nu1,1.5,x\nu2,2.5,x\n";
    for (name, plain) in [("a.csv", csv.as_bytes().to_vec()), ("a.parquet", orders_parquet(2, 1))] {
        for (ending, bytes) in each_compression(&plain) {
            let read = read(&format!("{name}{ending}"), &bytes, &settings(BY_CUSTOMER));
            assert_eq!(read.ending, "complete", "{name}{ending}");
            assert_eq!(read.rows.len(), 2, "{name}{ending}");
            let amount = if name == "a.csv" { "\"2.5\"" } else { "2.5" };
            let expected = format!(r#""event":"Order","properties":{{"amount":{amount}}}}}"#);
            assert!(read.rows[1].ends_with(&expected), "{name}{ending}: {}", read.rows[1]);
        }
    }
}

/// Each row's values of `a` and `b`, or why it was refused.
fn check_csv(bytes: &[u8], more: &str, expected: &[&str]) {
    let mapping = "[mapping]\nuser_id = 'a'\nevent = 'E'\nproperties = ['b']";
    let read = read("a.csv", bytes, &settings(&format!("{more}\n{mapping}")));
    let short: Vec<String> = read.rows.iter().map(|row| value(row)).collect();
    assert_eq!(short, expected, "{}", String::from_utf8_lossy(bytes));
}

/// `user=property` of an event.
fn value(row: &str) -> String {
    let Ok(json) = serde_json::from_str::<serde_json::Value>(row) else { return row.to_owned() };
    let property = json["properties"]["b"].as_str().unwrap_or("-");
    format!("{}={property}", json["userId"].as_str().unwrap_or("-"))
}

#[test]
fn csv_as_people_write_it() {
    check_csv(b"a,b\nu1,x\nu2,y", "", &["u1=x", "u2=y"]);
    check_csv(b"\xef\xbb\xbfa;b\r\nu1;x,y\r\n\r\n\"u2\";\"y\"\"z\r\n!\"\r\n", "", &["u1=x,y", "u2=y\"z\r\n!"]);
    check_csv(b"a\tb\ru1\tx\ru2\ty\r", "", &["u1=x", "u2=y"]);
    check_csv(b"u1|x\nu2|y\n", "csv = { columns = ['a', 'b'] }", &["u1=x", "u2=y"]);
    check_csv(
        b"  u1   x\n\tu2\ty  \r\n",
        "csv = { columns = ['a', 'b'], delimiter = 'whitespace' }",
        &["u1=x", "u2=y"],
    );
    check_csv(b"x,y\nu1,x\n", "csv = { columns = ['a', 'b'], header = true }", &["u1=x"]);
    check_csv(b" a , b \nu1, x \n", "", &["u1=x"]);
}

#[test]
fn csv_in_other_encodings() {
    check_csv(b"a,b\nu1,Jos\xe9 \x80\n", "", &["u1=José €"]);
    check_csv("a,b\nu1,José €\n".as_bytes(), "", &["u1=José €"]);
    let utf16: Vec<u8> = "\u{feff}a,b\nu1,José €\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_csv(&utf16, "", &["u1=José €"]);
    check_csv(b"a,b\nu1,\xa4\n", "encoding = 'iso-8859-15'", &["u1=€"]);
    let refused = "2.0 not_utf8: byte 3 is not UTF-8; set the source's `encoding` if the file is not";
    check_csv(b"a,b\nu1,x\nu2,\xff\nu3,y\n", "encoding = 'utf-8'", &["u1=x", refused, "u3=y"]);
}

#[test]
fn a_broken_csv_row_harms_no_other() {
    let (short, long) = ["1.0 bad_row: the row has 1 field, not 2", "3.0 bad_row: the row has 3 fields, not 2"].into();
    check_csv(b"a,b\nu1\nu2,x\nu3,x,y\n", "", &[short, "u2=x", long]);
    let after = "1.0 bad_row: there is text after a closing quote";
    check_csv(b"a,b\n\"u1\"x,y\nu2,x\n", "", &[after, "u2=x"]);
    let open = "1.0 bad_row: a quote is not closed";
    check_csv(b"a,b\n\"u1,y\nu2,x\nu3,y\n", "", &[open, "u2=x", "u3=y"]);
    // A quote that swallows more than a row may have.
    let long = ["a,b\n\"u1,y\n".as_bytes(), &b"u2,x\n".repeat(300_000)].concat();
    let rows = read("a.csv", &long, &settings("[mapping]\nuser_id = 'a'")).rows;
    assert_eq!((rows[0].as_str(), rows.len()), (open, 300_001));
}

/// Pieces of a file come at any place: in a row of several lines, also between two of its fields.
#[test]
fn a_row_of_several_lines_is_whole_wherever_the_file_is_read_on() {
    let row = |n: usize| format!("\"u{n}\",\"two\nlines\",{}\n", "x".repeat(n % 97 + n % 7 * 40));
    let text: String = (0..20_000).map(row).collect();
    let settings =
        settings("csv.columns = ['a', 'b', 'c']\nmapping = { user_id = 'a', event = 'E', properties = '*' }");
    for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        let read = read("a.csv", &bytes, &settings);
        assert_eq!((read.rows.len(), read.ending.as_str()), (20_000, "complete"));
        for (n, row) in read.rows.iter().enumerate() {
            let json: serde_json::Value = serde_json::from_str(row).expect(row);
            assert_eq!((&json["userId"], &json["properties"]["b"]), (&format!("u{n}").into(), &"two\nlines".into()));
            assert_eq!(json["properties"]["c"].as_str().map_or(0, str::len), n % 97 + n % 7 * 40, "row {n}");
        }
    }
    let cut = gzip(b"\"u1\",\"two\nlines\",whole\n\"u2\",\"two\nlines\",cut off he");
    let read = read("a.csv", &cut[..cut.len() - 9], &settings);
    let rows: Vec<_> = read.rows.iter().map(|row| row.contains("cut off here")).collect();
    assert_eq!(rows, [false, true], "half a row is no row: {:?}", read.rows);
}

/// Each of these lines opens a quote that all others keep open. Without a memory of that each costs a whole row's length.
#[test]
fn quotes_that_are_never_closed_do_not_stall_a_file() {
    for ending in ["", "\"x\n"] {
        let text = format!("a,b\n{}{ending}", "a\",\"\n".repeat(400_000));
        let started = std::time::Instant::now();
        let rows = read("a.csv", text.as_bytes(), &settings("[mapping]\nuser_id = 'a'")).rows;
        assert!(rows.len() >= 400_000 && rows[..390_000].iter().all(|row| row.contains("bad_row")), "{}", rows.len());
        assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }
}

#[test]
fn a_header_of_very_many_columns_is_told_in_few_words() {
    let columns = |count: usize| vec!["a"; count].join(",");
    for (header, expected) in [
        (columns(16_384), "there is no column \"id\", which `mapping.user_id` names; the columns are: a, a_2, a_3"),
        (columns(16_385), "its header row has 16385 columns, and a file may have 16384"),
        (",".repeat(900_000), "its header row has 900001 columns, and a file may have 16384"),
    ] {
        let ending = read("a.csv", format!("{header}\n1\n").as_bytes(), &settings("[mapping]\nuser_id = 'id'")).ending;
        assert!(ending.starts_with(&format!("unreadable: {expected}")) && ending.len() < 1000, "{ending:.200}");
    }
}

#[test]
fn a_row_that_is_too_long_is_refused_with_its_head() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(3 << 20));
    let refused = "2.0 too_large: the row has more than 1048576 bytes";
    let lines = format!("{}\n{long}\n{}\n", SEGMENT[0], SEGMENT[1]);
    let array = format!("[{},{long},{}]", SEGMENT[0], SEGMENT[1]);
    for text in [lines, array] {
        assert_eq!(read("a.json", text.as_bytes(), &settings("")).rows, [SEGMENT[0], refused, SEGMENT[1]]);
    }
    check_csv(format!("a,b\nu1,x\n{long},z\nu2,y\n").as_bytes(), "", &["u1=x", refused, "u2=y"]);

    let mut rows = open("a.json", format!("[{long}]").as_bytes(), &settings("")).expect("it opens");
    let mut batch = Batch::default();
    rows.fill(&mut batch, BatchLimits::default(), None).expect("the device is fine");
    assert_eq!(batch.raw(&batch.rows()[0]).len(), 1024);
}

#[test]
fn broken_json_is_refused_row_by_row() {
    let lines = format!("{}\n{{\"type\":\"track\"\n[1]\n\"text\"\n{}\n", SEGMENT[0], SEGMENT[1]);
    let rows = read("a.jsonl", lines.as_bytes(), &settings("")).rows;
    assert_eq!(rows.len(), 5);
    assert_eq!((rows[0].as_str(), rows[4].as_str()), (SEGMENT[0], SEGMENT[1]));
    assert!(rows[1..4].iter().all(|row| row.contains("not_json")), "{rows:?}");

    let array = format!("[{}, 12, null, \"t\", foo, {}]", SEGMENT[0], SEGMENT[1]);
    let rows = read("a.json", array.as_bytes(), &settings("")).rows;
    assert_eq!(rows.len(), 6);
    assert!(rows[1..5].iter().all(|row| row.contains("not_json")), "{rows:?}");
}

#[test]
fn a_nul_is_a_fault_of_its_row() {
    let short = "5.0 bad_row: the row has 1 field, not 2";
    let control = "6.0 bad_identifier: a: it holds a control character";
    for delimiter in [",", ";"] {
        let csv = "a,b\nu1,x\nu2,y\nu3,z\nu4,x\n\0\0\0\0\0\nu\0f,y\nu7,z\0\n".replace(',', delimiter);
        let utf16 = format!("\u{feff}{csv}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        for bytes in [csv.into_bytes(), utf16] {
            check_csv(&bytes, "", &["u1=x", "u2=y", "u3=z", "u4=x", short, control, "u7=z\0"]);
        }
    }

    let text = |between: &str| {
        format!("{}{between}\0\0\0\0{between}{{\"type\":\"track\",\"event\":\"D n\0ul\",\"userId\":\"w\"}}", SEGMENT[0])
    };
    for (name, text) in [("a.jsonl", text("\n")), ("a.json", format!("[{},{}]", text(","), SEGMENT[1]))] {
        for (ending, bytes) in each_compression(text.as_bytes()) {
            let read = read(&format!("{name}{ending}"), &bytes, &settings(""));
            assert_eq!((read.rows[0].as_str(), read.ending.as_str()), (SEGMENT[0], "complete"), "{name}{ending}");
            assert!(read.rows[1..3].iter().all(|row| row.contains("not_json")), "{name}{ending}: {:?}", read.rows);
            assert_eq!(read.rows[3..], SEGMENT[1..][..read.rows.len() - 3]);
        }
    }
}

#[test]
fn what_is_read_of_a_file_grows_to_all_of_it() {
    let csv = (0..200_000).fold("customer,amount\n".to_owned(), |csv, n| csv + &format!("u{n},{}\n", n * 7919 % 1009));
    for (name, plain) in [("a.csv", csv.into_bytes()), ("a.parquet", orders_parquet(100_000, 10_000))] {
        for (ending, bytes) in each_compression(&plain) {
            let name = format!("{name}{ending}");
            let mut rows = open(&name, &bytes, &settings(BY_CUSTOMER)).expect("it opens");
            let (mut batch, mut read) = (Batch::default(), vec![]);
            while rows.ending().is_none() {
                batch.clear();
                rows.fill(&mut batch, BatchLimits { rows: 10_000, bytes: 1 << 30 }, None).expect("the device is fine");
                read.push(rows.read_bytes());
            }
            assert!(read.is_sorted(), "{name}: {read:?}");
            assert!(read[0] > 0 && read[0] < bytes.len() as u64, "{name}: {read:?} of {}", bytes.len());
            assert_eq!(read.last(), Some(&(bytes.len() as u64)), "{name}");
        }
    }
}

#[test]
fn what_is_cut_off_gives_its_rows_and_says_so() {
    let lines: String = (0..20_000)
        .map(|n| format!("{{\"type\":\"track\",\"event\":\"E{n}\",\"userId\":\"u{n}\",\"messageId\":\"{n}\"}}\n"))
        .collect();
    let array = format!("[{}]", lines.trim_end().replace('\n', ","));
    let csv: String = "a,b\n"
        .chars()
        .chain((0..50_000).flat_map(|n| format!("u{n},{}\n", n * 7919 % 1000).chars().collect::<Vec<_>>()))
        .collect();
    let csv_settings = settings("[mapping]\nuser_id = 'a'");
    for (name, text, settings) in
        [("a.jsonl", &lines, settings("")), ("a.json", &array, settings("")), ("a.csv", &csv, csv_settings)]
    {
        let whole = read(name, text.as_bytes(), &settings);
        assert_eq!(whole.ending, "complete", "{name}");
        for compressed in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
            let cut = read(name, &compressed[..compressed.len() * 2 / 3], &settings);
            let (last, before) = cut.rows.split_last().expect("rows");
            assert!(cut.ending.starts_with("cut off: "), "{name}: {}", cut.ending);
            assert!(last.contains("bad_row: the file is cut off here"), "{name}: {last}");
            assert!(before.len() > 1000 && before == &whole.rows[..before.len()], "{name}: {}", before.len());
        }
    }
    let open_end = read("a.json", format!("[{},{{\"type\":", SEGMENT[0]).as_bytes(), &settings(""));
    assert_eq!(open_end.ending, "cut off: the array has no end");
    assert_eq!(open_end.rows.len(), 2);
    assert_eq!(read("a.json", b"[]]", &settings("")).ending, "cut off: something stands after the array's end");
}

#[test]
fn a_corrupt_middle_ends_the_file_there() {
    let lines = format!("{}\n", SEGMENT[0]).repeat(50_000);
    let mut bytes = zstd(lines.as_bytes());
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8].fill(0xaa);
    assert!(read("a.jsonl.zst", &bytes, &settings("")).ending.starts_with("cut off: "));
}

#[test]
fn files_without_rows_are_complete() {
    for (name, bytes, toml) in [
        ("a.csv", "", ""),
        ("a.csv", "", BY_CUSTOMER),
        ("a.csv", "customer,amount\n", BY_CUSTOMER),
        ("a.csv", "userId\n", ""),
        ("a.json", "[]", ""),
        ("a.json", "[ ]\n", ""),
        ("a.jsonl", "\n\n", ""),
        ("a.jsonl.gz", "", ""),
    ] {
        let bytes = if name.ends_with(".gz") { gzip(bytes.as_bytes()) } else { bytes.as_bytes().to_vec() };
        let read = read(name, &bytes, &settings(toml));
        assert_eq!((read.ending.as_str(), read.rows.len()), ("complete", 0), "{name} {toml}");
    }
}

#[test]
fn what_is_no_file_of_rows_is_refused_whole() {
    let parquet = orders_parquet(10, 10);
    let mut broken = parquet.clone();
    let end = broken.len();
    broken[end - 40..end - 12].fill(0xff);
    for (name, bytes, toml, expected) in [
        ("a.parquet", &parquet[..end - 3], BY_CUSTOMER, "it can't be read as Parquet: "),
        ("a.parquet", &broken[..], BY_CUSTOMER, "it can't be read as Parquet: "),
        ("a.parquet", b"PAR1", BY_CUSTOMER, "it can't be read as Parquet: "),
        ("a.csv", b"PK\x03\x04....", BY_CUSTOMER, "it is a ZIP archive or an Excel workbook"),
        ("a.bin", b"\x01\x00\x02\x03\x00", BY_CUSTOMER, "it is binary, and not Parquet"),
        ("a.csv", &parquet[4..], BY_CUSTOMER, "it is binary, and not Parquet"),
        ("a.csv", &parquet[4..], "format = 'csv'", "it is binary, and not Parquet"),
        ("a.parquet", &parquet[4..], BY_CUSTOMER, "it is named as Parquet and does not begin as Parquet does"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", BY_CUSTOMER, "it is a PNG image, not CSV, JSON or Parquet"),
        ("a.csv.gz", b"\x1f\x8b\x08\x00", BY_CUSTOMER, "it can't be inflated (gzip)"),
        (
            "a.csv",
            b"id,amount\n1,2\n",
            BY_CUSTOMER,
            "there is no column \"customer\", which `mapping.user_id` names; the columns are: id, amount",
        ),
        ("a.csv", b"id,amount\n1,2\n", "", "the source has no mapping, and no column is named userId"),
    ] {
        let ending = read(name, bytes, &settings(toml)).ending;
        assert!(ending.starts_with(&format!("unreadable: {expected}")), "{name}: {ending}");
    }
}

#[test]
fn a_parquet_with_a_broken_page_gives_the_rows_before() {
    let whole = orders_parquet(100_000, 10_000);
    let mut bytes = whole.clone();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 2000].fill(0xff);
    let read = read("a.parquet", &bytes, &settings(BY_CUSTOMER));
    assert!(read.ending.starts_with("cut off: "), "{}", read.ending);
    assert!(read.rows.len() > 10_000, "{}", read.rows.len());
}

#[test]
fn rows_that_are_passed_over_are_the_same_as_rows_that_were_read() {
    let lines: String = (0..50).map(|n| format!("{}\n", SEGMENT[n % 3])).collect();
    let csv: String = "customer,amount,at\n".to_owned() + &"u1,\"2\n\",z\n\nu2,3,w\n".repeat(25);
    let array = format!("[{}]", lines.trim_end().replace('\n', ",\n"));
    for (name, bytes, toml) in [
        ("a.jsonl.gz", gzip(lines.as_bytes()), ""),
        ("a.json", array.into_bytes(), ""),
        ("a.csv", csv.into_bytes(), BY_CUSTOMER),
        ("a.parquet", orders_parquet(50, 8), BY_CUSTOMER),
    ] {
        let settings = settings(toml);
        let whole = read(name, &bytes, &settings).rows;
        assert_eq!(whole.len(), 50, "{name}");
        for passed in 0..=50 {
            let mut rows = open(name, &bytes, &settings).expect("it opens");
            let mut batch = Batch::default();
            rows.skip(passed).expect("the device is fine");
            assert_eq!(rows.number(), passed);
            rows.fill(&mut batch, BatchLimits { rows: 100, bytes: 1 << 20 }, None).expect("the device is fine");
            assert_eq!(told(&batch), whole[passed as usize..], "{name} after {passed}");
            assert!(batch.rows().iter().zip(passed + 1..).all(|(row, number)| row.number == number));
        }
    }
}
