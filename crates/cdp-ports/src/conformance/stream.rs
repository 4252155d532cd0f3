//! What [`Stream`] promises.

use bytes::Bytes;
use cdp_event::{PartitionId, Record, Sequence, Timestamp};

use super::{assert_fault, both, run_each};
use crate::{FaultKind, NewRecord, Stream};

/// `make`: an empty stream of two partitions or more, their hash ranges equal in size.
pub async fn all<S: Stream>(make: impl AsyncFn() -> S) {
    run_each!(make:
        partitions_are_the_same_at_each_call,
        an_empty_partition_reads_as_nothing,
        a_record_is_read_back_from_the_place_that_append_named,
        a_record_of_no_bytes_is_a_record,
        a_record_of_a_mebibyte_is_taken,
        append_of_nothing_names_no_place,
        append_names_places_in_the_order_given,
        append_once_writes_what_it_does_not_name,
        records_of_one_partition_keep_their_order,
        concurrent_appends_keep_the_order_of_each,
        the_md5_of_the_key_chooses_the_partition,
        an_explicit_hash_key_overrules_the_partition_key,
        a_partition_key_outside_of_its_limits_is_refused,
        a_partition_key_of_256_characters_is_taken,
        read_goes_on_after_a_sequence,
        read_after_the_newest_record_is_empty,
        read_answers_no_more_records_than_asked,
        read_answers_about_as_many_bytes_as_asked,
        read_answers_a_record_larger_than_the_bytes_asked,
        read_in_steps_answers_each_record_once,
        reading_a_partition_that_is_not_there_is_missing,
    );
}

pub async fn partitions_are_the_same_at_each_call(stream: &impl Stream) {
    let first = partitions(stream).await;
    assert!(first.len() >= 2, "the suite needs two partitions");
    assert_eq!(partitions(stream).await, first);
    for (at, partition) in first.iter().enumerate() {
        assert!(!first[..at].contains(partition), "{partition} twice");
    }
}

pub async fn an_empty_partition_reads_as_nothing(stream: &impl Stream) {
    for partition in partitions(stream).await {
        for after in [None, Some(Sequence::new(7))] {
            assert_eq!(read(stream, &partition, after).await, [], "{partition} after {after:?}");
        }
    }
}

pub async fn a_record_is_read_back_from_the_place_that_append_named(stream: &impl Stream) {
    let places = stream.append(vec![record("user-1", "some data")], NOW).await.expect("append");
    let [(partition, sequence)] = &places[..] else { panic!("one place for one record, not {places:?}") };
    let [read] = &read(stream, partition, None).await[..] else { panic!("one record was appended") };
    assert_eq!((read.sequence, &*read.partition_key, &*read.data), (*sequence, "user-1", &b"some data"[..]));
}

pub async fn a_record_of_no_bytes_is_a_record(stream: &impl Stream) {
    let partition = append(stream, &["", "later"]).await;
    assert_eq!(texts(&read(stream, &partition, None).await), ["", "later"]);
}

pub async fn a_record_of_a_mebibyte_is_taken(stream: &impl Stream) {
    let large = "x".repeat(1 << 20);
    let partition = append(stream, &["before", &large, "after"]).await;
    assert_eq!(texts(&read(stream, &partition, None).await), ["before", &large, "after"]);
}

pub async fn append_of_nothing_names_no_place(stream: &impl Stream) {
    assert_eq!(stream.append(vec![], NOW).await.expect("append nothing"), []);
}

pub async fn append_names_places_in_the_order_given(stream: &impl Stream) {
    let given: Vec<NewRecord> = (0..100).map(|n| record(&format!("user-{n}"), &n.to_string())).collect();
    let places = stream.append(given.clone(), NOW).await.expect("append");
    assert_eq!(places.len(), given.len());
    for (given, (partition, sequence)) in given.iter().zip(&places) {
        let records = read(stream, partition, None).await;
        let found = records.iter().find(|record| record.sequence == *sequence).expect("the place holds a record");
        assert_eq!((&*found.partition_key, &found.data), (given.partition_key.as_str(), &given.data));
    }
}

pub async fn append_once_writes_what_it_does_not_name(stream: &impl Stream) {
    let records: Vec<NewRecord> = ["a", "b", "c"].map(|data| record("one-key", data)).into();
    let throttled = stream.append_once(records, NOW).await.expect("append");
    let mut written = Vec::new();
    for partition in partitions(stream).await {
        written.extend(read(stream, &partition, None).await.into_iter().map(|record| record.data));
    }
    let taken = ["a", "b", "c"].into_iter().enumerate().filter(|(at, _)| !throttled.contains(at));
    assert_eq!(written, taken.map(|(_, data)| Bytes::from(data)).collect::<Vec<_>>());
}

