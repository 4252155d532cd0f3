//! One thread, many tasks: which one takes its next step is drawn, and so is which one dies.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

#[derive(Clone)]
pub struct Dice(Rc<RefCell<SmallRng>>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Rc::new(RefCell::new(SmallRng::seed_from_u64(seed))))
    }

    pub fn below(&self, end: usize) -> usize {
        self.0.borrow_mut().random_range(0..end)
    }

    pub fn chance(&self, probability: f64) -> bool {
        self.0.borrow_mut().random_bool(probability)
    }
}

type Task<'t> = Pin<Box<dyn Future<Output = ()> + 't>>;

/// A task that can be started again after it died.
pub struct Role<'t> {
    pub start: Box<dyn Fn() -> Task<'t> + 't>,
}

/// Polls until all roles have ended. `crashes`: the chance that a step is the last one of its task's life. Returns the
/// number of steps; `None` when it takes too many.
pub fn run(roles: &[Role<'_>], dice: &Dice, crashes: f64, max_steps: u64) -> Option<u64> {
    let mut alive: Vec<(usize, Task<'_>)> = roles.iter().enumerate().map(|(at, role)| (at, (role.start)())).collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut steps = 0;
    while !alive.is_empty() {
        steps += 1;
        if steps > max_steps {
            return None;
        }
        let chosen = dice.below(alive.len());
        let (role, task) = &mut alive[chosen];
        if dice.chance(crashes) {
            *task = (roles[*role].start)();
            continue;
        }
        if let Poll::Ready(()) = task.as_mut().poll(&mut context) {
            drop(alive.swap_remove(chosen));
        }
    }
    Some(steps)
}

/// Lets the others run.
pub async fn step() {
    let mut yielded = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}
