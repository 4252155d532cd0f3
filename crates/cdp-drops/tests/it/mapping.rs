//! Rows become events by a mapping.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
    StructArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field};

use crate::files::{parquet_of, read, settings};

/// The events without their message ids, which other tests look at.
fn events(name: &str, bytes: &[u8], toml: &str) -> Vec<String> {
    let without_id = |row: String| match (row.find("\"messageId\":\"drop-"), row.starts_with('{')) {
        (Some(at), true) => format!("{}{}", &row[..at], &row[at + "\"messageId\":\"drop-\",".len() + 32..]),
        _ => row,
    };
    read(name, bytes, &settings(toml)).rows.into_iter().map(without_id).collect()
}

const ORDERS: &str = r#"
[mapping]
user_id = "customer"
email = "mail"
identifiers = { loyalty = "card" }
event = "Order Completed"
time = { column = "day", format = "DD.MM.YYYY", timezone = "Europe/Paris" }
message_id = ["order", "line"]
traits = ["city"]
properties = "*"
names = { total = "revenue", qty = "quantity" }
types = { total = "money", qty = "integer", gift = "boolean" }
constants = { currency = "EUR" }
skip = ["note"]
nulls = ["NULL"]
decimal_comma = true
"#;

#[test]
fn a_row_that_tells_of_a_person_and_of_an_order_is_two_events() {
    let csv = "customer;mail;card;day;order;line;city;total;qty;gift;note\n\
               7;j@x.org;L1;02.07.2025;A;1;\"Saint-\"\"É\"\"\";1.234,50 €;2;yes;secret\n\
               8;;NULL;02.07.2025;A;2;;5;NULL;;\n";
    let person = r#""context":{"traits":{"email":"j@x.org"},"externalIds":[{"type":"loyalty","id":"L1","collection":"users","encoding":"none"}]}"#;
    assert_eq!(
        events("a.csv", csv.as_bytes(), ORDERS),
        [
            r#"{"type":"identify","messageId":"partner:A:1.traits","userId":"7","timestamp":"2025-07-01T22:00:00.000Z","traits":{"city":"Saint-\"É\"","email":"j@x.org"},"context":{"externalIds":[{"type":"loyalty","id":"L1","collection":"users","encoding":"none"}]}}"#,
            &format!(
                r#"{{"type":"track","messageId":"partner:A:1","userId":"7","timestamp":"2025-07-01T22:00:00.000Z","event":"Order Completed","properties":{{"revenue":1234.50,"quantity":2,"gift":true,"currency":"EUR"}},{person}}}"#
            ),
            r#"{"type":"track","messageId":"partner:A:2","userId":"8","timestamp":"2025-07-01T22:00:00.000Z","event":"Order Completed","properties":{"revenue":5,"currency":"EUR"}}"#,
        ]
    );
}

#[test]
fn a_value_that_is_not_what_its_type_says_refuses_the_row_once() {
    let row = |day: &str, customer: &str, total: &str| format!("{customer};;;{day};A;1;Paris;{total};1;no;\n");
    let csv = "customer;mail;card;day;order;line;city;total;qty;gift;note\n".to_owned()
        + &row("02.07.2025", "7", "much")
        + &row("2025-07-02", "7", "5")
        + &row("", "7", "5")
        + &row("02.07.2025", "", "5");
    assert_eq!(
        events("a.csv", csv.as_bytes(), ORDERS),
        [
            "1.0 bad_row: total: \"much\" is not an amount",
            "2.0 bad_timestamp: day: \"2025-07-02\" is not a time of the format DD.MM.YYYY",
            "3.0 bad_timestamp: day: the row has no time",
            "4.0 no_identifier: customer, mail, card: no column that names the person has a value",
        ]
    );
}

#[test]
fn rows_without_an_event_identify() {
    let toml = "[mapping]\nanonymous_id = 'id'\ntraits = '*'\ntypes = { age = 'number' }";
    assert_eq!(
        events("a.csv", b"id,age,zip\nx,7.5,0012\ny,,\n", toml),
        [
            r#"{"type":"identify","anonymousId":"x","traits":{"age":7.5,"zip":"0012"}}"#,
            r#"{"type":"identify","anonymousId":"y","traits":{}}"#,
        ]
    );
}

