//! Log lines. One that is written while a call is served, or within other work that has a context,
//! says which: that is looked up when a line is written, because most calls write none.

use std::fmt;

use serde_json::{Map, Value, json};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::context::{Context, Served};

/// Another format's lines, with the call they belong to.
pub(super) struct Line<F> {
    rest: F,
    add: fn(&mut String, &Map<String, Value>),
}

impl<F> Line<F> {
    /// Of a format for people, at the end of the line.
    pub(super) fn human(rest: F) -> Self {
        let add = |line: &mut String, call: &Map<String, Value>| {
            for (name, value) in call.iter().filter(|(name, _)| *name != "name") {
                line.extend([" ", name, "=", value.as_str().unwrap_or_default()]);
            }
        };
        Self { rest, add }
    }

    /// Of one that writes objects, where a span would be.
    pub(super) fn json(rest: F) -> Self {
        let add = |line: &mut String, call: &Map<String, Value>| {
            if line.ends_with('}') {
                line.truncate(line.len() - 1);
                line.extend([",\"span\":", &json!(call).to_string(), "}"]);
            }
        };
        Self { rest, add }
    }
}

/// What a line says of the call or the work it belongs to.
fn said(context: &Context) -> Map<String, Value> {
    let mut said = Map::new();
    if let Some(Served { method, caller }) = context.served() {
        let path = format!("/{}/{}", method.service, method.name);
        said.extend([
            ("name".to_owned(), "rpc".into()),
            ("method".to_owned(), path.into()),
        ]);
        let caller = caller.as_deref().map(Value::from);
        said.extend(caller.map(|caller| ("caller".to_owned(), caller)));
    }
    said.insert("trace_id".to_owned(), context.trace_id().into());
    said.insert("request_id".to_owned(), context.request_id().into());
    said
}

impl<S, N, F> FormatEvent<S, N> for Line<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        within: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.rest
            .format_event(within, Writer::new(&mut line), event)?;
        line.truncate(line.trim_end().len());
        // A step of its own, such as a job, says itself whose it is.
        if within.lookup_current().is_none()
            && let Some(call) = Context::look(said)
        {
            (self.add)(&mut line, &call);
        }
        writeln!(writer, "{line}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policies;
    use crate::trace::TraceContext;
    use std::io;
    use std::sync::{Arc, Mutex};
    use tracing::subscriber::with_default;
    use tracing::{info, info_span};

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, said: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(said)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn served(caller: Option<&str>) -> Context {
        let policies = Policies::read(proto::DESCRIPTORS).unwrap();
        let method = policies.method("/paymesh.trade.v1.TradeService/PayOrder");
        let trace = TraceContext::parse(PARENT).unwrap();
        Context::named(trace, "pay \"7\"").serving(&method, caller)
    }

    fn people(say: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let logs = logs.with_ansi(false).map_event_format(Line::human);
        with_default(logs.finish(), say);
        written.text()
    }

    fn objects(say: impl FnOnce()) -> Vec<Value> {
        let written = Written::default();
        let writer = written.clone();
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let logs = logs.json().flatten_event(true).with_current_span(true);
        let logs = logs.with_span_list(false).map_event_format(Line::json);
        with_default(logs.finish(), say);
        let text = written.text();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn a_line_says_which_call_it_belongs_to() {
        let line = people(|| served(Some("trade")).enter(|| info!(order = 7, "paid")));
        let end = "paid order=7 caller=trade method=/paymesh.trade.v1.TradeService/PayOrder \
                   request_id=pay \"7\" trace_id=4bf92f3577b34da6a3ce929d0e0e4736\n";
        assert!(line.ends_with(end), "{line}");
        let lines = objects(|| served(None).enter(|| info!(order = 7, "paid")));
        let span = json!({
            "name": "rpc",
            "method": "/paymesh.trade.v1.TradeService/PayOrder",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "request_id": "pay \"7\"",
        });
        assert_eq!(lines[0]["span"], span);
        assert_eq!(lines[0]["order"], 7);
        assert_eq!(lines[0]["message"], "paid");
    }

    #[test]
    fn work_that_serves_no_call_has_its_trace() {
        let work = Context::new(TraceContext::parse(PARENT).unwrap());
        let lines = objects(|| work.enter(|| info!("settled")));
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let span = json!({"trace_id": trace, "request_id": trace});
        assert_eq!(lines[0]["span"], span);
    }

    #[test]
    fn other_lines_are_as_they_were() {
        let jobs = || {
            info!("outside");
            let _job = info_span!("job", subject = 3).entered();
            served(None).enter(|| info!("within a job"));
        };
        let lines = objects(jobs);
        assert!(lines[0].get("span").is_none(), "{}", lines[0]);
        assert_eq!(lines[1]["span"], json!({"name": "job", "subject": 3}));
        let text = people(jobs);
        assert!(
            !text.contains("rpc") && !text.contains("trace_id"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 2);
    }
}
