//! Bars for long work, on a terminal only.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

/// Of unknown size.
pub fn waiting(what: &'static str) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}", what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Counts up, towards nobody knows what.
pub fn counting(what: &'static str) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {human_pos} {msg}, {rate}, {elapsed}", what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Counts up to what is known beforehand.
pub fn towards(total: u64, what: &'static str) -> ProgressBar {
    styled(ProgressBar::new(total), "{bar:30} {human_pos}/{human_len} {msg}, {rate}, {eta} left", what)
}

/// How far a file is read: its rows are counted, until it is told how much of the file that is.
pub struct Reading(ProgressBar);

impl Reading {
    pub fn of(file: &str) -> Self {
        let bar = counting("rows").with_prefix(file.to_owned());
        bar.set_style(style("{spinner} {prefix}: {human_pos} {msg}, {rate}, {elapsed}"));
        Self(bar)
    }

    /// `bytes`: how many are read, and of how many.
    pub fn tell(&self, rows: u64, bytes: Option<(u64, u64)>) {
        let bar = &self.0;
        let knows_bytes = bar.length().is_some();
        match bytes {
            Some((read, all)) => {
                if !knows_bytes {
                    bar.set_style(style(
                        "{prefix}: {bar:30} {binary_bytes} of {binary_total_bytes}, {msg}, {eta} left",
                    ));
                    bar.set_length(all);
                    bar.reset_eta();
                }
                bar.set_message(format!("{} rows", HumanCount(rows)));
                bar.set_position(read);
            }
            None if knows_bytes => {}
            None => bar.set_position(rows),
        }
    }

    pub fn finish(self) {
        self.0.finish_and_clear();
    }
}

/// `indicatif` draws on stderr, and draws nothing when that is no terminal.
fn styled(bar: ProgressBar, template: &str, what: &'static str) -> ProgressBar {
    bar.with_style(style(template)).with_message(what)
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
        // A bar that can't be drawn is none that is missed.
        let _ = out.write_str(&rate(state.per_sec()));
    })
}

fn rate(per_second: f64) -> String {
    format!("{}/s", HumanCount(per_second.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_whole_number() {
        for (per_second, expected) in
            [(0.0, "0/s"), (0.4, "0/s"), (12_732.4, "12,732/s"), (1e6 - 0.1, "1,000,000/s"), (f64::NAN, "0/s")]
        {
            assert_eq!(rate(per_second), expected);
        }
    }

    #[test]
    fn a_file_is_read_by_rows_until_its_bytes_are_told() {
        let reading = Reading::of("a.csv");
        let seen = |rows, bytes| {
            reading.tell(rows, bytes);
            (reading.0.position(), reading.0.length(), reading.0.message())
        };
        assert_eq!(seen(10, None), (10, None, "rows".to_owned()));
        assert_eq!(seen(2_000, Some((500, 4_000))), (500, Some(4_000), "2,000 rows".to_owned()));
        assert_eq!(seen(2_100, None), (500, Some(4_000), "2,000 rows".to_owned()));
        assert_eq!(seen(9_000, Some((4_000, 4_000))), (4_000, Some(4_000), "9,000 rows".to_owned()));
    }
}
