//! Scripts between the `.proto` and the channel.

use std::time::Duration;

use proto::sandbox::v1 as pb;
use proto::sandbox::v1::script::Misbehaviour;
use tonic::Status;

use super::codes;
use super::fault::invalid;
use crate::RefundState;
use crate::mischief::{Act, Orders, Script};

/// What a caller tells, defaults filled in; whether it can work is not checked here.
pub(super) fn read(script: pb::Script) -> Result<Script, Status> {
    let misbehaviour = script
        .misbehaviour
        .ok_or_else(|| invalid("script.misbehaviour", "say what is to happen"))?;
    let mut read = Script::new(script.name, act(misbehaviour)?);
    read.orders = script.orders.map(orders).unwrap_or_default();
    read.times = number(script.times, "times")?;
    read.step = codes::word(&codes::STEPS, script.step, "script.step")?;
    if script.permille != 0 {
        read.permille = number(script.permille, "permille")?;
    }
    Ok(read)
}

/// What callers are told.
pub(super) fn message(script: &Script, configured: bool) -> pb::Script {
    pb::Script {
        name: script.name.clone(),
        orders: Some(pb::OrderFilter {
            out_trade_no_prefix: script.orders.out_trade_no_prefix.clone(),
            mch_id: script.orders.mch_id.clone(),
            amount_fen: script.orders.amount_fen,
            body_contains: script.orders.body_contains.clone(),
        }),
        permille: i32::try_from(script.permille).unwrap_or(i32::MAX),
        times: i32::try_from(script.times).unwrap_or(i32::MAX),
        step: codes::code(&codes::STEPS, script.step.as_ref()),
        configured,
        misbehaviour: Some(misbehaviour(&script.act)),
    }
}

fn orders(filter: pb::OrderFilter) -> Orders {
    Orders {
        out_trade_no_prefix: filter.out_trade_no_prefix,
        mch_id: filter.mch_id,
        amount_fen: filter.amount_fen,
        body_contains: filter.body_contains,
    }
}

fn act(told: Misbehaviour) -> Result<Act, Status> {
    Ok(match told {
        Misbehaviour::Slow(slow) => Act::Slow {
            delay: length(slow.delay, "delay", None)?,
        },
        Misbehaviour::TimeoutBefore(timeout) => Act::TimeoutBefore {
            hold: length(timeout.hold, "hold", Some(Act::HOLD))?,
        },
        Misbehaviour::TimeoutAfter(timeout) => Act::TimeoutAfter {
            hold: length(timeout.hold, "hold", Some(Act::HOLD))?,
        },
        Misbehaviour::Lost(pb::LostNotice {}) => Act::Lost {},
        Misbehaviour::Late(late) => Act::Late {
            delay: length(late.delay, "delay", None)?,
        },
        Misbehaviour::Repeated(repeated) => Act::Repeated {
            copies: number(repeated.copies, "copies")?,
            pause: length(repeated.pause, "pause", Some(Duration::ZERO))?,
        },
        Misbehaviour::Reordered(reordered) => Act::Reordered {
            longest: length(reordered.longest, "longest", Some(Act::LONGEST))?,
        },
        Misbehaviour::BeforeReply(pb::NoticeBeforeReply {}) => Act::BeforeReply {},
        Misbehaviour::Forged(forged) => Act::Forged {
            forgeries: codes::words(
                &codes::FORGERIES,
                &forged.forgeries,
                "script.forgeries",
                &Act::FORGERIES,
            )?,
        },
        Misbehaviour::WrongAmount(pb::WrongAmount { difference_fen }) => {
            Act::WrongAmount { difference_fen }
        }
        Misbehaviour::Garbage(reply) => Act::Garbage {
            garbage: codes::word(&codes::GARBAGE, reply.garbage, "script.garbage")?,
        },
        Misbehaviour::Contradicting(contradiction) => Act::Contradicting {
            answers: codes::words(
                &codes::ANSWERS,
                &contradiction.answers,
                "script.answers",
                &Act::ANSWERS,
            )?,
            unpaid_too: contradiction.unpaid_too,
        },
        other => return payers(other),
    })
}