#[test]
fn type_and_event_may_stand_in_columns() {
    let toml = "[mapping]\nuser_id = 'u'\ntype = { column = 'what' }\nevent = { column = 'name' }";
    assert_eq!(
        events(
            "a.csv",
            b"u,what,name\n1,Track,Seen\n1,page,Home\n1,identify,\n1,alias,x\n1,track,\n1,,Seen\n1,,\n",
            toml
        ),
        [
            r#"{"type":"track","userId":"1","event":"Seen","properties":{}}"#,
            r#"{"type":"page","userId":"1","name":"Home","properties":{}}"#,
            r#"{"type":"identify","userId":"1","traits":{}}"#,
            "4.0 unknown_type: what: \"alias\" can't come from a row; use track, identify, page or screen",
            "5.0 missing_event: name: the row does not say what happened",
            r#"{"type":"track","userId":"1","event":"Seen","properties":{}}"#,
            r#"{"type":"identify","userId":"1","traits":{}}"#,
        ]
    );
}

#[test]
fn json_rows_are_mapped_by_key_and_by_path() {
    let toml = "[mapping]\nuser_id = 'customer.id'\nemail = 'customer.mail'\nevent = 'Order'\ntime = { column = 'at', format = 'epoch_s' }\n\
                properties = '*'\nskip = ['customer']\ntypes = { sku = 'string' }";
    let lines =
        br#"{"at":1740789266,"customer":{"id":12,"mail":"a@b.c"},"sku":7,"tags":["x",1],"note":"a\nb","gone":null}
{"customer":{"id":"13"},"at":"1740789266.5"}
{"customer":{"id":{}},"at":1}
[1,2]
"#;
    assert_eq!(
        events("a.jsonl", lines, toml),
        [
            r#"{"type":"track","userId":"12","timestamp":"2025-03-01T00:34:26.000Z","event":"Order","properties":{"sku":"7","tags":["x",1],"note":"a\nb","gone":null},"context":{"traits":{"email":"a@b.c"}}}"#,
            r#"{"type":"track","userId":"13","timestamp":"2025-03-01T00:34:26.500Z","event":"Order","properties":{}}"#,
            "3.0 no_identifier: customer.id, customer.mail: no column that names the person has a value",
            "4.0 not_json: invalid type: sequence, expected a JSON object at line 1 column 0",
        ]
    );
}

#[test]
fn parquet_values_keep_their_types() {
    let point: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef,
    )]));
    let columns: [(&str, ArrayRef); 8] = [
        ("id", Arc::new(Int64Array::from(vec![1, 2]))),
        ("name", Arc::new(StringArray::from(vec![Some("É\"x"), None]))),
        ("old", Arc::new(BinaryArray::from(vec![b"text".as_slice(), b"\xff\x00"]))),
        ("member", Arc::new(BooleanArray::from(vec![true, false]))),
        ("price", Arc::new(Decimal128Array::from(vec![1234, -5]).with_precision_and_scale(10, 2).expect("a scale"))),
        ("day", Arc::new(Date32Array::from(vec![20_000, 20_001]))),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_740_789_266_435_000, 0]))),
        ("point", point),
    ];
    let bytes = parquet_of(&RecordBatch::try_from_iter(columns).expect("columns of one length"), 1);
    let toml = "[mapping]\nuser_id = 'id'\ntime = 'at'\ntraits = '*'";
    assert_eq!(
        events("a.parquet", &bytes, toml),
        [
            r#"{"type":"identify","userId":"1","timestamp":"2025-03-01T00:34:26.435Z","traits":{"name":"É\"x","old":"text","member":true,"price":12.34,"day":"2024-10-04","point":{"x":1}}}"#,
            r#"{"type":"identify","userId":"2","timestamp":"1970-01-01T00:00:00.000Z","traits":{"old":"ff00","member":false,"price":-0.05,"day":"2024-10-05","point":{}}}"#,
        ]
    );
}

#[test]
fn rows_without_a_user_id_are_the_same_person_where_they_agree_in_all_identifiers() {
    let toml = "[mapping]\nemail = 'mail'\nphone = 'phone'\nevent = 'E'";
    let rows = read("a.csv", b"mail,phone\nJ@x.org,\nj@x.org,\nj@x.org,1\n,1\n", &settings(toml)).rows;
    let json: Vec<serde_json::Value> = rows.iter().map(|row| serde_json::from_str(row).expect(row)).collect();
    let id = |row: usize| json[row]["anonymousId"].as_str().expect("an anonymous id");
    assert_eq!(id(0), id(1));
    assert!(id(1) != id(2) && id(2) != id(3), "{rows:?}");
    assert_eq!(json[2]["context"]["traits"], serde_json::json!({"email": "j@x.org", "phone": "1"}));
}

