//! One suite for each port. Every adapter runs it; the memory adapters are the reference.
//!
//! A check takes a fresh adapter and panics where a sentence of the port's contract does not hold. This is test support:
//! nothing here belongs on the path of an event.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

pub mod lake;
pub mod lake_reader;
pub mod state;
pub mod stream;
pub mod warehouse;

use std::fmt::Debug;
use std::pin::pin;
use std::task::Poll;

use crate::{FaultKind, PortResult};

/// Runs each check on an adapter of its own.
macro_rules! run_each {
    ($make:ident: $($check:ident),+ $(,)?) => { $($check(&$make().await).await;)+ };
}
use run_each;

fn assert_fault<T: Debug>(outcome: PortResult<T>, expected: FaultKind, case: &str) {
    match outcome {
        Ok(answer) => panic!("{case}: {answer:?} in place of {expected:?}"),
        Err(error) => assert_eq!(error.kind, expected, "{case}: {error}"),
    }
}

/// Both at once, as far as the adapter lets them.
async fn both<A, B>(first: impl Future<Output = A>, second: impl Future<Output = B>) -> (A, B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut of_first, mut of_second) = (None, None);
    std::future::poll_fn(move |context| {
        if of_first.is_none()
            && let Poll::Ready(answer) = first.as_mut().poll(context)
        {
            of_first = Some(answer);
        }
        if of_second.is_none()
            && let Poll::Ready(answer) = second.as_mut().poll(context)
        {
            of_second = Some(answer);
        }
        match (of_first.take(), of_second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (first, second) => {
                (of_first, of_second) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}
