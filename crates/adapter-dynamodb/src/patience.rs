//! How long to try again what was refused, and has not happened.

use std::time::Duration;

const TRIES: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(crate) struct Patience {
    tried: u32,
}

impl Patience {
    /// Waits before the next try. `false`, at once: there were enough.
    pub async fn wait(&mut self) -> bool {
        self.tried += 1;
        if self.tried >= TRIES {
            return false;
        }
        // Doubles, and is drawn, so that those who were refused together do not come back together.
        let most = FIRST_WAIT * (1 << self.tried);
        tokio::time::sleep(most.mul_f64(rand::random_range(0.5..1.0))).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_within_seconds() {
        let (mut patience, mut tries, began) = (Patience::default(), 1, Instant::now());
        while patience.wait().await {
            tries += 1;
        }
        assert_eq!(tries, TRIES);
        assert!((Duration::from_millis(600)..Duration::from_secs(2)).contains(&began.elapsed()));
    }
}