/// What happens on the payer's side.
fn payers(told: Misbehaviour) -> Result<Act, Status> {
    const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
    Ok(match told {
        Misbehaviour::Password(wait) => Act::Password {
            delay: length(wait.delay, "delay", AT_ONCE)?,
            outcome: codes::word(&codes::OUTCOMES, wait.outcome, "script.outcome")?
                .unwrap_or_default(),
        },
        Misbehaviour::Decline(pb::Decline { code }) if code.is_empty() => Act::Decline {
            code: Act::CODE.to_owned(),
        },
        Misbehaviour::Decline(pb::Decline { code }) => Act::Decline { code },
        Misbehaviour::RefundEnding(ending) => Act::RefundEnding {
            state: codes::word(&codes::REFUNDS, ending.state, "script.state")?
                .unwrap_or(RefundState::Success),
            delay: length(ending.delay, "delay", AT_ONCE)?,
        },
        Misbehaviour::PaidMeanwhile(paid) => Act::PaidMeanwhile {
            delay: length(paid.delay, "delay", AT_ONCE)?,
        },
        _ => return Err(invalid("script.misbehaviour", "there is no such kind")),
    })
}

fn misbehaviour(act: &Act) -> Misbehaviour {
    match act {
        Act::Slow { delay } => Misbehaviour::Slow(pb::Slow {
            delay: told(*delay),
        }),
        Act::TimeoutBefore { hold } => {
            Misbehaviour::TimeoutBefore(pb::Timeout { hold: told(*hold) })
        }
        Act::TimeoutAfter { hold } => Misbehaviour::TimeoutAfter(pb::Timeout { hold: told(*hold) }),
        Act::Lost {} => Misbehaviour::Lost(pb::LostNotice {}),
        Act::Late { delay } => Misbehaviour::Late(pb::LateNotice {
            delay: told(*delay),
        }),
        Act::Repeated { copies, pause } => Misbehaviour::Repeated(pb::RepeatedNotice {
            copies: i32::try_from(*copies).unwrap_or(i32::MAX),
            pause: told(*pause),
        }),
        Act::Reordered { longest } => Misbehaviour::Reordered(pb::ReorderedNotice {
            longest: told(*longest),
        }),
        Act::BeforeReply {} => Misbehaviour::BeforeReply(pb::NoticeBeforeReply {}),
        Act::Forged { forgeries } => Misbehaviour::Forged(pb::ForgedNotice {
            forgeries: codes_of(&codes::FORGERIES, forgeries),
        }),
        Act::WrongAmount { difference_fen } => Misbehaviour::WrongAmount(pb::WrongAmount {
            difference_fen: *difference_fen,
        }),
        Act::Garbage { garbage } => Misbehaviour::Garbage(pb::GarbageReply {
            garbage: codes::code(&codes::GARBAGE, garbage.as_ref()),
        }),
        Act::Contradicting {
            answers,
            unpaid_too,
        } => Misbehaviour::Contradicting(pb::Contradiction {
            answers: codes_of(&codes::ANSWERS, answers),
            unpaid_too: *unpaid_too,
        }),
        Act::Password { delay, outcome } => Misbehaviour::Password(pb::PasswordWait {
            delay: told(*delay),
            outcome: codes::code(&codes::OUTCOMES, Some(outcome)),
        }),
        Act::Decline { code } => Misbehaviour::Decline(pb::Decline { code: code.clone() }),
        Act::RefundEnding { state, delay } => Misbehaviour::RefundEnding(pb::RefundEnding {
            state: codes::code(&codes::REFUNDS, Some(state)),
            delay: told(*delay),
        }),
        Act::PaidMeanwhile { delay } => Misbehaviour::PaidMeanwhile(pb::PaidMeanwhile {
            delay: told(*delay),
        }),
    }
}

fn number(told: i32, field: &str) -> Result<u32, Status> {
    u32::try_from(told).map_err(|_| invalid(&format!("script.{field}"), "not below 0"))
}

fn length(
    told: Option<prost_types::Duration>,
    field: &str,
    default: Option<Duration>,
) -> Result<Duration, Status> {
    let field = format!("script.{field}");
    match told {
        Some(told) => told.try_into().map_err(|_| invalid(&field, "not below 0")),
        None => default.ok_or_else(|| invalid(&field, "say how long")),
    }
}

fn codes_of<T: PartialEq>(codes: &[(T, i32)], words: &[T]) -> Vec<i32> {
    let each = words.iter().map(|word| codes::code(codes, Some(word)));
    each.collect()
}

fn told(length: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(length).ok()
}
