//! The books, as people read them.

mod calls;
mod kinds;

use comfy_table::{CellAlignment, Table, presets};

use crate::books::{Books, Finding};
use crate::calls::Phase;

const SHOWN: usize = 50;

/// The books as tables, as a whole and by kind, and what is wrong as another.
pub(crate) fn books(books: &Books) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(["books", "number", "fen"]);
    for (name, number, fen) in rows(books) {
        table.add_row([name.to_owned(), number, fen]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let verdict = if books.balance() {
        "the books balance: what the channel keeps is what was settled, and every order ended as \
         it must"
            .to_owned()
    } else {
        findings(&books.findings)
    };
    format!("{}\n{table}\n{verdict}", kinds::table(&books.kinds))
}

/// What the clients saw, phase by phase.
pub(crate) fn calls(phases: &[Phase]) -> String {
    calls::table(phases)
}

fn rows(books: &Books) -> Vec<(&'static str, String, String)> {
    let orders = |name, number: usize| (name, number.to_string(), String::new());
    let money = |name, fen: i64| (name, String::new(), fen.to_string());
    let both = |name, number: usize, fen: i64| (name, number.to_string(), fen.to_string());
    let ledger = &books.ledger;
    vec![
        orders("orders created", books.created),
        orders("  paid", books.paid),
        orders("  refunded", books.refunded),
        orders("  revoked", books.revoked),
        both("the channel took", ledger.charges, ledger.charged_fen),
        both("  refunded", ledger.refunds, -ledger.refunded_fen),
        both("  reversed", ledger.reversals, -ledger.reversed_fen),
        money("  keeps", ledger.kept_fen),
        money("refunded by hand", -books.by_hand_fen),
        money("settled for charges", books.gained_fen),
        money("  for refunds, reversals", books.returned_fen),
        money("  gross", books.gross_fen()),
        money("  fees", books.fee_fen),
        money("  net", books.net_fen),
        both("lost", books.lost(), books.due_fen() - books.gross_fen()),
    ]
}

fn findings(findings: &[Finding]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(["number", "lost", "what is wrong"]);
    for Finding { number, wrong } in findings.iter().take(SHOWN) {
        table.add_row([number.clone(), wrong.lost().to_owned(), wrong.to_string()]);
    }
    let more = findings.len().saturating_sub(SHOWN);
    let more = if more == 0 {
        String::new()
    } else {
        format!("\nand {more} more")
    };
    format!("{table}{more}")
}

#[cfg(test)]
mod tests {
    use crate::books::Wrong;

    use super::*;

    #[test]
    fn what_is_lost_is_named() {
        let lost = Finding {
            number: "W7".to_owned(),
            wrong: Wrong::ChargeWithoutOrder(1_017),
        };
        let told = books(&Books {
            findings: vec![lost],
            ..Books::default()
        });
        assert!(told.contains("W7"), "{told}");
        assert!(
            told.contains("1017 fen paid, but no order says so"),
            "{told}"
        );
        assert!(books(&Books::default()).contains("the books balance"));
    }
}
