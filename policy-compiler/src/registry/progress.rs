//! What people see while they wait: a bar on a terminal, and nothing elsewhere but what went wrong.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the bar is drawn anew.
const DRAW: Duration = Duration::from_millis(100);
const WIDTH: u64 = 30;

/// Where progress is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    /// To nobody.
    Silent,
    /// Remarks, to standard error.
    Remarks,
    /// Remarks and a bar.
    Bar,
}

/// Counts the bytes of one transfer.
#[derive(Clone, Debug)]
pub(super) struct Meter(Option<Arc<Mutex<Bar>>>);

#[derive(Debug)]
struct Bar {
    what: String,
    total: u64,
    done: u64,
    drawn: Option<Instant>,
}

impl Progress {
    /// As it suits where standard error goes to.
    pub(crate) fn for_stderr() -> Self {
        if io::stderr().is_terminal() { Self::Bar } else { Self::Remarks }
    }

    /// Says something to who waits.
    pub(super) fn remark(self, text: &str) {
        if self != Self::Silent {
            eprintln!("{text}");
        }
    }

    pub(super) fn meter(self, what: &str, total: u64) -> Meter {
        let bar = Bar { what: what.to_owned(), total, done: 0, drawn: None };
        Meter((self == Self::Bar).then(|| Arc::new(Mutex::new(bar))))
    }
}

impl Meter {
    pub(super) fn add(&self, bytes: usize) {
        let Some(bar) = &self.0 else { return };
        let mut bar = bar.lock().unwrap_or_else(PoisonError::into_inner);
        bar.done = bar.done.saturating_add(bytes as u64);
        if bar.drawn.is_none_or(|at| at.elapsed() >= DRAW) {
            bar.drawn = Some(Instant::now());
            draw(&format!("\r{}", bar.line()));
        }
    }
}

impl Bar {
    fn line(&self) -> String {
        let part = |of: u64| self.done.min(self.total) * of / self.total.max(1);
        let full = usize::try_from(part(WIDTH)).unwrap_or(0);
        let empty = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(full);
        let (full, empty) = ("#".repeat(full), "-".repeat(empty));
        format!("{} [{full}{empty}] {:3} % of {} KiB", self.what, part(100), self.total.div_ceil(1024))
    }
}

impl Drop for Bar {
    /// Leaves the line as if nothing had been there.
    fn drop(&mut self) {
        if self.drawn.is_some() {
            draw(&format!("\r{}\r", " ".repeat(self.line().chars().count())));
        }
    }
}

fn draw(text: &str) {
    // A terminal that is gone is no reason to stop.
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_never_overflows() {
        let line = |done, total| Bar { what: "x".to_owned(), total, done, drawn: None }.line();
        assert!(line(0, 2048).starts_with("x [------") && line(0, 2048).ends_with("]   0 % of 2 KiB"));
        assert!(line(1024, 2048).contains("###---") && line(1024, 2048).contains(" 50 %"));
        assert!(line(9999, 2048).contains("100 %") && !line(9999, 2048).contains('-'));
        assert!(line(0, 0).contains("0 %"));
    }
}
