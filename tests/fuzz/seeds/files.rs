//! Dropped files, small and sound.

use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, ListArray, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::events;

/// Of each format and encoding, plain and compressed.
pub fn files() -> Vec<Vec<u8>> {
    let events = events();
    let lines = events[..8].join(&b'\n');
    let array = [b"[", &events[8..16].join(&b',')[..], b"]"].concat();
    let mut files = csv();
    files.extend([lines, array]);
    files.extend(objects());
    files.extend(parquet().into_iter().take(1));
    let packed: Vec<Vec<u8>> = files.iter().flat_map(|file| [gzip(file), zstd(file)]).collect();
    files.extend(packed);
    files
}

pub fn csv() -> Vec<Vec<u8>> {
    let text = "id,email,kind,day,n,amount,x,yes,doc,cents\n\
                u1,j@x.org,track,31.12.2024,1,\"1,234.50\",-.5e3,yes,\"{\"\"a\"\":[1]}\",1234\n\
                u2,,page,1.1.2025,007,€ 12,1e400,No,null,-5\n\
                \"u\n3\",\"a\"\"b\",,,,,,,,\n";
    let guessed = "userId;type;event;timestamp;messageId;traits.plan;properties.sku;traits\r\n\
                   7;track;Seen;2025-03-01T00:34:26.435Z;m1;pro;\"A;1\";{}\r\n8;identify;;;;;;\"{\"\"email\"\":\"\"j@x.org\"\"}\"\r\n";
    let latin = encoding_rs::WINDOWS_1252.encode("user_id,email\nJosé,j@x.org\nÜ€,x\n").0.into_owned();
    let utf16: Vec<u8> =
        "\u{feff}id\tday\tn\nu1\t05/06/24\t3\nu2\t\t\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let blank = "  u1   05/06/24  3 \n u2 06/06/24 4\n";
    // Each line may begin a row that goes on to the end of the file, or is broken at once.
    let (open, in_turns) = (b"a\",\"\n".repeat(20), b"a\",\"\n\"\" \",\"\n".repeat(10));
    vec![text.into(), guessed.into(), latin, utf16, blank.into(), open, in_turns]
}

/// Rows for a mapping, one a line.
pub fn objects() -> Vec<Vec<u8>> {
    let first = r#"{"id":"u1","kind":"track","day":"31.12.2024","n":1,"amount":"1.234,50","x":1e2,"yes":true,"doc":{"a":[]},"cents":5}"#;
    let second =
        r#"{"id":7,"email":" J@x.org ","day":1740789266.435,"n":"-","doc":"[1]","\u0069d":null,"x":"\ud83d\ude00"}"#;
    vec![format!("{first}\n{second}\n").into(), format!("{second}\n{{}}\n{first}").into()]
}

pub fn parquet() -> Vec<Vec<u8>> {
    let ids: Vec<String> = (0..40).map(|n| format!("u{}", n % 7)).collect();
    let lists = (0..40).map(|n| (n % 3 != 0).then(|| vec![Some(n), None]));
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(StringArray::from(ids))),
        ("x", Arc::new(Float64Array::from_iter((0..40).map(|n| (n % 5 != 0).then_some(f64::from(n) / 3.0))))),
        ("day", Arc::new(TimestampMillisecondArray::from_iter_values((0..40).map(|n| 1_740_789_266_435 + n)))),
        ("yes", Arc::new(BooleanArray::from_iter((0..40).map(|n| Some(n % 2 == 0))))),
        ("doc", Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists))),
    ];
    let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
    let codecs = [Codec::UNCOMPRESSED, Codec::SNAPPY, Codec::ZSTD(ZstdLevel::default())];
    codecs.into_iter().map(|codec| parquet_of(&batch, codec)).collect()
}

fn parquet_of(batch: &RecordBatch, codec: Codec) -> Vec<u8> {
    let properties = WriterProperties::builder().set_compression(codec).set_max_row_group_row_count(Some(16)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).expect("a schema");
    writer.write(batch).expect("memory");
    writer.into_inner().expect("memory")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("memory")
}
