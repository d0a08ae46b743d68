//! A callback: verify, insert, commit, answer. What it means is found out later, from the
//! inbox; a valid signature is always stored whole.

use domain::{Channel, ObligationKind};
use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use seam::Ids;
use store::{Guard, Write, row};

use crate::channel::swiftpass::{Sealed, Signer};
use crate::channel::{Callback, MessageError, Outcome};
use crate::error::GatewayError;
use crate::{Inner, queries};

/// Why a callback is not acknowledged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// It is not believed; repeating it will not help.
    #[error("{0}")]
    Message(#[from] MessageError),
    /// It may be genuine, but cannot be checked or stored now: the channel repeats it.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
}

static STORED: Guard = Guard {
    insert: &queries::INBOX_INSERT,
    winner: &queries::INBOX_WINNER,
    key: &[1],
};

/// How a stored callback says the payment stands.
pub(crate) const PAID: i16 = 1;
pub(crate) const NOT_PAID: i16 = 0;
pub(crate) const UNCLEAR: i16 = 2;

/// Makes a Swiftpass callback durable; only then may it be acknowledged.
pub(crate) async fn swiftpass(gateway: &Inner, raw: &[u8]) -> Result<(), Refused> {
    let sealed = Sealed::open(raw)?;
    let signers = gateway.accounts.signers_of(sealed.mch_id()).await?;
    let callback = verify(&sealed, &signers)?;
    store(gateway, raw, &callback).await?;
    Ok(())
}

// Two keys may be in use while one replaces the other.
fn verify(sealed: &Sealed, signers: &[Signer]) -> Result<Callback, MessageError> {
    let mut refused = MessageError::UnknownMerchant;
    for signer in signers {
        match sealed.verify(signer) {
            Ok(callback) => return Ok(callback),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn store(gateway: &Inner, raw: &[u8], callback: &Callback) -> Result<(), GatewayError> {
    let digest = digest(&SHA256, raw).as_ref().to_vec();
    // An id that is taken loses like a repeat does; only a repeat is there to be found.
    for _ in 0..3 {
        let now = gateway.db.clock().now();
        let id = arrival_id(now, gateway.db.ids().as_ref());
        let write = Write::new(
            "inbox/store",
            &STORED,
            row_of(id, &digest, (raw, callback), now),
        )
        .arm(ObligationKind::Inbox.code(), (id, 0), now);
        if gateway.db.wins_first(write).await? {
            return Ok(());
        }
        let known = gateway
            .db
            .fetch_optional(&queries::INBOX_BY_DIGEST, row![digest.clone()])
            .await?;
        if known.is_some() {
            return Ok(());
        }
    }
    Err(GatewayError::Store(store::StoreError::Unavailable(
        "no inbox id was free".to_owned(),
    )))
}

fn row_of(
    id: i64,
    digest: &[u8],
    (raw, callback): (&[u8], &Callback),
    now: Timestamp,
) -> Vec<store::Value> {
    let paid = match callback.outcome {
        Outcome::Paid => PAID,
        Outcome::NotPaid => NOT_PAID,
        Outcome::Unclear { .. } => UNCLEAR,
    };
    row![
        id,
        digest.to_vec(),
        Channel::Swiftpass.code(),
        callback.mch_id.clone(),
        cut(&callback.out_trade_no),
        cut(&callback.channel_trade_no),
        callback.amount,
        callback.currency.chars().take(8).collect::<String>(),
        paid,
        callback.paid_at,
        raw.to_vec(),
        now
    ]
}

// Longer than any number of ours: it will match nothing, and the body keeps it whole.
fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

// Rows arrive in key order: milliseconds, then 20 random bits.
fn arrival_id(now: Timestamp, ids: &dyn Ids) -> i64 {
    (now.as_millisecond() << 20) | (ids.positive() & 0xf_ffff)
}
