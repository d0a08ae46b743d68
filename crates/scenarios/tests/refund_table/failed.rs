//! The rows of refunds that failed.

use super::*;

#[tokio::test]
async fn what_failed_stays_reserved_and_waits_for_a_person() {
    for engine in ENGINES {
        for (end, failure) in [(Ending::Fail, "CHANNEL"), (Ending::Change, "CHANGE")] {
            let mesh = mesh(engine).await;
            ending(&mesh, end).await;
            let (paying, refund) = processing(&mesh).await;
            let refund = mesh.ended(&refund.refund_no).await;
            assert_eq!(refund.state(), RefundState::Failed);
            assert_eq!(refund.failure, failure);
            assert_eq!(
                stands(&mesh, &paying.order_no).await,
                (OrderStatus::RefundFailed, RefundStatus::Failed)
            );
            assert_eq!(owed(&mesh, &refund).await, [(Kind::RefundReview, 0)]);
            too_much(&mesh, &paying.order_no).await;
            // The alarm comes again, and is never dropped.
            mesh.falls_due(Service::Trade, Kind::RefundReview).await;
            let tally = mesh.work_off(Service::Trade, Kind::RefundReview).await;
            assert_eq!((tally.done, tally.postponed), (0, 1));
            let story = mesh.timeline(&paying.order_no).await;
            assert_eq!(story.settlements.len(), 1, "nothing went back");
            assert!(mesh.forgotten().await.is_empty());
        }
    }
}

// FAILED | retry, same refund number | PROCESSING
#[tokio::test]
async fn what_failed_is_tried_again_under_the_same_number() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = failed(&mesh).await;
        mesh.clear_scripts().await;
        let tried = mesh.retry(&refund.refund_no).await.unwrap();
        let refund = tried.refund.unwrap();
        assert_eq!(refund.state(), RefundState::Processing);
        assert_eq!(refund.failure, "");
        assert_eq!(owed(&mesh, &refund).await, [(Kind::RefundDrive, 0)]);
        assert_eq!(
            stands(&mesh, &paying.order_no).await,
            (OrderStatus::Refunding, RefundStatus::Processing)
        );
        // Retrying what is under way changes nothing.
        let again = mesh.retry(&refund.refund_no).await.unwrap();
        assert_eq!(again.order, tried.order);
        // Nor does the earlier failure, should it be told once more.
        let told = ended_event(&refund, (gateway::RefundState::Failed, 0));
        assert_eq!(hear(&mesh, told).await, Applied::Done);
        assert_eq!(mesh.refund(&refund.refund_no).await, refund);
        let refund = mesh.ended(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        let [at_channel] = mesh.channel_refunds().await.try_into().unwrap();
        assert_eq!(at_channel.out_refund_no, refund.refund_no);
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(scenarios::left_of(&story), (0, 0, 0));
        assert_eq!(story.order.unwrap().status(), OrderStatus::Refunded);
    }
}

// FAILED | a query says SUCCESS | SUCCEEDED
#[tokio::test]
async fn what_failed_and_is_found_to_have_gone_back_has_succeeded() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = failed(&mesh).await;
        let told = ended_event(&refund, (gateway::RefundState::Succeeded, 0));
        for _ in 0..2 {
            assert_eq!(hear(&mesh, told.clone()).await, Applied::Done);
        }
        let refund = mesh.refund(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
        assert_eq!(
            (refund.failure.as_str(), refund.evidence.as_str()),
            ("", "C1")
        );
        assert_eq!(
            stands(&mesh, &paying.order_no).await,
            (OrderStatus::Refunded, RefundStatus::Succeeded)
        );
        mesh.drain_all().await;
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(scenarios::left_of(&story), (0, 0, 0));
        let lines = story.entries.iter();
        let lines = lines.filter(|line| line.event == "REFUND_SUCCEEDED");
        assert_eq!(lines.count(), 1, "a fact that comes twice is one line");
        assert!(mesh.forgotten().await.is_empty());
    }
}

// The same, found by asking before a person is told.
#[tokio::test]
async fn what_failed_here_and_went_back_is_found_by_asking_before_the_alarm() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = processing(&mesh).await;
        mesh.drives_refunds().await;
        let told = ended_event(&refund, (gateway::RefundState::Failed, 0));
        assert_eq!(hear(&mesh, told).await, Applied::Done);
        let failed = (OrderStatus::RefundFailed, RefundStatus::Failed);
        assert_eq!(stands(&mesh, &paying.order_no).await, failed);
        until("it is found", async || {
            mesh.now(Service::Trade, Kind::RefundReview).await;
            let refund = mesh.refund(&refund.refund_no).await;
            (refund.state() == RefundState::Succeeded).then_some(())
        })
        .await;
        let refunded = (OrderStatus::Refunded, RefundStatus::Succeeded);
        assert_eq!(stands(&mesh, &paying.order_no).await, refunded);
        let story = mesh.timeline(&paying.order_no).await;
        let line = story.entries.last().unwrap();
        assert_eq!(
            (line.event.as_str(), line.actor.as_str()),
            ("REFUND_SUCCEEDED", "review")
        );
        assert_eq!(owed(&mesh, &refund).await, [(Kind::Settle, -1)]);
        mesh.drain_all().await;
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(scenarios::left_of(&story), (0, 0, 0));
        assert!(mesh.forgotten().await.is_empty());
    }
}

