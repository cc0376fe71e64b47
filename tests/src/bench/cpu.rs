//! CPU time of other processes: user and system time, all threads.
//!
//! `/proc/<pid>/task/*/schedstat` counts it in nanoseconds. Where the kernel has none, `/proc/<pid>/stat` does in hundredths of
//! a second; then a round of a few hundred milliseconds is known to a few per cent.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

/// Linux reports CPU time to programs in hundredths of a second, whatever the kernel's own tick is.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used so far. Threads that have ended are not counted; Envoy's do not end.
pub(super) fn spent(process: u32) -> Result<Duration, Box<dyn Error>> {
    let process = Path::new("/proc").join(process.to_string());
    if let Some(spent) = threads(&process.join("task")) {
        return Ok(spent);
    }
    let path = process.join("stat");
    let stat =
        std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    ticks(&stat).ok_or_else(|| format!("{} is not as Linux writes it", path.display()).into())
}

/// The first number of each thread's `schedstat`.
fn threads(tasks: &Path) -> Option<Duration> {
    let mut nanoseconds = 0_u64;
    for task in tasks.read_dir().ok()? {
        let schedstat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        nanoseconds = nanoseconds.checked_add(schedstat.split(' ').next()?.parse().ok()?)?;
    }
    Some(Duration::from_nanos(nanoseconds))
}

/// Fields 14 and 15. The second, the program's name in parentheses, may hold anything.
fn ticks(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(TICK * user.checked_add(system)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_added() {
        let stat = "42 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(Duration::from_secs(3)));
        assert_eq!(ticks("42 (x) S 1"), None);
    }

    #[test]
    fn work_is_seen() {
        let own = std::process::id();
        let before = spent(own).unwrap();
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_millis(100) {
            std::hint::spin_loop();
        }
        assert!(spent(own).unwrap() > before);
        assert!(spent(u32::MAX).is_err());
    }
}
