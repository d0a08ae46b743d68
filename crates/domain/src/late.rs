//! What to do with money that arrives for a revoked order.

use crate::coded::UnknownCode;
use crate::order::CanceledBy;

/// The fate of late money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LateMoney {
    /// The order becomes PAID after all.
    KeepPaid,
    /// The money goes back.
    Refund,
}

/// A merchant's rule for late money, copied onto each order when it is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LateMoneyPolicy {
    /// When a limit revoked the order.
    pub system: LateMoney,
    /// When the customer did.
    pub customer: LateMoney,
    /// When the store did.
    pub store: LateMoney,
}

impl Default for LateMoneyPolicy {
    fn default() -> Self {
        Self {
            system: LateMoney::KeepPaid,
            customer: LateMoney::Refund,
            store: LateMoney::Refund,
        }
    }
}

impl LateMoneyPolicy {
    /// What happens to money for an order that `by` revoked.
    pub const fn decide(self, by: CanceledBy) -> LateMoney {
        match by {
            CanceledBy::System => self.system,
            CanceledBy::Customer => self.customer,
            CanceledBy::Store => self.store,
        }
    }

    /// One bit each, set where money is refunded: 1 system, 2 customer, 4 store.
    pub const fn code(self) -> i16 {
        bit(self.system, 1) | bit(self.customer, 2) | bit(self.store, 4)
    }

    /// The policy stored as `code`.
    pub const fn from_code(code: i16) -> Result<Self, UnknownCode> {
        if code & !7 != 0 {
            return Err(UnknownCode {
                kind: "LateMoneyPolicy",
                code,
            });
        }
        Ok(Self {
            system: fate(code & 1),
            customer: fate(code & 2),
            store: fate(code & 4),
        })
    }
}

const fn bit(fate: LateMoney, bit: i16) -> i16 {
    match fate {
        LateMoney::KeepPaid => 0,
        LateMoney::Refund => bit,
    }
}

const fn fate(bit: i16) -> LateMoney {
    if bit == 0 {
        LateMoney::KeepPaid
    } else {
        LateMoney::Refund
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_only_the_limits_keep_late_money() {
        let policy = LateMoneyPolicy::default();
        assert_eq!(policy.decide(CanceledBy::System), LateMoney::KeepPaid);
        assert_eq!(policy.decide(CanceledBy::Customer), LateMoney::Refund);
        assert_eq!(policy.decide(CanceledBy::Store), LateMoney::Refund);
        assert_eq!(policy.code(), 6);
    }

    #[test]
    fn every_policy_reads_back_what_it_wrote() {
        for code in 0..8 {
            assert_eq!(LateMoneyPolicy::from_code(code).unwrap().code(), code);
        }
        assert!(LateMoneyPolicy::from_code(8).is_err());
        assert!(LateMoneyPolicy::from_code(-1).is_err());
    }
}
