//! How many instructions a client's call takes: counted by the processor where `perf` may ask it,
//! else by an emulator (`valgrind`), else not at all.

use std::net::SocketAddr;
use std::process::Stdio;

use tokio::process::Command;

use crate::cost::{Side, arguments};
use crate::error::BenchError;
use crate::scale::Scale;

/// Who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counter {
    Processor,
    Emulator,
}

const PERF: &[&str] = &["stat", "-x", ",", "-e", "instructions:u", "--"];
const VALGRIND: &[&str] = &[
    "--tool=cachegrind",
    "--cache-sim=no",
    "--cachegrind-out-file=/dev/null",
];

impl Counter {
    /// Whoever can; tried on a program that does nothing.
    pub(crate) async fn find() -> Option<Self> {
        for counter in [Self::Processor, Self::Emulator] {
            let counted = counter.count("true", &[]).await;
            if counted.is_some_and(|count| count > 0.0) {
                return Some(counter);
            }
        }
        None
    }

    /// How it is told in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Processor => "counted by the processor (`perf stat -e instructions:u`)",
            Self::Emulator => {
                "counted by an emulator (`valgrind`), as this machine lets nobody ask its processor"
            }
        }
    }

    /// A call's instructions on both sides, bare first; starting up is taken off.
    pub(crate) async fn pair(
        self,
        sides: [(Side, SocketAddr); 2],
        scale: &Scale,
    ) -> Result<(f64, f64), BenchError> {
        let [(first, at), (second, other)] = sides;
        // Both at once: what is counted does not depend on how long it takes.
        let (one, two) = tokio::join!(
            self.per_call(first, at, scale),
            self.per_call(second, other, scale)
        );
        let (one, two) = (one?, two?);
        Ok(if first == Side::Bare {
            (one, two)
        } else {
            (two, one)
        })
    }

    async fn per_call(
        self,
        side: Side,
        address: SocketAddr,
        scale: &Scale,
    ) -> Result<f64, BenchError> {
        let calls = match self {
            Self::Processor => scale.calls,
            Self::Emulator => scale.emulated,
        };
        let few = self.whole(side, address, calls / 10).await?;
        let many = self.whole(side, address, calls).await?;
        Ok((many - few) / f64::from((calls - calls / 10).max(1)))
    }

    async fn whole(self, side: Side, address: SocketAddr, calls: u32) -> Result<f64, BenchError> {
        let exe = std::env::current_exe().map_err(BenchError::io("who runs is not known"))?;
        let exe = exe.to_string_lossy().into_owned();
        let counted = self
            .count(&exe, &arguments(side, address, (0, calls)))
            .await;
        counted.ok_or_else(|| BenchError::Counted("its instructions".to_owned()))
    }

    async fn count(self, program: &str, arguments: &[String]) -> Option<f64> {
        let (by, how) = match self {
            Self::Processor => ("perf", PERF),
            Self::Emulator => ("valgrind", VALGRIND),
        };
        let output = Command::new(by)
            .args(how)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .ok()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then(|| self.read(&told))?
    }

    fn read(self, told: &str) -> Option<f64> {
        let number = match self {
            Self::Processor => {
                let line = told.lines().find(|line| line.contains("instructions"))?;
                line.split(',').next()?.to_owned()
            }
            Self::Emulator => {
                let line = told
                    .lines()
                    .find(|line| line.contains("I ") && line.contains("refs:"))?;
                line.rsplit(':').next()?.trim().replace(',', "")
            }
        };
        number.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counters_are_understood_and_what_is_not_supported_is_no_number() {
        let perf = Counter::Processor;
        assert_eq!(
            perf.read("123456,,instructions:u,100,100.00,,"),
            Some(123_456.0)
        );
        assert_eq!(
            perf.read("<not supported>,,instructions:u,0,100.00,,"),
            None
        );
        let told = "==7== Cachegrind\n==7== \n==7== I   refs:        1,234,567\n";
        assert_eq!(Counter::Emulator.read(told), Some(1_234_567.0));
        assert_eq!(Counter::Emulator.read("==7== Cachegrind\n"), None);
    }
}