#[test]
fn columns_of_the_segment_spec_need_no_mapping() {
    assert_eq!(
        events("a.csv", b"user_id,event,timestamp,Email,properties.sku,colour\n7,Seen,2025-03-01,j@x.org,A1,red\n", ""),
        [
            r#"{"type":"track","userId":"7","timestamp":"2025-03-01T00:00:00.000Z","event":"Seen","properties":{"sku":"A1","colour":"red"},"context":{"traits":{"email":"j@x.org"}}}"#
        ]
    );
    let csv = "type,userId,messageId,traits,context\nidentify,7,m1,\"{\"\"age\"\":7}\",\"{\"\"ip\"\":\"\"::1\"\"}\"\nidentify,7,m2,[1],\n";
    assert_eq!(
        events("a.csv", csv.as_bytes(), ""),
        [
            r#"{"type":"identify","messageId":"m1","userId":"7","traits":{"age":7},"context":{"ip":"::1"}}"#,
            "2.0 wrong_type: traits: it is not a JSON object",
        ]
    );
}

#[test]
fn the_same_row_is_the_same_message_and_another_row_is_another() {
    let ids = |name: &str, bytes: &[u8], toml: &str| -> Vec<String> {
        let id = |row: &String| serde_json::from_str::<serde_json::Value>(row).expect(row)["messageId"].to_string();
        read(name, bytes, &settings(toml)).rows.iter().map(id).collect()
    };
    let made = ids("a.csv", b"userId\na\na\nb\n", "");
    assert_eq!(made, ids("other.csv", b"userId\na\na\nb\n", ""));
    assert_ne!(made[0], made[1], "two rows that look alike are two");
    let mended = ids("a.csv", b"userId\na\nx\nb\n", "");
    assert_eq!((&mended[0], &mended[2]), (&made[0], &made[2]));
    assert_ne!(mended[1], made[1]);

    let json = ids("a.json", br#"[{"type":"identify","userId":"a"},{"userId":"a","type":"identify"}]"#, "");
    assert!(json.iter().all(|id| id.starts_with("\"drop-")) && json[0] != json[1], "{json:?}");
    let long = format!("userId,id\na,{}\n", "x".repeat(200));
    let by_column = ids("a.csv", long.as_bytes(), "[mapping]\nuser_id = 'userId'\nmessage_id = 'id'");
    assert!(by_column[0].starts_with("\"drop-"), "a name that is too long is hashed: {by_column:?}");
}

#[test]
fn the_cdnow_file_is_read_by_a_few_lines_of_settings() {
    let document: toml::Table = include_str!("../../../../events/drops/cdnow.toml").parse().expect("TOML");
    let settings: cdp_drops::DropSettings = document["drops"]["cdnow"].clone().try_into().expect("settings");
    let rows = read("purchases.txt", include_bytes!("../../../../events/cdnow/purchases.txt"), &settings).rows;
    assert_eq!(rows.len(), 6919);
    let expected = r#""userId":"00004","timestamp":"1997-01-01T00:00:00.000Z","event":"Order Completed","properties":{"quantity":2,"revenue":29.33,"currency":"USD"}}"#;
    assert!(rows[0].ends_with(expected), "{}", rows[0]);
    assert!(rows.iter().all(|row| row.starts_with("{\"type\":\"track\"")));
}

#[test]
fn odd_values_cost_their_row_and_no_other() {
    let toml =
        "[mapping]\nuser_id = 'id'\nevent = 'E'\nproperties = ['n', 'b']\ntypes = { n = 'number' }\ntime = 'day'";
    let digits = "9".repeat(400);
    for (row, expected) in [
        ("u\u{0}1,1,x,2025-03-01", "bad_identifier: id: "),
        ("u1,1e999,x,2025-03-01", "bad_row: n: \"1e999\" is not a number"),
        (&format!("u1,{digits},x,2025-03-01"), "bad_row: n: "),
        ("u1,Infinity,x,2025-03-01", "bad_row: n: \"Infinity\" is not a number"),
        ("u1,1,x,0001-01-01", "bad_timestamp: day: \"0001-01-01\" is not between 1900 and 2200"),
        ("u1,1,x,+292277026596-12-04", "bad_timestamp: day: "),
        ("u1,1,x,", "bad_timestamp: day: the row has no time"),
        ("u1,1,\0,2025-03-01", r#""b":"\u0000""#),
    ] {
        let csv = format!("id,n,b,day\n{row}\n{}u2,2,y,2025-03-02\n", "u3,3,z,2025-03-03\n".repeat(2));
        let rows = events("a.csv", csv.as_bytes(), toml);
        assert!(rows[0].contains(expected), "{row}: {}", rows[0]);
        assert!(rows.len() == 4 && rows[1..].iter().all(|row| row.starts_with("{\"type\":\"track\"")), "{rows:?}");
    }
}
