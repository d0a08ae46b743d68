//! The books by kind, as people read them.

use comfy_table::{CellAlignment, Table, presets};
use proto::sandbox::v1::MisbehaviourKind;

use crate::books::KindBooks;

const HEADER: [&str; 7] = [
    "kind",
    "orders",
    "paid",
    "settled",
    "left unpaid",
    "found by asking",
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
            books.settled,
            books.open,
            books.remedied,
        ];
        let name = [books.kind.name().to_owned()].into_iter();
        let numbers = numbers.map(|number| number.to_string());
        table.add_row(name.chain(numbers).chain([done(books)]));
    }
    for column in table.column_iter_mut().skip(1).take(5) {
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

    #[test]
    fn each_kind_is_counted_and_explained() {
        let lying = KindBooks {
            kind: Kind::Lying,
            orders: 8,
            paid: 7,
            settled: 6,
            open: 0,
            remedied: 5,
            misdeeds: BTreeMap::from([(MisbehaviourKind::WrongAmount, 9)]),
            believed: 0,
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
            kind: Kind::Claimed,
            orders: 1,
            paid: 0,
            settled: 0,
            open: 1,
            remedied: 0,
            misdeeds: BTreeMap::from([(MisbehaviourKind::Forged, 3)]),
            believed: 2,
        };
        assert_eq!(done(&forged), "forged 3, 2 acknowledged");
    }
}
