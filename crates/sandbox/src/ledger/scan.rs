//! A merchant charges the code a payer shows.

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Action, Pay, Prepare};
use crate::charge::NewCharge;

const ASK: &str = include_str!("../../queries/charges/ask_payer.sql");
const DECLINE: &str = include_str!("../../queries/charges/decline.sql");

/// What the payer does about it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Payer {
    /// Nothing: it is paid at once.
    Pays,
    /// Is asked for a password, and pays or refuses at a time; `None`: never.
    IsAsked { at: Option<Timestamp>, pays: bool },
    /// Cannot pay.
    IsDeclined,
}

/// Enters a charge and what became of it; answers whether its number was free.
pub(crate) struct Scan {
    pub(crate) charge: NewCharge,
    pub(crate) payer: Payer,
}

#[async_trait]
impl Action for Scan {
    type Answer = bool;

    async fn run(&self, ledger: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
        if !Prepare(self.charge.clone()).run(&mut *ledger).await? {
            return Ok(false);
        }
        let number = &self.charge.out_trade_no;
        match self.payer {
            Payer::Pays => _ = self.paid().run(ledger).await?,
            Payer::IsAsked { at, pays } => {
                let at = at.map(Timestamp::as_microsecond);
                let ask = sqlx::query(ASK).bind(at).bind(pays).bind(number);
                ask.execute(ledger).await?;
            }
            Payer::IsDeclined => {
                let decline = sqlx::query(DECLINE).bind(number);
                decline.execute(ledger).await?;
            }
        }
        Ok(true)
    }
}

impl Scan {
    fn paid(&self) -> Pay {
        let now = self.charge.created_at;
        Pay {
            out_trade_no: self.charge.out_trade_no.clone(),
            now,
            // Nobody is told: the request names no address.
            notice_due: now,
        }
    }
}
