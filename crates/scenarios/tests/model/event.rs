//! What may happen to an order, and all the orders in which it may.

use std::collections::BTreeSet;

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// The payer begins to pay.
    Pay,
    /// The limits pass.
    Timeout,
    /// The channel takes the money, if it still does.
    LateSuccess,
    /// What is to be revoked is revoked, what is to be closed is closed.
    Close,
    /// The customer cancels.
    Cancel,
    /// The channel tells of the money, if it has it.
    Callback,
    /// The channel is asked.
    Poll,
}

impl Event {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Pay,
        Self::Timeout,
        Self::LateSuccess,
        Self::Close,
        Self::Cancel,
        Self::Callback,
        Self::Poll,
    ];

    // There is nothing to be charged, told of or asked about before somebody begins to pay.
    fn needs_a_payment(self) -> bool {
        matches!(
            self,
            Self::LateSuccess | Self::Close | Self::Callback | Self::Poll
        )
    }
}

/// Every interleaving, without what cannot matter, each once.
pub(crate) fn interleavings(events: &[Event]) -> Vec<Vec<Event>> {
    let mut all = BTreeSet::new();
    permute(&mut events.to_vec(), 0, &mut all);
    all.into_iter().collect()
}

fn permute(events: &mut Vec<Event>, fixed: usize, all: &mut BTreeSet<Vec<Event>>) {
    if fixed == events.len() {
        all.insert(effective(events));
        return;
    }
    for at in fixed..events.len() {
        events.swap(fixed, at);
        permute(events, fixed + 1, all);
        events.swap(fixed, at);
    }
}

fn effective(events: &[Event]) -> Vec<Event> {
    let paid_for = events.iter().position(|event| *event == Event::Pay);
    let matters = |(at, event): &(usize, &Event)| {
        !event.needs_a_payment() || paid_for.is_some_and(|paying| *at > paying)
    };
    let kept = events.iter().enumerate().filter(matters);
    kept.map(|(_, event)| *event).collect()
}
