//! Records become events: the first stretch of the road, pure.
//!
//! `Record` (bytes at a position) → `decode` → `RawEvent` → `validate` → `Event`, or a `Rejection` that names the field
//! and the remedy. Knows nothing of profiles, storage, clocks or async.

mod position;
mod time;

mod compressed;
mod envelope;
mod kpl;

mod decode;
mod record;

mod event;
mod identifier;
mod json;
mod rejection;
mod validate;

pub use compressed::{MAX_INFLATED_BYTES, is_compressed};
pub use decode::{Decoded, MAX_EVENTS_OF_A_RECORD, Parts, decode};
pub use envelope::{Envelope, FileRow};
pub use event::{Event, EventKind, Facts, NotAnEventKind};
pub use identifier::{Identifier, Namespace, NotANamespace, NotAnIdentifier};
pub use kpl::{KPL_MAGIC, aggregate, deaggregate};
pub use position::{NotASequence, Offset, PartitionId, Sequence};
pub use record::{RawEvent, Record};
pub use rejection::{Reason, Rejection};
pub use time::{NotATime, Timestamp};
pub use validate::{MAX_EVENT_BYTES, validate};
