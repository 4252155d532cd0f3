//! The one SELECT, in the SQL that DataFusion and Athena have in common. Whatever comes from a caller stands in quotes.

use cdp_event::Timestamp;

use super::Wanted;

/// An event's time is at most an hour after its arrival, so what happened later than `start` did not arrive much earlier.
const AHEAD_MS: i64 = 3_600_000;
/// What an event is called.
const CALLED: &str = "coalesce(event, name, type)";

pub(super) fn statement(wanted: &Wanted<'_>) -> String {
    let order = if wanted.newest_first { "desc" } else { "asc" };
    format!(
        "select cast(timestamp as varchar) as moment, message_id, type, coalesce(event, name) as name, source, properties, \
         user_id, anonymous_id, context from events where {} order by timestamp {order}, message_id {order} limit {}",
        conditions(wanted).join(" and "),
        wanted.limit
    )
}

fn conditions(wanted: &Wanted<'_>) -> Vec<String> {
    let mut all = vec![
        format!("profile_id in ({})", listed(wanted.profiles.iter().map(ToString::to_string))),
        format!("date >= date '{}'", in_range(in_range(wanted.start).plus_ms(-AHEAD_MS)).date()),
        format!("timestamp >= {}", moment(wanted.start)),
    ];
    all.extend(wanted.end.map(|end| format!("timestamp < {}", moment(end))));
    all.extend(wanted.include.as_ref().map(|names| match names[..] {
        [] => "false".to_owned(),
        _ => format!("{CALLED} in ({})", listed(names.iter().copied())),
    }));
    if !wanted.exclude.is_empty() {
        all.push(format!("{CALLED} not in ({})", listed(wanted.exclude.iter().copied())));
    }
    let beyond = if wanted.newest_first { '<' } else { '>' };
    all.extend(wanted.from.as_ref().map(|(at, message_id)| {
        let (at, id) = (moment(*at), quoted(message_id));
        format!("(timestamp {beyond} {at} or timestamp = {at} and message_id {beyond}= {id})")
    }));
    all
}

/// Engines hold no others.
fn in_range(moment: Timestamp) -> Timestamp {
    moment.clamp(Timestamp::EARLIEST, Timestamp::LATEST)
}

/// Athena takes a blank and a zone's name where ISO 8601 has letters.
fn moment(moment: Timestamp) -> String {
    format!("timestamp '{}'", in_range(moment).to_string().replace('T', " ").replace('Z', " UTC"))
}

fn listed(texts: impl Iterator<Item = impl AsRef<str>>) -> String {
    texts.map(|text| quoted(text.as_ref())).collect::<Vec<_>>().join(", ")
}

/// In both engines a quote that is doubled is the only escape that there is.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "prf_01j0000000000000000000000a";
    const SELECT: &str = "select cast(timestamp as varchar) as moment, message_id, type, coalesce(event, name) as name, \
                          source, properties, user_id, anonymous_id, context from events where";

    fn wanted() -> Wanted<'static> {
        Wanted {
            profiles: vec![PROFILE.parse().expect("an id")],
            include: None,
            exclude: vec![],
            start: "2026-01-31T00:30:00Z".parse().expect("a time"),
            end: None,
            newest_first: true,
            from: None,
            limit: 11,
        }
    }

    fn check(wanted: &Wanted<'_>, conditions: &str, end: &str) {
        let of_all = "date >= date '2026-01-30' and timestamp >= timestamp '2026-01-31 00:30:00.000 UTC'";
        let expected = format!("{SELECT} profile_id in ('{PROFILE}') and {of_all}{conditions} order by {end}");
        assert_eq!(statement(wanted), expected);
    }

    const NEWEST: &str = "timestamp desc, message_id desc limit 11";

    #[test]
    fn each_filter_is_a_condition() {
        check(&wanted(), "", NEWEST);
        check(&Wanted { newest_first: false, ..wanted() }, "", "timestamp asc, message_id asc limit 11");
        check(&Wanted { include: Some(vec![]), ..wanted() }, " and false", NEWEST);
        let filtered = Wanted { include: Some(vec!["A", "B"]), exclude: vec!["C"], ..wanted() };
        let called = "coalesce(event, name, type)";
        check(&filtered, &format!(" and {called} in ('A', 'B') and {called} not in ('C')"), NEWEST);
        let end = Some("2026-02-01T00:00:00Z".parse().expect("a time"));
        check(&Wanted { end, ..wanted() }, " and timestamp < timestamp '2026-02-01 00:00:00.000 UTC'", NEWEST);
    }

    #[test]
    fn a_page_begins_with_the_event_that_was_to_come() {
        let from = Some(("2026-02-01T00:00:00.5Z".parse().expect("a time"), "m".to_owned()));
        let at = "timestamp '2026-02-01 00:00:00.500 UTC'";
        let condition =
            |beyond| format!(" and (timestamp {beyond} {at} or timestamp = {at} and message_id {beyond}= 'm')");
        check(&Wanted { from: from.clone(), ..wanted() }, &condition('<'), NEWEST);
        let oldest = Wanted { from, newest_first: false, ..wanted() };
        check(&oldest, &condition('>'), "timestamp asc, message_id asc limit 11");
    }

    #[test]
    fn what_a_caller_sends_does_not_leave_its_quotes() {
        let hostile = r"x') or 1 = 1 -- \' /* ; ? ''";
        let safe = r"'x'') or 1 = 1 -- \'' /* ; ? '''''";
        let wanted = Wanted {
            include: Some(vec![hostile]),
            from: Some((Timestamp::from_ms(i64::MAX), hostile.to_owned())),
            ..wanted()
        };
        let last = "timestamp '2200-01-01 00:00:00.000 UTC'";
        let from = format!("(timestamp < {last} or timestamp = {last} and message_id <= {safe})");
        check(&wanted, &format!(" and {CALLED} in ({safe}) and {from}"), NEWEST);
    }

    #[test]
    fn a_time_that_no_engine_holds_is_the_nearest_that_they_do() {
        let wanted = Wanted { start: Timestamp::from_ms(i64::MIN), ..wanted() };
        let first = "date >= date '1900-01-01' and timestamp >= timestamp '1900-01-01 00:00:00.000 UTC'";
        assert!(statement(&wanted).contains(first), "{}", statement(&wanted));
    }
}
