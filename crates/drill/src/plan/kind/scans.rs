//! The merchant scans (b→c): there is no callback, so asking is all.

use proto::trade::v1::CancelType;

use super::{Kind, PAID, Payer, Row};
use crate::plan::end::End;

// Who has one code only.
const ONCE: Row = Row {
    payer: Payer::Scanned,
    ..PAID
};

const AGAIN: Row = Row {
    payer: Payer::ScannedAgain,
    ..PAID
};

pub(super) const ROWS: [Row; 7] = [
    Row {
        kind: Kind::Scanned,
        name: "scanned",
        share: 10,
        lesson: "the merchant scanned a code: charged, and told in the answer",
        ..AGAIN
    },
    Row {
        kind: Kind::Password,
        name: "password",
        lesson: "the payer had to type a password: asked about until it was typed",
        ..AGAIN
    },
    Row {
        kind: Kind::Refused,
        name: "refused",
        share: 1,
        lesson: "the payer refused the password: not paid, finally; another code paid",
        ..AGAIN
    },
    Row {
        kind: Kind::Declined,
        name: "declined",
        lesson: "the code was declined: nothing to ask about; another code paid",
        ..AGAIN
    },
    Row {
        kind: Kind::Abandoned,
        name: "abandoned",
        share: 1,
        charged: false,
        end: End::Revoked(CancelType::System),
        killed: &[],
        lesson: "nobody typed the password: reversed when its time was over, the order revoked by \
                 its limit",
        ..ONCE
    },
    Row {
        kind: Kind::Replaced,
        name: "replaced",
        share: 1,
        lesson: "nobody typed the password: reversed when its time was over, then another code paid",
        ..AGAIN
    },
    // A poll that a kill repeats sees one lie less: the money may be found in time.
    Row {
        kind: Kind::Reversed,
        name: "reversed",
        share: 1,
        end: End::Revoked(CancelType::System),
        killed: &[End::Paid],
        lesson: "charged, but the answer was lost and no poll found it: reversed, the money went back",
        ..ONCE
    },
];
