//! The books, as people read them.

mod kinds;

use comfy_table::{CellAlignment, Table, presets};

use crate::books::{Books, Finding};

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
        "the books balance: every charge is one order, paid and settled once".to_owned()
    } else {
        findings(&books.findings)
    };
    format!("{}\n{table}\n{verdict}", kinds::table(&books.kinds))
}

fn rows(books: &Books) -> [(&'static str, String, String); 9] {
    let none = String::new;
    [
        ("orders created", books.created.to_string(), none()),
        ("orders paid", books.paid.to_string(), none()),
        ("orders settled", books.settled.to_string(), none()),
        ("orders left unpaid", books.open.to_string(), none()),
        (
            "charges in the ledger",
            books.charges.to_string(),
            books.charged_fen.to_string(),
        ),
        ("settled gross", none(), books.gross_fen.to_string()),
        ("  fees", none(), books.fee_fen.to_string()),
        ("  net", none(), books.net_fen.to_string()),
        (
            "lost",
            books.lost().to_string(),
            (books.charged_fen - books.gross_fen).to_string(),
        ),
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
