//! What is measured, one case after the other.

use crate::contender::{ALL, Contender};
use crate::probe::Method;

/// Which of the five is in trouble.
pub(crate) const TROUBLED: usize = 2;

/// One table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// What it is called, by people and by `--only`.
    pub(crate) name: &'static str,
    /// What happens, in a sentence or two.
    pub(crate) what: &'static str,
    pub(crate) at_once: usize,
    pub(crate) method: Method,
    /// What a server takes for an answer, in milliseconds.
    pub(crate) takes: u32,
    pub(crate) trouble: Trouble,
    pub(crate) contenders: &'static [Contender],
}

/// What is wrong, from before the client is made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    Slow,
    Dead,
    Failing,
    Flapping,
    FewStreams,
    /// While it is warm, however long that takes.
    Restarts,
    /// While it is warm.
    Rotation,
    Weather {
        lost: u32,
        late: u32,
        cut: u32,
    },
}

impl Trouble {
    /// Whether one of the five is in it.
    pub(crate) fn is_of_one(self) -> bool {
        matches!(self, Self::Slow | Self::Failing | Self::Flapping)
    }
}

/// What most cases have in common.
const USUAL: Case = Case {
    name: "",
    what: "",
    at_once: 32,
    method: Method::Read,
    takes: 5,
    trouble: Trouble::None,
    contenders: ALL,
};

const fn healthy(name: &'static str, at_once: usize) -> Case {
    Case {
        name,
        what: "Five healthy servers that answer at once.",
        at_once,
        takes: 0,
        ..USUAL
    }
}

/// The name of the case that the others are compared with.
pub(crate) const ALL_HEALTHY: &str = "all healthy";

/// All of them, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    healthy("healthy, 1 in flight", 1),
    healthy("healthy, 16 in flight", 16),
    healthy("healthy, 64 in flight", 64),
    healthy("healthy, 256 in flight", 256),
    Case {
        name: ALL_HEALTHY,
        what: "What the cases below are compared with: five healthy servers, each answer takes 5 ms, 32 in flight.",
        ..USUAL
    },
    Case {
        name: "one of five slow",
        what: "One takes 200 ms instead of 5.",
        trouble: Trouble::Slow,
        ..USUAL
    },
    Case {
        name: "one of five dead",
        what: "One refuses every connection. The calls must not be repeated.",
        method: Method::Write,
        trouble: Trouble::Dead,
        ..USUAL
    },
    Case {
        name: "one failing fast, idempotent calls",
        what: "One answers UNAVAILABLE at once. The calls may be repeated.",
        trouble: Trouble::Failing,
        ..USUAL
    },
    Case {
        name: "one failing fast, other calls",
        what: "One answers UNAVAILABLE at once. The calls must not be repeated.",
        method: Method::Write,
        trouble: Trouble::Failing,
        ..USUAL
    },
    Case {
        name: "one flapping, idempotent calls",
        what: "One is killed, connections and all, and back 300 ms later, over and over. The calls may be repeated.",
        trouble: Trouble::Flapping,
        ..USUAL
    },
    Case {
        name: "one flapping, other calls",
        what: "The same. The calls must not be repeated: what was on a connection that is cut off is lost.",
        method: Method::Write,
        trouble: Trouble::Flapping,
        ..USUAL
    },
    Case {
        name: "few streams",
        what: "One server (tonic's own) that allows 100 streams a connection, 400 in flight, each answer takes 100 ms.",
        at_once: 400,
        takes: 100,
        trouble: Trouble::FewStreams,
        ..USUAL
    },
    Case {
        name: "rolling restart",
        what: "All five, one after the other, are stopped as SIGTERM stops them, drain, stay away for 100 ms and come back, \
               300 ms apart. The calls must not be repeated. Cold is the time before the first one goes.",
        method: Method::Write,
        trouble: Trouble::Restarts,
        ..USUAL
    },
    Case {
        name: "pieces lost",
        what: "Every fifth piece (of up to 1,460 bytes, each way) is lost and comes 200 ms later, or 600 if it is lost \
               again; what follows it on its connection waits for it.",
        trouble: Trouble::Weather {
            lost: 200,
            late: 0,
            cut: 0,
        },
        ..USUAL
    },
    Case {
        name: "pieces late",
        what: "Every fifth piece comes 50 ms late.",
        trouble: Trouble::Weather {
            lost: 0,
            late: 200,
            cut: 0,
        },
        ..USUAL
    },
    Case {
        name: "connections cut",
        what: "One piece in five hundred ends its connection. The calls may be repeated.",
        trouble: Trouble::Weather {
            lost: 0,
            late: 0,
            cut: 2,
        },
        ..USUAL
    },
    Case {
        name: "certificate rotation",
        what: "Servers and client have TLS, each showing a certificate. Another authority takes over: first both are \
               trusted, then its certificates are shown, then the old one is no longer trusted; then all five are \
               restarted as above, so that every connection is made anew. The calls must not be repeated. Cold is \
               the time before that.",
        method: Method::Write,
        trouble: Trouble::Rotation,
        contenders: &[Contender::Mesh],
        ..USUAL
    },
];
