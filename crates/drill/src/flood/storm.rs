//! The storm: orders for random shops that do not exist, at their times, whatever becomes of the
//! ones before. It has a process and a connection of its own, as strangers have, and a client
//! that does as little as a client can: what it costs is taken from the mesh beside it.

use std::net::SocketAddr;
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, io, thread};

use bytes::Bytes;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use h2::client::{SendRequest, handshake};
use http::{HeaderValue, Request, Uri};
use prost::Message;
use proto::trade::v1::CreateOrderRequest;
use seam::{Ids, SystemIds};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};
use tonic::{Code, Status};

use crate::error::DrillError;

/// A storm to be.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Where the mesh listens.
    pub grpc: SocketAddr,
    /// Requests a second.
    pub per_second: u32,
    /// For how long.
    pub lasts: Duration,
}

/// What became of a storm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stormed {
    /// Requests that were refused because there is no such shop, or none can be looked up now.
    pub answered: u64,
    /// Requests that were not sent in time: the generator was behind.
    pub late: u64,
}

const TICK: Duration = Duration::from_micros(60);
const LATE: Duration = Duration::from_millis(20);
const ANSWER: Duration = Duration::from_secs(5);
const CREATE_ORDER: &str = "/paymesh.trade.v1.TradeService/CreateOrder";

/// Storms, and waits for the last answers. It sleeps on its thread: give it a runtime of one
/// thread, of its own.
pub async fn storm(storm: Storm) -> Result<Stormed, DrillError> {
    let failed = || DrillError::io("the storm has no connection");
    let stream = TcpStream::connect(storm.grpc).await.map_err(failed())?;
    stream.set_nodelay(true).map_err(failed())?;
    let shaken = handshake(stream).await;
    let (trade, connection) = shaken.map_err(io::Error::other).map_err(failed())?;
    tokio::spawn(connection);

    let to = format!("http://{}{CREATE_ORDER}", storm.grpc).parse::<Uri>();
    let to = to.map_err(io::Error::other).map_err(failed())?;
    let mut calls = FuturesUnordered::new();
    let (mut sent, mut stormed) = (0, Stormed::default());
    let begun = Instant::now();
    // Open loop: sent at its time, whether or not the one before is answered.
    while begun.elapsed() < storm.lasts {
        let new = storm.owed(begun.elapsed()).saturating_sub(sent);
        if new > storm.owed(LATE) {
            stormed.late += new;
        }
        sent += new;
        calls.extend((0..new).map(|_| refused(trade.clone(), to.clone())));
        while let Some(Some(refused)) = calls.next().now_or_never() {
            stormed.answered += u64::from(refused);
        }
        // The connection writes what was sent and reads what was answered.
        yield_now().await;
        // A timer of the runtime knows milliseconds, and ten requests at once are another storm
        // than one after the other; nothing else is to run on this thread.
        thread::sleep(TICK);
    }
    let end = Instant::now() + ANSWER;
    while let Ok(Some(refused)) = timeout_at(end, calls.next()).await {
        stormed.answered += u64::from(refused);
    }
    Ok(stormed)
}

impl Storm {
    // How many requests are to have been sent by then.
    fn owed(&self, since: Duration) -> u64 {
        let owed = since.as_micros() * u128::from(self.per_second) / 1_000_000;
        u64::try_from(owed).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Stormed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.answered, self.late)
    }
}

impl FromStr for Stormed {
    type Err = ParseIntError;

    fn from_str(line: &str) -> Result<Self, ParseIntError> {
        let (answered, late) = line.trim().split_once(' ').unwrap_or_default();
        Ok(Self {
            answered: answered.parse()?,
            late: late.parse()?,
        })
    }
}

// Whether an order for a random shop was refused for its shop.
async fn refused(mut trade: SendRequest<Bytes>, to: Uri) -> bool {
    let mut request = Request::post(to).body(()).unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    headers.insert("grpc-timeout", HeaderValue::from_static("5S"));
    let Ok((answer, mut body)) = trade.send_request(request, false) else {
        return false;
    };
    if body.send_data(order(SystemIds.positive()), true).is_err() {
        return false;
    }
    let status = answer.await.ok();
    let status = status.and_then(|answer| Status::from_header_map(answer.headers()));
    let refusals = [Code::NotFound, Code::ResourceExhausted];
    status.is_some_and(|status| refusals.contains(&status.code()))
}

fn order(shop_id: i64) -> Bytes {
    let order = CreateOrderRequest {
        shop_id,
        merchant_order_no: "storm".to_owned(),
        amount_fen: 1,
        description: "storm".to_owned(),
        client_ip: "203.0.113.9".to_owned(),
        ..CreateOrderRequest::default()
    };
    let order = order.encode_to_vec();
    // gRPC's framing: not compressed, four bytes of length, the message.
    let length = u32::try_from(order.len()).unwrap_or_default().to_be_bytes();
    [&[0], &length[..], &order].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_spread_evenly_and_nothing_is_lost_to_rounding() {
        let storm = |per_second| Storm {
            grpc: SocketAddr::from(([127, 0, 0, 1], 1)),
            per_second,
            lasts: Duration::ZERO,
        };
        assert_eq!(storm(10_000).owed(Duration::from_millis(1)), 10);
        for per_second in [1, 333, 10_000, 12_345] {
            let owed = storm(per_second).owed(Duration::from_secs(3));
            assert_eq!(owed, u64::from(per_second) * 3);
        }
    }

    #[test]
    fn what_became_of_it_reads_as_it_was_written() {
        let stormed = Stormed {
            answered: 90_000,
            late: 3,
        };
        assert_eq!(format!("{stormed}\n").parse(), Ok(stormed));
        assert!("".parse::<Stormed>().is_err());
    }
}
