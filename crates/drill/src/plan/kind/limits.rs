//! Orders that are not paid in time, or not wanted any more.

use proto::trade::v1::CancelType;

use super::{After, Kind, PAID, Payer, Row, TOO_LATE};
use crate::plan::end::End;

const UNPAID: Row = Row {
    payer: Payer::Shown,
    charged: false,
    end: End::Revoked(CancelType::System),
    killed: &[],
    ..PAID
};

pub(super) const ROWS: [Row; 8] = [
    Row {
        kind: Kind::Unpaid,
        name: "unpaid",
        lesson: "nobody paid: asked about until the pay limit, closed at the channel, revoked",
        ..UNPAID
    },
    Row {
        kind: Kind::Claimed,
        name: "claimed",
        lesson: "nobody paid, forged callbacks said so: not believed, closed and revoked",
        ..UNPAID
    },
    Row {
        kind: Kind::Unbound,
        name: "unbound",
        payer: Payer::Absent,
        lesson: "nobody came to pay: revoked at the bind limit",
        ..UNPAID
    },
    Row {
        kind: Kind::Tardy,
        name: "tardy",
        share: 1,
        payer: Payer::Hesitates,
        remedy: true,
        lesson: "paid in the last moment, no callback: asked before it was closed, kept (a remedy)",
        ..PAID
    },
    // The cancel came after the limit, because the mesh was away.
    Row {
        kind: Kind::Cancelled,
        name: "cancelled",
        payer: Payer::Bound,
        after: After::Cancels(CancelType::Customer),
        end: End::Revoked(CancelType::Customer),
        killed: TOO_LATE,
        lesson: "the customer cancelled before paying: revoked at once",
        ..UNPAID
    },
    Row {
        kind: Kind::Withdrawn,
        name: "withdrawn",
        after: After::Cancels(CancelType::Store),
        end: End::Revoked(CancelType::Store),
        killed: TOO_LATE,
        lesson: "the store cancelled while the code was shown: closed at the channel, then revoked",
        ..UNPAID
    },
    // The payer came when it was closed already; or the cancel came after the limit, whose late
    // money is kept.
    Row {
        kind: Kind::Crossed,
        name: "crossed",
        payer: Payer::Shown,
        after: After::CancelsAndPays(CancelType::Customer),
        end: End::Refunded(CancelType::Customer),
        killed: &[
            End::Revoked(CancelType::Customer),
            End::Revoked(CancelType::System),
            End::Paid,
        ],
        remedy: true,
        lesson: "the customer cancelled and paid all the same: the late money went back (a remedy)",
        ..PAID
    },
    // The same, by another order of events.
    Row {
        kind: Kind::Raced,
        name: "raced",
        share: 1,
        payer: Payer::Shown,
        after: After::Cancels(CancelType::Store),
        end: End::Refunded(CancelType::Store),
        killed: &[
            End::Revoked(CancelType::Store),
            End::Revoked(CancelType::System),
            End::Paid,
        ],
        remedy: true,
        lesson: "paid while the channel was closing it: asked after the close, the late money went \
                 back",
        ..PAID
    },
];
