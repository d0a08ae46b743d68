//! Money that goes back.

use proto::trade::v1::CancelType;

use super::{After, Kind, Origin, PAID, Payer, Row};
use crate::plan::end::End;

const REFUNDED: Row = Row {
    after: After::Refunds(1),
    end: End::Refunded(CancelType::Customer),
    ..PAID
};

pub(super) const ROWS: [Row; 9] = [
    Row {
        kind: Kind::Refunded,
        name: "refunded",
        lesson: "all the money was asked back: approved, sent, found to have gone, settled again",
        ..REFUNDED
    },
    Row {
        kind: Kind::Parted,
        name: "parted",
        after: After::Refunds(2),
        end: End::PaidInPart,
        lesson: "two parts of the money went back, each with its share of the fee",
        ..REFUNDED
    },
    Row {
        kind: Kind::Rejected,
        name: "rejected",
        share: 1,
        after: After::RefundRejected,
        end: End::RefundRejected,
        lesson: "a refund was asked for and refused: nothing was sent",
        ..REFUNDED
    },
    Row {
        kind: Kind::Unsure,
        name: "unsure",
        lesson: "the channel was not sure of the refund: sent again under the same number, once",
        ..REFUNDED
    },
    Row {
        kind: Kind::Handed,
        name: "handed",
        share: 1,
        after: After::RefundByHand,
        lesson: "the payer's account took no refund: failed, paid by hand, confirmed with evidence",
        ..REFUNDED
    },
    // The channel told the lie to a mesh that was killed before it took it in; or the second
    // payment came when it was over.
    Row {
        kind: Kind::Surplus,
        name: "surplus",
        share: 1,
        payer: Payer::PaysTwice,
        end: End::PaidOnce,
        killed: &[End::Paid, End::Revoked(CancelType::System)],
        lesson: "the channel said that a payment had failed and took it all the same: of two, one \
                 went back",
        ..PAID
    },
    Row {
        kind: Kind::Recalled,
        name: "recalled",
        share: 1,
        after: After::Recalls,
        end: End::Refunded(CancelType::System),
        remedy: true,
        lesson: "the channel took the payment back: refunded, settled again (a remedy, an alarm)",
        ..PAID
    },
    Row {
        kind: Kind::Spurned,
        name: "spurned",
        origin: Origin::Takeout,
        after: After::Rejects,
        end: End::Refunded(CancelType::Store),
        lesson: "the shop did not accept the takeout: its money went back",
        ..PAID
    },
    Row {
        kind: Kind::External,
        name: "external",
        origin: Origin::Platform,
        payer: Payer::Absent,
        after: After::Platform,
        charged: false,
        end: End::Refunded(CancelType::Customer),
        killed: &[],
        lesson: "a platform's order: delivered, given back by the platform, confirmed; never settled",
        ..PAID
    },
];
