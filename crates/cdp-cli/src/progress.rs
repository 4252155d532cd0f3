//! Bars for long work, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Of unknown size.
pub fn waiting(what: &'static str) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {msg}, {elapsed}", what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Counts up, towards nobody knows what.
pub fn counting(what: &'static str) -> ProgressBar {
    let bar = styled(ProgressBar::new_spinner(), "{spinner} {human_pos} {msg}, {per_sec}, {elapsed}", what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Counts up to what is known beforehand.
pub fn towards(total: u64, what: &'static str) -> ProgressBar {
    styled(ProgressBar::new(total), "{bar:30} {human_pos}/{human_len} {msg}, {per_sec}, {eta} left", what)
}

/// `indicatif` draws on stderr, and draws nothing when that is no terminal.
fn styled(bar: ProgressBar, template: &str, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style).with_message(what)
}