// FAILED(REVERSED) | retry | refused: the channel took the money back itself
#[tokio::test]
async fn what_failed_by_a_reversal_is_not_tried_again_and_owes_no_review() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = processing(&mesh).await;
        let reversed = (gateway::PaymentFact::Reversed, 1_000);
        assert_eq!(
            mesh.tell(&paying.order_no, 0, reversed).await,
            Applied::Done
        );
        let refund = mesh.refund(&refund.refund_no).await;
        assert_eq!(refund.failure, "REVERSED");
        let tally = {
            mesh.falls_due(Service::Trade, Kind::RefundReview).await;
            mesh.work_off(Service::Trade, Kind::RefundReview).await
        };
        assert_eq!((tally.done, tally.postponed), (1, 0));
        assert_eq!(owed(&mesh, &refund).await, []);
        let refused = mesh.retry(&refund.refund_no).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "ILLEGAL_TRANSITION");
    }
}

#[tokio::test]
async fn whoever_decides_about_a_refund_is_named_in_its_story() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let paying = paid(&mesh).await;
        let no = &paying.order_no;
        let refund_no = mesh.requested(no, ("T1", 100)).await.refund_no;
        let approve = as_operator(ApproveRefundRequest {
            refund_no: refund_no.clone(),
        });
        mesh.trade().approve_refund(approve).await.unwrap();
        fails(&mesh, &refund_no, 0).await;
        let retry = as_operator(RetryRefundRequest {
            refund_no: refund_no.clone(),
        });
        mesh.trade().retry_refund(retry).await.unwrap();
        fails(&mesh, &refund_no, 1).await;
        let confirm = as_operator(ConfirmRefundRequest {
            refund_no,
            evidence: "slip".to_owned(),
        });
        mesh.trade().confirm_refund(confirm).await.unwrap();
        let reject = as_operator(RejectRefundRequest {
            refund_no: mesh.requested(no, ("T2", 100)).await.refund_no,
            reason: String::new(),
        });
        mesh.trade().reject_refund(reject).await.unwrap();
        let story = mesh.timeline(no).await;
        let by: Vec<(&str, &str)> = story
            .entries
            .iter()
            .filter(|line| line.event.ends_with("_REFUND"))
            .map(|line| (line.event.as_str(), line.actor.as_str()))
            .collect();
        assert_eq!(
            by,
            [
                ("REQUEST_REFUND", "rpc"),
                ("APPROVE_REFUND", "li.wei"),
                ("RETRY_REFUND", "li.wei"),
                ("CONFIRM_REFUND", "li.wei"),
                ("REQUEST_REFUND", "rpc"),
                ("REJECT_REFUND", "li.wei"),
            ]
        );
    }
}

/// This try failed, as the feed tells.
async fn fails(mesh: &TestMesh, refund_no: &str, retry: i32) {
    let failed = (gateway::RefundState::Failed, retry);
    let told = ended_event(&mesh.refund(refund_no).await, failed);
    assert_eq!(hear(mesh, told).await, Applied::Done);
}

fn as_operator<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let who = "li.wei".parse().unwrap();
    request.metadata_mut().insert("x-operator", who);
    request
}

// FAILED | settled by hand with evidence | SUCCEEDED
#[tokio::test]
async fn what_failed_and_was_settled_by_hand_has_succeeded_and_keeps_the_evidence() {
    for engine in ENGINES {
        let mesh = mesh(engine).await;
        let (paying, refund) = failed(&mesh).await;
        for _ in 0..2 {
            let answer = mesh.confirm(&refund.refund_no, "slip 4711").await.unwrap();
            let refund = answer.refund.unwrap();
            assert_eq!(refund.state(), RefundState::Succeeded);
            assert_eq!(refund.evidence, "slip 4711");
            assert_eq!(answer.order.unwrap().status(), OrderStatus::Refunded);
        }
        mesh.drain_all().await;
        assert_eq!(owed(&mesh, &refund).await, []);
        let story = mesh.timeline(&paying.order_no).await;
        assert_eq!(scenarios::left_of(&story), (0, 0, 0));
        let line = story.entries.last().unwrap();
        assert_eq!(line.event, "CONFIRM_REFUND");
        assert!(line.detail.contains("slip 4711"), "{line:?}");
        // Its payment's money is not in the channel's books as gone.
        let charges = mesh.charges_of(&paying.order_no).await;
        assert_eq!(charges[0].refunded_fen, 0);
        // The earlier failure, told again, undoes nothing.
        let told = ended_event(&refund, (gateway::RefundState::Failed, 0));
        assert_eq!(hear(&mesh, told).await, Applied::Done);
        let refund = mesh.refund(&refund.refund_no).await;
        assert_eq!(refund.state(), RefundState::Succeeded);
    }
}

/// What pay-gateway's feed says of a refund that ended so, at this try.
fn ended_event(refund: &Refund, (state, retry): (gateway::RefundState, i32)) -> Sequenced {
    let event = gateway::RefundEvent {
        refund: Some(gateway::Refund {
            refund_no: refund.refund_no.clone(),
            order_no: refund.order_no.clone(),
            out_trade_no: refund.out_trade_no.clone(),
            amount_fen: refund.amount_fen,
            state: state.into(),
            channel_refund_no: "C1".to_owned(),
            retry,
            ..gateway::Refund::default()
        }),
    };
    Sequenced {
        seq: 1_000_000,
        id: format!("refund:{}", refund.refund_no),
        aggregate: "refund".to_owned(),
        key: refund_key_of(&refund.refund_no),
        kind: "paymesh.gateway.v1.RefundEvent".to_owned(),
        payload: event.encode_to_vec(),
        traceparent: String::new(),
        at: seam::Clock::now(&seam::SystemClock),
    }
}

async fn hear(mesh: &TestMesh, event: Sequenced) -> Applied {
    let trade = mesh.process(Service::Trade).host().trade().unwrap();
    trade.subscriber().apply(&event).await
}
