//! The tasks there are: whose each is, what it does, which obligations it works off.

use std::sync::Arc;

use domain::ObligationKind as K;
use work::{Drain, Task};

use crate::cli::Service;

/// A task of a service.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name, as on the command line.
    pub name: &'static str,
    /// Whose `serve` runs it.
    pub owner: Service,
    /// What it does, in one line.
    pub description: &'static str,
    // Which obligations; none named: all, and the feeds.
    kinds: &'static [K],
}

/// All of them.
pub const ALL: [Entry; 7] = [
    Entry {
        name: "drain-trade",
        owner: Service::Trade,
        description: "takes in pay-gateway's feed and does everything trade owes now",
        kinds: &[],
    },
    Entry {
        name: "drain-gateway",
        owner: Service::PayGateway,
        description: "takes in callbacks, does everything pay-gateway owes now, orders its feed",
        kinds: &[],
    },
    Entry {
        name: "expire-unbound",
        owner: Service::Trade,
        description: "revokes orders nobody was bound to in time",
        kinds: &[K::BindLimit],
    },
    Entry {
        name: "close-unpaid",
        owner: Service::Trade,
        description: "revokes orders that were not paid in time",
        kinds: &[K::PayLimit],
    },
    Entry {
        name: "revoke",
        owner: Service::Trade,
        description: "asks for the payments of revoked orders to be closed",
        kinds: &[K::Revoke],
    },
    Entry {
        name: "remedy",
        owner: Service::PayGateway,
        description: "asks the channels about every payment that is pending, unknown or expired",
        kinds: &[K::Poll, K::Close, K::Confirm, K::Match],
    },
    Entry {
        name: "query-refunds",
        owner: Service::PayGateway,
        description: "asks the channels about refunds under way",
        kinds: &[K::RefundQuery],
    },
];

/// The task of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

/// All names, for people.
pub fn names() -> String {
    ALL.map(|entry| entry.name).join(", ")
}

/// The tasks of a service; `drain` makes each from the obligations it names.
pub(crate) fn of(owner: Service, drain: impl Fn(&[K]) -> Drain) -> Vec<Task> {
    let own = ALL.iter().filter(|entry| entry.owner == owner);
    let task = |entry: &Entry| Task {
        name: entry.name,
        description: entry.description,
        run: Arc::new(drain(entry.kinds)),
    };
    own.map(task).collect()
}

/// The kinds, as stored.
pub(crate) fn codes(kinds: &[K]) -> Vec<i16> {
    kinds.iter().map(|kind| kind.code()).collect()
}

#[cfg(test)]
mod tests {
    use domain::obligation::Owner;

    use super::*;

    #[test]
    fn a_task_works_off_what_its_owner_owes() {
        for entry in ALL {
            let owner = match entry.owner {
                Service::Trade => Owner::Trade,
                Service::PayGateway => Owner::PayGateway,
                other => panic!("{other:?} owes nothing"),
            };
            assert!(
                entry.kinds.iter().all(|kind| kind.owner() == owner),
                "{}",
                entry.name
            );
        }
    }

    #[test]
    fn a_name_finds_its_task() {
        for entry in ALL {
            assert_eq!(find(entry.name).map(|found| found.owner), Some(entry.owner));
        }
        assert!(find("drain").is_none());
        assert!(names().starts_with("drain-trade, drain-gateway, "));
    }
}
