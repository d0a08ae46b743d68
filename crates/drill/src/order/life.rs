//! An order's life by its kind: how it is paid, and what its people do then.

use std::time::Duration;

use proto::trade::v1::{CancelType, Order};
use tokio::time::sleep;

use super::prepare::{Prepared, prepare};
use super::{Stuck, Visit, bind, left_to_pay};
use crate::books::Told;
use crate::plan::end::End;
use crate::plan::kind::{After, Kind, Payer};
use crate::plan::script::{LATE, of_first_payment};
use crate::{fetch, seed};

// The channel knows the limit to the second, rounded down.
const LAST_MOMENT: Duration = Duration::from_millis(2_500);

impl Visit<'_> {
    /// What happens before others may pay: the payer has paid, or knows what to pay.
    pub(crate) async fn begin(&self) -> Result<Begun, Stuck> {
        if self.is_over().await? {
            return Ok(Begun::Over);
        }
        let kind = self.plan.kind;
        if let Some(script) = of_first_payment(kind, self.number()) {
            let told = seed::direct(self.peers, script).await;
            told.map_err(|error| self.out_of_time("telling the channel", &error.to_string()))?;
        }
        match kind.row().payer {
            Payer::Absent => Ok(Begun::Done),
            Payer::Bound => self.bound().await,
            Payer::Scanned | Payer::ScannedAgain => Ok(Begun::Scanning),
            Payer::Shown | Payer::Hesitates | Payer::Pays | Payer::PaysTwice => self.shown().await,
        }
    }

    /// The rest of it, to its end.
    pub(crate) async fn live(&self, begun: Begun, how: &How) -> Result<(), Stuck> {
        let row = self.plan.kind.row();
        if let Begun::Over = begun {
            return Ok(());
        }
        self.pay(&begun).await?;
        self.after(&begun).await?;
        self.end(how.killed, how.patience).await?;
        if row.kind == Kind::Late {
            // What comes now must change nothing.
            sleep(LATE).await;
        }
        Ok(())
    }

    // From an earlier run on the same data.
    async fn is_over(&self) -> Result<bool, Stuck> {
        let told = fetch::told(self.peers, self.number().to_owned()).await;
        let told = told.map_err(Stuck::at(self.number(), "looking"))?;
        let end = told
            .filter(Told::is_settled)
            .and_then(|told| End::of(&told));
        Ok(end == Some(self.plan.kind.row().end))
    }

    async fn bound(&self) -> Result<Begun, Stuck> {
        let bound = bind(self.peers, self.number(), self.plan).await;
        let bound = self.heed("binding", bound)?;
        Ok(bound.map_or(Begun::Late, |()| Begun::Done))
    }

    async fn shown(&self) -> Result<Begun, Stuck> {
        if let Begun::Late = self.bound().await? {
            return Ok(Begun::Late);
        }
        let prepared = self.prepared(1).await?;
        if let (Payer::Pays, Some(shown)) = (self.plan.kind.row().payer, &prepared) {
            self.charge(&shown.out_trade_no).await?;
        }
        Ok(prepared.map_or(Begun::Late, Begun::Shown))
    }

    async fn prepared(&self, first: u32) -> Result<Option<Shown>, Stuck> {
        let prepared = prepare(self.peers, (self.number(), first), self.plan).await;
        let prepared = prepared.map_err(Stuck::at(self.number(), "paying"))?;
        Ok(match prepared {
            Prepared::Ready {
                out_trade_no,
                attempt,
            } => Some(Shown {
                out_trade_no,
                attempt,
            }),
            Prepared::Paid | Prepared::Over => None,
        })
    }

    async fn pay(&self, begun: &Begun) -> Result<(), Stuck> {
        match (self.plan.kind.row().payer, begun) {
            (Payer::Hesitates, Begun::Shown(shown)) => {
                let left = left_to_pay(self.order).unwrap_or_default();
                sleep(left.saturating_sub(LAST_MOMENT)).await;
                self.charge(&shown.out_trade_no).await?;
            }
            (Payer::PaysTwice, Begun::Shown(shown)) => self.pay_twice(shown).await?,
            (Payer::Scanned, Begun::Scanning) => self.scan(false).await?,
            (Payer::ScannedAgain, Begun::Scanning) => self.scan(true).await?,
            _ => {}
        }
        Ok(())
    }

    // The first payment is said to have failed, and can be paid all the same.
    async fn pay_twice(&self, first: &Shown) -> Result<(), Stuck> {
        if !self.failed().await? {
            return Ok(());
        }
        let Some(second) = self.prepared(first.attempt + 1).await? else {
            return Ok(());
        };
        if self.charge(&second.out_trade_no).await? && self.paid().await?.is_some() {
            self.charge(&first.out_trade_no).await?;
        }
        Ok(())
    }

    async fn after(&self, begun: &Begun) -> Result<(), Stuck> {
        let row = self.plan.kind.row();
        match row.after {
            After::Cancels(by) => self.cancel(by).await.map(drop),
            After::CancelsAndPays(by) => self.cancel_and_pay(by, begun).await,
            // It waits for its limit.
            _ if matches!(row.end, End::Revoked(_)) => Ok(()),
            after => match self.paid().await? {
                Some(paid) => {
                    self.progress.paid();
                    self.once_paid(after, &paid).await
                }
                None => Ok(()),
            },
        }
    }

    async fn cancel_and_pay(&self, by: CancelType, begun: &Begun) -> Result<(), Stuck> {
        if let (true, Begun::Shown(shown)) = (self.cancel(by).await?, begun) {
            self.charge(&shown.out_trade_no).await?;
        }
        Ok(())
    }

    async fn once_paid(&self, after: After, paid: &Order) -> Result<(), Stuck> {
        match after {
            After::Refunds(parts) => self.refund(parts).await,
            After::RefundRejected => self.refuse_refund().await,
            After::RefundByHand => self.refund_by_hand().await,
            After::Platform => {
                self.deliver().await?;
                self.refund_elsewhere().await
            }
            After::Rejects => self.reject().await,
            After::Recalls => self.recall(paid).await,
            After::Nothing | After::Cancels(_) | After::CancelsAndPays(_) => Ok(()),
        }
    }
}

/// How far an order is when others may begin to pay.
#[derive(Debug)]
pub(crate) enum Begun {
    /// There is nothing to pay, or it is bound and that is all.
    Done,
    /// The payer knows what to pay, and may have done so.
    Shown(Shown),
    /// A code is about to be shown.
    Scanning,
    /// The payer came too late.
    Late,
    /// It was lived in an earlier run.
    Over,
}

/// What a payer may pay.
#[derive(Debug)]
pub(crate) struct Shown {
    out_trade_no: String,
    attempt: u32,
}

/// In what world an order lives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct How {
    /// Whether the mesh is killed meanwhile.
    pub(crate) killed: bool,
    /// Whether it has no workers.
    pub(crate) tasks_only: bool,
    /// How long an end that the kind does not have may stand.
    pub(crate) patience: Duration,
}