pub async fn records_of_one_partition_keep_their_order(stream: &impl Stream) {
    let mut places = vec![];
    for batch in ["abc", "d", "ef"] {
        let records = batch.chars().map(|data| record("one key", &data.to_string())).collect();
        places.extend(stream.append(records, NOW).await.expect("append"));
    }
    assert!(places.is_sorted_by(|left, right| left.0 == right.0 && left.1 < right.1), "{places:?}");
    let records = read(stream, &places[0].0, None).await;
    assert_eq!(texts(&records).concat(), "abcdef");
    assert!(records.is_sorted_by(|left, right| left.sequence < right.sequence));
}

pub async fn concurrent_appends_keep_the_order_of_each(stream: &impl Stream) {
    for _ in 0..20 {
        let appended = both(append(stream, &["a1", "a2", "a3"]), append(stream, &["b1", "b2", "b3"])).await;
        assert_eq!(appended.0, appended.1, "one key, one partition");
    }
    let partition = append(stream, &[]).await;
    let read = texts(&read(stream, &partition, None).await);
    for writer in ["a", "b"] {
        let own: Vec<&String> = read.iter().filter(|text| text.starts_with(writer)).collect();
        assert_eq!(own.len(), 60);
        assert!(own.iter().enumerate().all(|(at, text)| **text == format!("{writer}{}", at % 3 + 1)), "{own:?}");
    }
}

pub async fn the_md5_of_the_key_chooses_the_partition(stream: &impl Stream) {
    let md5_of = [
        ("a", 0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661),
        ("b", 0x92eb_5ffe_e6ae_2fec_3ad7_1c77_7531_578f),
        ("c", 0x4a8a_08f0_9d37_b737_9564_9038_408b_5f33),
        ("d", 0x8277_e091_0d75_0195_b448_7976_16e0_91ad),
        ("e", 0xe167_1797_c52e_15f7_6338_0b45_e841_ec32),
        ("f", 0x8fa1_4cdd_754f_91cc_6554_c9e7_1929_cce7),
    ];
    let partitions = partitions(stream).await;
    for (key, hash) in md5_of {
        let plain = record(key, "by key");
        let explicit = NewRecord { explicit_hash_key: Some(hash), ..record("another key", "by hash") };
        let places = stream.append(vec![plain, explicit], NOW).await.expect("append");
        let expected = &partitions[share_of(hash, partitions.len())];
        assert!(places.iter().all(|(partition, _)| partition == expected), "{key}: {places:?}, not {expected}");
    }
}

pub async fn an_explicit_hash_key_overrules_the_partition_key(stream: &impl Stream) {
    let partitions = partitions(stream).await;
    let (Some(first), Some(last)) = (partitions.first(), partitions.last()) else { panic!("there are partitions") };
    for (hash, expected) in [(0, first), (1, first), (u128::MAX - 1, last), (u128::MAX, last)] {
        for key in ["a", "e"] {
            let record = NewRecord { explicit_hash_key: Some(hash), ..record(key, "data") };
            let places = stream.append(vec![record], NOW).await.expect("append");
            assert_eq!(places.iter().map(|(partition, _)| partition).collect::<Vec<_>>(), [expected], "hash {hash}");
        }
    }
}

pub async fn a_partition_key_outside_of_its_limits_is_refused(stream: &impl Stream) {
    for key in [String::new(), "k".repeat(257), "é".repeat(257)] {
        let outcome = stream.append(vec![record("good", "good"), record(&key, "bad")], NOW).await;
        assert_fault(outcome, FaultKind::Refused, &format!("a partition key of {} bytes", key.len()));
    }
    for partition in partitions(stream).await {
        assert_eq!(read(stream, &partition, None).await, [], "nothing of a refused append is written");
    }
}

pub async fn a_partition_key_of_256_characters_is_taken(stream: &impl Stream) {
    for key in ["k".repeat(256), "日".repeat(256)] {
        let places = stream.append(vec![record(&key, "data")], NOW).await.expect("256 characters");
        let records = read(stream, &places[0].0, None).await;
        assert!(records.iter().any(|record| record.sequence == places[0].1 && record.partition_key == key));
    }
}

pub async fn read_goes_on_after_a_sequence(stream: &impl Stream) {
    let partition = append(stream, &["a", "b", "c", "d"]).await;
    let records = read(stream, &partition, None).await;
    for (at, record) in records.iter().enumerate() {
        assert_eq!(read(stream, &partition, Some(record.sequence)).await, records[at + 1..]);
    }
}

