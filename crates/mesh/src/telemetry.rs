//! Logs to stderr and metrics to be scraped, each set up once per process.

mod describe;
mod line;

use std::io::{IsTerminal, stderr};
use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::Format;

use self::line::Line;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One readable line per event.
    Human,
    /// One JSON object per event.
    Json,
}

/// Why telemetry could not be set up.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The log filter is malformed.
    #[error("the log filter cannot be read")]
    Filter(#[from] ParseError),
    /// Somebody else has installed a recorder of metrics.
    #[error("metrics cannot be recorded")]
    Metrics(#[from] BuildError),
}

/// Sends logs to stderr; `filter` as in `info,mesh=debug`. Only the first call has an effect.
pub fn init_logs(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter)?;
    let terminal = stderr().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    let human = format == LogFormat::Human || (format == LogFormat::Auto && terminal);
    // The error of a second call is dropped on purpose: the first one stands.
    let _ = if human {
        let logs = logs.with_ansi(colours).with_target(false);
        let line = |format: Format| Line::human(format.with_ansi(colours));
        logs.map_event_format(line).try_init()
    } else {
        let logs = logs.json().flatten_event(true).with_current_span(true);
        let logs = logs.with_span_list(false);
        logs.map_event_format(Line::json).try_init()
    };
    Ok(())
}

// 1 ms to 10 s: from a read in memory to the slowest channel.
const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
const SIZES: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0,
];

static METRICS: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Begins to record metrics; later calls return the same handle.
/// Histograms ending in `_seconds` or `_size` have buckets.
pub fn install_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let mut installed = METRICS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), SIZES)?
        .install_recorder()?;
    describe::describe();
    *installed = Some(handle.clone());
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_installed_once() {
        install_metrics().unwrap();
        let again = install_metrics().unwrap();
        metrics::histogram!("once_seconds").record(0.2);
        assert!(
            again
                .render()
                .contains("once_seconds_bucket{le=\"0.25\"} 1")
        );
    }

    #[test]
    fn a_malformed_filter_is_refused_and_a_second_start_is_harmless() {
        assert!(matches!(
            init_logs(LogFormat::Json, "a=b=c"),
            Err(TelemetryError::Filter(_))
        ));
        init_logs(LogFormat::Json, "error").unwrap();
        init_logs(LogFormat::Human, "error").unwrap();
    }
}
