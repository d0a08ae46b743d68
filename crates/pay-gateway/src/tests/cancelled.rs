//! A caller that goes away, wherever it was in its call.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use domain::PaymentState;
use proto::gateway::v1::PaymentState as Wire;
use proto::gateway::v1::payment_service_server::PaymentService;
use tonic::{Request, Response, Status};

use super::asks::{by_code, request};
use super::bed::{Bed, FEN, number, on_both};
use super::channel::{PAY, PAY_INFO, PREPAY, QUERY, paid, taken};
use super::stands::{PAID_BY_QUERY, PAID_BY_REPLY};

/// Polls a call so often and drops it; true if it ended before.
async fn ends_within<T>(
    times: usize,
    mut call: Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + '_>>,
) -> bool {
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == times {
            return Poll::Ready(false);
        }
        polled += 1;
        call.as_mut().poll(cx).map(|answer| {
            answer.unwrap();
            true
        })
    })
    .await
}

impl Bed {
    /// Waits until every call to the channel has come to its end.
    async fn is_quiet(&self) {
        let calls = &self.gateway.0.calls;
        calls.close();
        calls.wait().await;
        calls.reopen();
    }
}

#[tokio::test]
async fn a_prepay_dropped_anywhere_leaves_row_and_channel_agreed_and_a_repeat_answers() {
    on_both(async |bed| {
        for times in 1..200 {
            let one = number(u8::try_from(times % 100).unwrap());
            // The accounts are looked up anew each time.
            bed.wait(3600);
            let service = bed.service();
            let ended = ends_within(times, service.prepay(Request::new(request(one)))).await;
            bed.is_quiet().await;
            let asked = || {
                let asked = bed.channel.asked(PREPAY);
                asked
                    .iter()
                    .filter(|asked| asked["out_trade_no"] == one.to_string())
                    .count()
            };
            match bed.find(one).await {
                None => assert_eq!(asked(), 0),
                Some(stored) => {
                    assert_eq!((stored.state, asked()), (PaymentState::Pending, 1));
                    assert_eq!(stored.pay_info.as_deref(), Some(PAY_INFO));
                }
            }
            let repeat = bed.prepay(one).await;
            assert_eq!(
                (repeat.state(), repeat.pay_info.as_str()),
                (Wire::Pending, PAY_INFO)
            );
            assert_eq!(asked(), 1);
            bed.stands(one, PaymentState::Pending, (true, &[])).await;
            if ended {
                assert!(times > 3, "it was dropped here and there");
                return;
            }
            assert!(times < 99, "a call this long cannot be tested so");
        }
    })
    .await;
}

#[tokio::test]
async fn a_pay_dropped_anywhere_uses_the_code_at_most_once() {
    on_both(async |bed| {
        for times in 1..99 {
            let one = number(times);
            bed.wait(3600);
            bed.channel.says(PAY, taken(FEN, bed.now()));
            let service = bed.service();
            let call = service.pay(Request::new(by_code(one)));
            let ended = ends_within(times.into(), call).await;
            bed.is_quiet().await;
            let before = bed.channel.asked(PAY).len();
            if let Some(stored) = bed.find(one).await {
                assert_eq!(stored.state, PaymentState::Succeeded);
                assert_eq!(bed.pay(one).await.state(), Wire::Succeeded);
                assert_eq!(bed.channel.asked(PAY).len(), before);
            }
            assert_eq!(bed.pay(one).await.state(), Wire::Succeeded);
            bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_REPLY]))
                .await;
            if ended {
                assert!(times > 3, "it was dropped here and there");
                return;
            }
        }
        panic!("a call this long cannot be tested so");
    })
    .await;
}

#[tokio::test]
async fn a_query_dropped_anywhere_loses_no_money() {
    on_both(async |bed| {
        for n in 1..=30 {
            let one = number(n);
            bed.prepay(one).await;
            bed.channel.says(QUERY, paid(FEN, bed.now()));
            let query = bed.query_meanwhile(one);
            for _ in 0..n {
                tokio::task::yield_now().await;
            }
            query.abort();
            drop(query.await);
            let answer = bed.query(one).await;
            assert_eq!(answer.state(), Wire::Succeeded);
            bed.stands(one, PaymentState::Succeeded, (true, &[PAID_BY_QUERY]))
                .await;
        }
    })
    .await;
}
