//! What a person is told, as the metrics count it: once, however often the fact comes.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use proto::gateway::v1::{PaymentFact, RefundState as Ended};
use proto::trade::v1::CancelType;

use crate::bed::{Bed, on_both};

/// How often it was told so.
pub(crate) fn told(metrics: &PrometheusHandle, alarm: &str) -> u64 {
    let name = format!("trade_alarms_total{{alarm=\"{alarm}\"}} ");
    let metrics = metrics.render();
    let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
    count.map_or(0, |count| count.parse().unwrap())
}

#[tokio::test]
async fn an_order_that_resists_being_revoked_is_told_of_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _counting = metrics::set_default_local_recorder(&recorder);
    let engines = std::cell::Cell::new(0);
    on_both(async |bed: Bed| {
        let before = told(&metrics, "REVOKE_FAILED");
        bed.revoke_failed(CancelType::Store).await;
        assert_eq!(told(&metrics, "REVOKE_FAILED"), before + 1);
        engines.set(engines.get() + 1);
    })
    .await;
    assert_eq!(told(&metrics, "REVOKE_FAILED"), engines.get());
}

#[tokio::test]
async fn a_refund_that_failed_is_told_of_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _counting = metrics::set_default_local_recorder(&recorder);
    on_both(async |bed: Bed| {
        let before = told(&metrics, "REFUND_FAILED");
        let (_, refund) = bed.refund_failed().await;
        for _ in 0..3 {
            bed.refund_ended(&refund, Ended::Failed).await;
        }
        assert_eq!(told(&metrics, "REFUND_FAILED"), before + 1);
    })
    .await;
}

#[tokio::test]
async fn a_reversal_is_told_of_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _counting = metrics::set_default_local_recorder(&recorder);
    on_both(async |bed: Bed| {
        let before = told(&metrics, "REVERSED");
        let order = bed.paid().await;
        for version in [200, 200, 201] {
            bed.told(&order, (0, PaymentFact::Reversed), version).await;
        }
        assert_eq!(told(&metrics, "REVERSED"), before + 1);
    })
    .await;
}

#[tokio::test]
async fn money_that_is_back_after_its_reversal_is_told_of_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _counting = metrics::set_default_local_recorder(&recorder);
    on_both(async |bed: Bed| {
        let before = told(&metrics, "REGAINED");
        let order = bed.paid().await;
        bed.told(&order, (0, PaymentFact::Reversed), 102).await;
        // What was true before, what was said with the reversal, and what is said once more.
        for (version, times) in [(100, 0), (102, 0), (103, 1), (103, 1), (104, 1)] {
            bed.told(&order, (0, PaymentFact::Succeeded), version).await;
            assert_eq!(told(&metrics, "REGAINED"), before + times, "{version}");
        }
    })
    .await;
}
