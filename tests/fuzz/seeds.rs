//! What damage starts from: the examples, and sound values as their encoders write them.

mod calls;
mod files;
mod payloads;
mod people;
mod questions;
mod signed;
mod stored;

use std::fs;
use std::path::{Path, PathBuf};

use cdp_app::ProfileItem;
use cdp_event::{
    Envelope, EventKind, Identifier, Namespace, Offset, PartitionId, RawEvent, Reason, Rejection, Sequence, Timestamp,
    aggregate, validate,
};
use cdp_identity::{Belonging, Claim, Edge, EdgeKind, Founded, Held, IdentitySet, ProfileId, SetItem};
use cdp_profile::Member;

pub use calls::{calls, kinesis_cbor, kinesis_json, webhooks};
pub use files::{csv, files, gzip, objects, parquet, zstd};
pub use payloads::{kinesis_batches, notifications, replay_jobs};
pub use people::{people, sound_event};
pub use questions::{names, questions};
pub use signed::{Call, Scheme, SigV4, schemes, sigv4_calls};
pub use stored::{packs, stored_checkpoints, stored_files, stored_plans, stored_readings, stored_replays};

pub const MOMENT: Timestamp = Timestamp::from_ms(1_769_851_800_000);
/// One that is taken.
pub const EVENT: &str = r#"{"type":"track","messageId":"m","event":"Seen","userId":"jane"}"#;

/// The example events, accepted and rejected.
pub fn events() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut paths = Vec::new();
    collect(&folder.join("accepted"), &mut paths);
    collect(&folder.join("rejected"), &mut paths);
    paths.retain(|path| !path.to_string_lossy().ends_with(".expected.json"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("readable")).filter(|bytes| bytes.len() < 4096).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("readable").path();
        if path.is_dir() { collect(&path, paths) } else { paths.push(path) }
    }
}

pub fn envelopes() -> Vec<Vec<u8>> {
    let full = Envelope {
        sent_at: Some(Timestamp::from_ms(-5)),
        kind: Some(EventKind::Track),
        context: Some(r#"{"ip":"10.0.0.1","traits":{"email":"j@x.org"}}"#.to_owned()),
        ..Envelope::new("web".to_owned(), MOMENT)
    };
    let bare = Envelope { sent_at: None, kind: None, context: None, ..full.clone() };
    let head = Envelope { whole_bytes: Some(2_000_000), ..bare.clone() };
    let refused = Rejection::of("data.id", Reason::NoIdentifier, "nobody is named");
    let refused = Envelope { refused: Some(refused), ..bare.clone() };
    let events = events();
    events
        .iter()
        .zip([full, bare, head, refused].iter().cycle())
        .map(|(event, envelope)| envelope.wrap(event))
        .collect()
}

/// Lines and aggregates, by gzip and by zstd.
pub fn compressed() -> Vec<Vec<u8>> {
    let lines = events().chunks(4).map(|events| events.join(&b'\n')).collect::<Vec<_>>();
    lines.into_iter().chain(aggregates()).flat_map(|bytes| [gzip(&bytes), zstd(&bytes)]).collect()
}

pub fn aggregates() -> Vec<Vec<u8>> {
    let parts: Vec<Vec<u8>> = events().into_iter().chain(envelopes()).collect();
    parts
        .chunks(3)
        .map(|parts| {
            let parts: Vec<(&str, &[u8])> = ["a", "b", "a"].into_iter().zip(parts.iter().map(Vec::as_slice)).collect();
            aggregate(&parts).to_vec()
        })
        .collect()
}

fn profile(number: u8) -> ProfileId {
    ProfileId::from_bytes([number; 16])
}

pub fn place() -> (PartitionId, Offset) {
    let long: Sequence = "49590338271490256608559692538361571095921575989136588898".parse().expect("a sequence number");
    (PartitionId::new("shard-0"), Offset::new(long, 3))
}

fn alone() -> IdentitySet {
    let identifier = Identifier::new(Namespace::EMAIL, "j@x.org").expect("an identifier");
    let mut set = IdentitySet::new(profile(1));
    set.held.push(Held { identifier, profile: profile(1), claimed_at: MOMENT, source: "web".to_owned() });
    set
}

pub fn claims() -> Vec<Vec<u8>> {
    let (partition, offset) = place();
    let claim = Claim { profile: profile(1), partition, offset, founded: None };
    [claim.clone(), Claim { founded: Some(Founded::with(&alone())), ..claim }]
        .map(|claim| claim.encode().to_vec())
        .into()
}

pub fn sets() -> Vec<Vec<u8>> {
    let (partition, offset) = place();
    let mut set = alone();
    set.edges.push(Edge {
        one: profile(1),
        other: profile(2),
        kind: EdgeKind::Shared,
        through: set.held[0].identifier.clone(),
        partition,
        offset,
        made_at: MOMENT,
        rules: "default-1".to_owned(),
    });
    vec![SetItem::Root(set).encode().to_vec(), SetItem::MergedInto(profile(7)).encode().to_vec()]
}

/// Profiles as State has them, by themselves and as part of a person.
pub fn profiles() -> Vec<Vec<u8>> {
    let members = members().into_iter().enumerate();
    let profile = |(at, member): (usize, Member)| {
        let belonging = if at % 2 == 0 { Belonging::Alone(alone()) } else { Belonging::To(profile(1)) };
        ProfileItem { belonging, member }.encode().to_vec()
    };
    members.map(profile).collect()
}

fn members() -> Vec<Member> {
    let (partition, offset) = place();
    let mut member = Member::new(profile(1));
    let mut members = vec![member.clone()];
    for (sub, event) in (offset.sub..).zip(events()) {
        let offset = Offset::new(offset.sequence, sub);
        let raw = raw(&event, offset);
        if let Ok(event) = validate(&raw) {
            member.apply(&partition, &event, event.received_at);
            members.push(member.clone());
        }
    }
    members.into_iter().step_by(5).collect()
}

pub fn raw(bytes: &[u8], offset: Offset) -> RawEvent<'_> {
    RawEvent::plain(offset, "fuzz", MOMENT, bytes)
}
