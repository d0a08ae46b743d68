//! What a shop earns: gross = net + fee, to the fen; negative rows for what goes back.

use crate::money::Fen;
use crate::rate::EffectiveRate;

/// One row of the ledger; negative only for refunds and reversals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// What the payer paid.
    pub gross: Fen,
    /// What we keep.
    pub fee: Fen,
    /// What the shop gets.
    pub net: Fen,
}

/// Why nothing could be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// A charge or refund of nothing or less.
    #[error("an amount of {0} fen is not above 0")]
    NotPositive(Fen),
    /// More would go back than was charged.
    #[error("refunds of {refunded} fen exceed the charge of {amount} fen")]
    TooMuch {
        /// All refunds, this one included.
        refunded: Fen,
        /// The charge.
        amount: Fen,
    },
    /// The rows so far do not fit the charge.
    #[error("the fee returned so far does not fit the charge")]
    Inconsistent,
}

impl EffectiveRate {
    /// The row of a charge. Fee: the rate's part half up to the fen, then min and cap, and
    /// never above the gross, because a shop must not owe money for a sale.
    pub fn settle(&self, gross: Fen) -> Result<Settlement, SettleError> {
        if !gross.is_positive() {
            return Err(SettleError::NotPositive(gross));
        }
        let raised = self.rate.of(gross).max(self.min);
        let fee = raised.min(self.cap.unwrap_or(raised)).min(gross);
        Settlement::of(gross, fee)
    }
}

impl Settlement {
    fn of(gross: Fen, fee: Fen) -> Result<Self, SettleError> {
        let net = gross.minus(fee).ok_or(SettleError::Inconsistent)?;
        Ok(Self { gross, fee, net })
    }
}

/// A charge that has been settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Its gross.
    pub amount: Fen,
    /// Its fee.
    pub fee: Fen,
}

/// What has gone back of a charge; all amounts are positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Returned {
    /// The refunds and reversals settled so far.
    pub refunded: Fen,
    /// The fee shares in them.
    pub fee: Fen,
}

impl Charge {
    /// The negative row of a refund after what has gone back before. Fee share returned:
    /// round(fee × refunded so far, this one included / amount) − shares already returned.
    pub fn give_back(self, before: Returned, refund: Fen) -> Result<Settlement, SettleError> {
        if !refund.is_positive() {
            return Err(SettleError::NotPositive(refund));
        }
        let amount = self.amount;
        let refunded = before
            .refunded
            .plus(refund)
            .ok_or(SettleError::Inconsistent)?;
        if refunded > amount {
            return Err(SettleError::TooMuch { refunded, amount });
        }
        let share = self
            .share_of(refunded, before.fee)
            .ok_or(SettleError::Inconsistent)?;
        let (gross, fee) = refund
            .negated()
            .zip(share.negated())
            .ok_or(SettleError::Inconsistent)?;
        Settlement::of(gross, fee)
    }

    /// The negative row of a reversal: all that is left of the charge; nothing when nothing is.
    pub fn give_back_rest(self, before: Returned) -> Result<Option<Settlement>, SettleError> {
        let rest = self
            .amount
            .minus(before.refunded)
            .ok_or(SettleError::Inconsistent)?;
        if rest == Fen::ZERO {
            Ok(None)
        } else {
            self.give_back(before, rest).map(Some)
        }
    }

