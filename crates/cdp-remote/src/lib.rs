//! A deployment on AWS as commands see it: found by its stack, asked with the credentials and in the region of whoever asks.
//!
//! It reads what the functions write, through the same adapters, and takes part in nothing: only a dropped file is put.

mod stack;

mod remote;

mod drops;
mod front;

mod error;

pub use drops::{DropBucket, Placed};
pub use error::RemoteError;
pub use front::Front;
pub use remote::Remote;
