use super::*;

/// Whether the whole text is one value, by us and by serde_json.
fn judge(text: &str) -> (bool, bool) {
    let mut json = Scanner::new(text);
    let ours = json.pass().and_then(|_| json.end());
    (ours.is_ok(), serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

#[test]
fn what_is_json_is_what_serde_json_says() {
    const PIECES: [&str; 34] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"a\":",
        "\\",
        "\\u00e9",
        "\\n",
        "\\x",
        "\\u12",
        "é",
        "\u{1}",
        "\u{7f}",
        "0",
        "-",
        "12",
        ".5",
        "1.",
        "e",
        "E+7",
        "e-",
        "01",
        "true",
        "tru",
        "null",
        "false",
        " ",
        "\n",
        "\t",
        "a long plain text",
    ];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let mut sound = 0;
    for _ in 0..300_000 {
        let count = 1 + draw(8);
        let text: String = (0..count).map(|_| PIECES[draw(PIECES.len())]).collect();
        let (ours, theirs) = judge(&text);
        assert_eq!(ours, theirs, "{text:?}");
        sound += usize::from(ours);
    }
    assert!(sound > 5_000, "{sound} of the texts are JSON");
}

#[test]
fn a_string_ends_where_it_ends_wherever_it_begins() {
    for length in 0..40 {
        for offset in 0..9 {
            for end in ["\"", "\\", "\u{1f}", "\u{0}"] {
                let text = format!(
                    "{}\"{}{end}",
                    " ".repeat(offset),
                    "é\u{7f}~!#[]".chars().cycle().take(length).collect::<String>()
                );
                let is_string = Scanner::new(&text).pass().is_ok();
                assert_eq!(is_string, end == "\"", "{text:?}");
            }
        }
    }
}

#[test]
fn nesting_is_counted_not_brackets() {
    let wide = format!("[{}]", vec!["{}"; 500].join(","));
    let quoted = format!("\"{}\\\"[\"", "[".repeat(500));
    let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let is_sound = |text: &str| Scanner::new(text).pass().is_ok();
    assert_eq!([&wide, &quoted, &deep(64), &deep(65)].map(|text| is_sound(text)), [true, true, true, false]);
}

#[test]
fn numbers_serve_as_ids_and_nothing_else_does() {
    let id = |text: &'static str| Scanner::new(text).id();
    assert_eq!(id("42").ok().flatten().as_deref(), Some("42"));
    assert_eq!(id("18446744073709551615").ok().flatten().as_deref(), Some("18446744073709551615"));
    assert_eq!(id(r#""\u0041\n""#).ok().flatten().as_deref(), Some("A\n"));
    assert_eq!(id("null"), Ok(None));
    for other in ["{}", "[]", "1.5", "true", "18446744073709551616"] {
        assert!(id(other).is_err(), "{other}");
    }
}
