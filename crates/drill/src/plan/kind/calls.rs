//! The customer scans (c→b): what may go wrong with callbacks and answers.

use super::{Kind, PAID, Row};

pub(super) const ROWS: [Row; 8] = [
    Row {
        kind: Kind::Prompt,
        name: "prompt",
        share: 41,
        lesson: "the callback came at once: stored, acknowledged, believed",
        ..PAID
    },
    Row {
        kind: Kind::Late,
        name: "late",
        lesson: "the callback came late: whoever told of the money first counted, the other changed \
                 nothing",
        ..PAID
    },
    Row {
        kind: Kind::Repeated,
        name: "repeated",
        lesson: "the callback came three times: kept each time, counted once",
        ..PAID
    },
    Row {
        kind: Kind::Forged,
        name: "forged",
        lesson: "forged callbacks came in between: none was believed, the genuine one was",
        ..PAID
    },
    Row {
        kind: Kind::Lying,
        name: "lying",
        lesson: "the callback lied about the amount: flagged, the channel asked, the truth settled",
        ..PAID
    },
    Row {
        kind: Kind::Lost,
        name: "lost",
        remedy: true,
        lesson: "no callback ever came: a poll found the money (a remedy)",
        ..PAID
    },
    Row {
        kind: Kind::Garbage,
        name: "garbage",
        remedy: true,
        lesson: "no callback came and the channel answered garbage: no evidence, asked again",
        ..PAID
    },
    Row {
        kind: Kind::Timeout,
        name: "timeout",
        lesson: "the prepay got no answer and charged nobody: given up, a new request paid",
        ..PAID
    },
];