pub async fn read_after_the_newest_record_is_empty(stream: &impl Stream) {
    let partition = append(stream, &["a", "b"]).await;
    let newest = read(stream, &partition, None).await.last().map(|record| record.sequence);
    let beyond = "6277101735386680763835789423207666416102355444464034512895".parse().expect("the largest there is");
    for after in [newest, Some(beyond)] {
        assert_eq!(read(stream, &partition, after).await, [], "after {after:?}");
    }
    append(stream, &["c"]).await;
    assert_eq!(texts(&read(stream, &partition, newest).await), ["c"]);
}

pub async fn read_answers_no_more_records_than_asked(stream: &impl Stream) {
    let partition = append(stream, &["a", "b", "c"]).await;
    for (max_records, expected) in [(1, "a"), (2, "ab"), (3, "abc"), (4, "abc"), (usize::MAX, "abc")] {
        let records = stream.read(&partition, None, max_records, usize::MAX).await.expect("read");
        assert_eq!(texts(&records).concat(), expected, "at most {max_records}");
    }
}

pub async fn read_answers_about_as_many_bytes_as_asked(stream: &impl Stream) {
    const RECORD: usize = 1000;
    let data = "x".repeat(RECORD);
    let partition = append(stream, &[data.as_str(); 100]).await;
    for asked in [5_000, 20_000, 99_000] {
        let records = stream.read(&partition, None, usize::MAX, asked).await.expect("read");
        let read: usize = records.iter().map(|record| record.data.len()).sum();
        assert!(read <= asked + RECORD, "{read} bytes, {asked} were asked");
        assert!(read * 2 >= asked, "{read} bytes, {asked} were asked");
    }
}

pub async fn read_answers_a_record_larger_than_the_bytes_asked(stream: &impl Stream) {
    let large = "x".repeat(100_000);
    let partition = append(stream, &[large.as_str(), "next"]).await;
    for asked in [0, 1, 1000, 99_999] {
        let records = stream.read(&partition, None, usize::MAX, asked).await.expect("read");
        assert_eq!(texts(&records).first(), Some(&large), "{asked} bytes were asked");
    }
}

pub async fn read_in_steps_answers_each_record_once(stream: &impl Stream) {
    let all: Vec<String> = (0..500).map(|n| format!("{n} {}", "x".repeat(n * 7 % 900))).collect();
    let mut partition = None;
    for chunk in all.chunks(70) {
        partition = Some(append(stream, &chunk.iter().map(String::as_str).collect::<Vec<_>>()).await);
    }
    let partition = partition.expect("there are chunks");
    for (max_records, max_bytes) in
        [(1, usize::MAX), (7, usize::MAX), (usize::MAX, 1), (usize::MAX, 3000), (50, 20_000)]
    {
        let (mut seen, mut after) = (vec![], None);
        loop {
            let step = stream.read(&partition, after, max_records, max_bytes).await.expect("read");
            let Some(last) = step.last() else { break };
            after = Some(last.sequence);
            seen.extend(texts(&step));
        }
        assert_eq!(seen, all, "steps of {max_records} records, {max_bytes} bytes");
    }
}

pub async fn reading_a_partition_that_is_not_there_is_missing(stream: &impl Stream) {
    for name in ["no such partition", "", "../x"] {
        let outcome = stream.read(&PartitionId::new(name), None, 1, 1).await;
        assert_fault(outcome, FaultKind::Missing, name);
    }
}

const NOW: Timestamp = Timestamp::from_ms(1_760_000_000_000);

fn record(key: &str, data: &str) -> NewRecord {
    NewRecord { partition_key: key.into(), explicit_hash_key: None, data: Bytes::copy_from_slice(data.as_bytes()) }
}

/// Appends to one partition, always the same. Names it.
async fn append(stream: &impl Stream, data: &[&str]) -> PartitionId {
    let partitions = partitions(stream).await;
    let records = data.iter().map(|data| NewRecord { explicit_hash_key: Some(0), ..record("one key", data) }).collect();
    let places = stream.append(records, NOW).await.expect("append");
    assert_eq!(places.len(), data.len());
    assert!(places.iter().all(|(partition, _)| *partition == partitions[0]), "hash 0 belongs to the first partition");
    partitions[0].clone()
}

async fn partitions(stream: &impl Stream) -> Vec<PartitionId> {
    stream.partitions().await.expect("partitions")
}

async fn read(stream: &impl Stream, partition: &PartitionId, after: Option<Sequence>) -> Vec<Record> {
    stream.read(partition, after, usize::MAX, usize::MAX).await.expect("read")
}

fn texts(records: &[Record]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8(record.data.to_vec()).expect("data here is text")).collect()
}

/// Which of `count` equal shares of the hash space `hash` lies in. Exact enough where no border is near.
fn share_of(hash: u128, count: usize) -> usize {
    (((hash >> 64) * count as u128) >> 64) as usize
}
