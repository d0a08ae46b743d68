//! What an event does to a state machine: move it, find it done already, or leave it.

/// The outcome of one event; `O` is what the outcome owes besides the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<S, O> {
    /// A row of the table: the new state, and what it owes.
    Moved(S, O),
    /// A command that had been achieved before; answer with what is.
    Already,
    /// A fact without a row: one timeline line, the state stays; something may still be owed.
    Unchanged(O),
}

impl<S: Copy, O> Step<S, O> {
    /// The new state, if the event moved it.
    pub fn moved_to(&self) -> Option<S> {
        match self {
            Self::Moved(state, _) => Some(*state),
            Self::Already | Self::Unchanged(_) => None,
        }
    }

    /// What is owed, if anything was decided.
    pub fn owed(&self) -> Option<&O> {
        match self {
            Self::Moved(_, owed) | Self::Unchanged(owed) => Some(owed),
            Self::Already => None,
        }
    }
}

/// A command without a row in the transition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{machine} in state {from} does not take {event}")]
pub struct IllegalTransition {
    /// Which machine: order, payment, refund, fulfilment.
    pub machine: &'static str,
    /// The name of the state it is in.
    pub from: &'static str,
    /// The name of the command it refused.
    pub event: &'static str,
}
