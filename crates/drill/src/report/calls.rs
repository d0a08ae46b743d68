//! What the clients saw of the mesh, as people read it.

use comfy_table::{CellAlignment, Table, presets};

use crate::calls::Phase;

const HEADER: [&str; 4] = ["meanwhile", "calls", "failed", "how"];

/// A table of the phases, and the sum in a line.
pub(super) fn table(phases: &[Phase]) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(HEADER);
    for phase in phases {
        let (made, failed) = (phase.made.to_string(), phase.failures().to_string());
        table.add_row([phase.name.clone(), made, failed, how(phase)]);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let made: u64 = phases.iter().map(|phase| phase.made).sum();
    let failed: u64 = phases.iter().map(Phase::failures).sum();
    format!(
        "{table}\ncalls that failed at the client: {failed} of {made}, each asked again under the \
         same ids"
    )
}

fn how(phase: &Phase) -> String {
    let each = phase.failed.iter();
    let each = each.map(|(what, times)| format!("{what} {times}"));
    each.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_failed_call_is_told() {
        let failed = [("PayOrder CONNECTION_LOST", 2), ("GetOrder Unknown", 1)];
        let failed = failed.map(|(what, times)| (what.to_owned(), times));
        let phase = Phase {
            name: "trade killed".to_owned(),
            made: 70,
            failed: BTreeMap::from(failed),
        };
        let told = table(&[Phase::default(), phase]);
        assert!(told.contains("PayOrder CONNECTION_LOST 2"), "{told}");
        let sum = "calls that failed at the client: 3 of 70";
        assert!(told.contains(sum), "{told}");
    }
}
