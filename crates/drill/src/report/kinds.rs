//! The books by kind, as people read them.

use comfy_table::{CellAlignment, Table, presets};
use proto::sandbox::v1::MisbehaviourKind;

use crate::books::KindBooks;

const HEADER: [&str; 8] = [
    "kind",
    "orders",
    "paid",
    "refunded",
    "revoked",
    "elsewhere",
    "remedies",
    "what the channel did",
];

/// A table, and a line for each kind that says what it shows.
pub(super) fn table(kinds: &[KindBooks]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(HEADER);
    for books in kinds {
        let numbers = [
            books.orders,
            books.paid,
            books.refunded,
            books.revoked,
            books.elsewhere,
            books.remedied,
        ];
        let name = [books.kind.name().to_owned()].into_iter();
        let numbers = numbers.map(|number| number.to_string());
        table.add_row(name.chain(numbers).chain([done(books)]));
    }
    for column in table.column_iter_mut().skip(1).take(6) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let lessons = kinds.iter().map(lesson);
    format!("{table}\n{}", lessons.collect::<Vec<_>>().join("\n"))
}

fn done(books: &KindBooks) -> String {
    let misdeeds = books.misdeeds.iter();
    let each = misdeeds.map(|(kind, times)| match kind {
        MisbehaviourKind::Forged => {
            format!("{} {times}, {} acknowledged", name(*kind), books.believed)
        }
        kind => format!("{} {times}", name(*kind)),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn name(kind: MisbehaviourKind) -> String {
    let name = kind.as_str_name().trim_start_matches("MISBEHAVIOUR_KIND_");
    name.to_lowercase().replace('_', " ")
}

fn lesson(books: &KindBooks) -> String {
    format!("  {:<9} {}", books.kind.name(), books.kind.lesson())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::plan::kind::Kind;

    fn one(kind: Kind) -> KindBooks {
        KindBooks {
            kind,
            orders: 1,
            paid: 0,
            refunded: 0,
            revoked: 1,
            elsewhere: 0,
            remedied: 0,
            misdeeds: BTreeMap::new(),
            believed: 0,
        }
    }

    #[test]
    fn each_kind_is_counted_and_explained() {
        let lying = KindBooks {
            misdeeds: BTreeMap::from([(MisbehaviourKind::WrongAmount, 9)]),
            ..one(Kind::Lying)
        };
        let told = table(&[lying]);
        assert!(told.contains("wrong amount 9"), "{told}");
        assert!(
            told.contains("the callback lied about the amount"),
            "{told}"
        );
    }

    #[test]
    fn believed_forgeries_are_counted() {
        let forged = KindBooks {
            misdeeds: BTreeMap::from([(MisbehaviourKind::Forged, 3)]),
            believed: 2,
            ..one(Kind::Claimed)
        };
        assert_eq!(done(&forged), "forged 3, 2 acknowledged");
    }
}
