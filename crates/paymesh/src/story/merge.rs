//! Many sources made one. Clocks of two processes may differ, so no line passes an earlier one
//! of its own source, whatever its time.

use std::iter::Peekable;
use std::vec::IntoIter;

use super::Line;

/// All lines: each source in the order of its versions, the earliest of the sources' next lines
/// first, in the same instant that of the source named first.
pub(super) fn merged(sources: Vec<Vec<Line>>) -> Vec<Line> {
    let mut sources: Vec<_> = sources.into_iter().map(in_order).collect();
    let mut lines = Vec::new();
    while let Some(line) = earliest(&mut sources) {
        lines.push(line);
    }
    lines
}

// Stable: what has no version stays in the order told.
fn in_order(mut source: Vec<Line>) -> Peekable<IntoIter<Line>> {
    source.sort_by_key(|line| line.version);
    source.into_iter().peekable()
}

fn earliest(sources: &mut [Peekable<IntoIter<Line>>]) -> Option<Line> {
    let heads = sources.iter_mut().filter_map(|source| {
        let time = source.peek()?.time;
        Some((time, source))
    });
    let (_, source) = heads.min_by_key(|(time, _)| *time)?;
    source.next()
}
