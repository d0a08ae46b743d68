//! What is logged on a test's thread.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, NoSubscriber};

/// Keeps it for as long as it lives.
pub(crate) struct Logged {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
    // Beside only one, a line that another thread comes to first would be taken for one that
    // nobody wants.
    _second: Dispatch,
}

struct Line(Arc<Mutex<Vec<u8>>>);

impl Logged {
    pub(crate) fn start() -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&text);
        let told = tracing_subscriber::fmt().with_writer(move || Line(Arc::clone(&lines)));
        let guard = tracing::subscriber::set_default(told.with_ansi(false).finish());
        Self {
            text,
            _guard: guard,
            _second: Dispatch::new(NoSubscriber::default()),
        }
    }

    /// How many lines say this.
    pub(crate) fn count(&self, what: &str) -> usize {
        let text = String::from_utf8(self.text.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(what)).count()
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
