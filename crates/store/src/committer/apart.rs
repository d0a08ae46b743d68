//! Writes that must not share a batch: a batch arms before it ends and knows no order
//! among its writes, so two that touch one obligation would meet there in no order at all.

use std::collections::HashMap;

use super::Pending;
use crate::{Guard, Value, Write};

type Owner<'a> = (*const Guard, Vec<&'a Value>);

/// Cuts off what must wait for the next batch. Writes with the same guard key may stay
/// together, because at most one of them wins.
pub(crate) fn apart(mut writes: Vec<Pending>) -> (Vec<Pending>, Vec<Pending>) {
    let waits = waiting(&writes);
    if !waits.contains(&true) {
        return (writes, Vec::new());
    }
    let mut waits = waits.into_iter();
    let later = writes
        .extract_if(.., |_| waits.next() == Some(true))
        .collect();
    (writes, later)
}

fn waiting(writes: &[Pending]) -> Vec<bool> {
    let mut owners: HashMap<&[Value], Owner> = HashMap::new();
    let mut waits = Vec::with_capacity(writes.len());
    for Pending { write, .. } in writes {
        let owned = |key: &[Value]| {
            owners
                .get(key)
                .is_none_or(|owner| *owner == owner_of(write))
        };
        let free = write.obligations().all(owned);
        if free {
            owners.extend(write.obligations().map(|key| (key, owner_of(write))));
        }
        waits.push(!free);
    }
    waits
}

fn owner_of(write: &Write) -> Owner<'_> {
    (std::ptr::from_ref(write.guard), write.key().collect())
}