    fn share_of(self, refunded: Fen, returned: Fen) -> Option<Fen> {
        let due = self.fee.share(refunded, self.amount)?;
        due.minus(returned).filter(|share| *share >= Fen::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Ppm;

    fn rate(ppm: u32, min: i64, cap: Option<i64>) -> EffectiveRate {
        let rate = Ppm::new(ppm).unwrap();
        EffectiveRate {
            scheme_version: 1,
            rate,
            min: Fen::new(min),
            cap: cap.map(Fen::new),
        }
    }

    fn fee(rate: EffectiveRate, gross: i64) -> i64 {
        rate.settle(Fen::new(gross)).unwrap().fee.get()
    }

    #[test]
    fn a_fee_is_rounded_half_up_then_raised_then_capped() {
        assert_eq!(fee(rate(6_000, 0, None), 83), 0);
        assert_eq!(fee(rate(6_000, 0, None), 84), 1);
        assert_eq!(fee(rate(6_000, 0, None), 250), 2);
        assert_eq!(fee(rate(6_000, 5, None), 84), 5);
        assert_eq!(fee(rate(6_000, 5, Some(60)), 1_000_000), 60);
        assert_eq!(fee(rate(0, 0, None), 1_000_000), 0);
    }

    #[test]
    fn a_fee_never_exceeds_the_sale() {
        assert_eq!(fee(rate(6_000, 10, None), 3), 3);
        assert_eq!(fee(rate(1_000_000, 0, None), 3), 3);
    }

    #[test]
    fn nothing_is_settled_for_nothing() {
        for gross in [0, -1] {
            let gross = Fen::new(gross);
            assert_eq!(
                rate(1, 0, None).settle(gross),
                Err(SettleError::NotPositive(gross))
            );
            let charge = Charge {
                amount: Fen::new(10),
                fee: Fen::ZERO,
            };
            let refund = charge.give_back(Returned::default(), gross);
            assert_eq!(refund, Err(SettleError::NotPositive(gross)));
        }
    }

    #[test]
    fn no_more_goes_back_than_came() {
        let charge = Charge {
            amount: Fen::new(100),
            fee: Fen::new(1),
        };
        let before = Returned {
            refunded: Fen::new(60),
            fee: Fen::new(1),
        };
        let (refunded, amount) = (Fen::new(101), Fen::new(100));
        let error = charge.give_back(before, Fen::new(41));
        assert_eq!(error, Err(SettleError::TooMuch { refunded, amount }));
        let odd = Returned {
            refunded: Fen::ZERO,
            fee: Fen::new(1),
        };
        assert_eq!(
            charge.give_back(odd, Fen::new(1)),
            Err(SettleError::Inconsistent)
        );
    }

    #[test]
    fn a_reversal_gives_back_what_is_left() {
        let charge = Charge {
            amount: Fen::new(100),
            fee: Fen::new(3),
        };
        let before = Returned {
            refunded: Fen::new(40),
            fee: Fen::new(1),
        };
        let rest = charge.give_back_rest(before).unwrap().unwrap();
        let expected = Settlement {
            gross: Fen::new(-60),
            fee: Fen::new(-2),
            net: Fen::new(-58),
        };
        assert_eq!(rest, expected);
        let all = Returned {
            refunded: Fen::new(100),
            fee: Fen::new(3),
        };
        assert_eq!(charge.give_back_rest(all), Ok(None));
    }

    proptest! {
        #[test]
        fn gross_is_net_and_fee(
            gross in 1..i64::MAX, ppm in 0..=1_000_000_u32, min in 0..1_000_i64, above in 0..1_000_i64,
        ) {
            let row = rate(ppm, min, Some(min + above)).settle(Fen::new(gross)).unwrap();
            prop_assert_eq!(row.net.plus(row.fee), Some(row.gross));
            prop_assert!(row.fee >= Fen::ZERO && row.net >= Fen::ZERO);
        }

        #[test]
        fn shares_of_the_fee_add_up_when_all_went_back(
            parts in prop::collection::vec(1..1_000_000_i64, 1..12), ppm in 0..=1_000_000_u32,
        ) {
            let amount = Fen::new(parts.iter().sum());
            let charge = Charge { amount, fee: Ppm::new(ppm).unwrap().of(amount) };
            let mut before = Returned::default();
            for part in parts {
                let row = charge.give_back(before, Fen::new(part)).unwrap();
                prop_assert_eq!(row.net.plus(row.fee), Some(row.gross));
                prop_assert!(row.fee <= Fen::ZERO && row.net <= Fen::ZERO);
                before.refunded = before.refunded.minus(row.gross).unwrap();
                before.fee = before.fee.minus(row.fee).unwrap();
            }
            prop_assert_eq!(before, Returned { refunded: amount, fee: charge.fee });
        }
    }
}
