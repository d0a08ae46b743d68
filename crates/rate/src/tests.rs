//! The service as callers see it, on both engines.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use proto::rate::v1::rate_service_server::RateService as _;
use proto::rate::v1::{
    EffectiveRate, GetEffectiveRateRequest, ListRateHistoryRequest, ListRateHistoryResponse,
    QuoteFeeRequest, QuoteFeeResponse, RateScheme, SetRateSchemeRequest, SetRateSchemeResponse,
};
use proto::shop::v1::PayType;
use proto::time::to_proto;
use seam::{Clock, ManualClock, SystemIds};
use store::Engine;
use testkit::{ENGINES, TestDb};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use crate::{MIGRATIONS, Rate, Service, queries};

const TICK: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_hours(1);

struct Bench {
    service: Service,
    rate: Rate,
    clock: Arc<ManualClock>,
    database: TestDb,
}

impl Bench {
    async fn on(engine: Engine) -> Self {
        let database = TestDb::create(engine).await;
        store::migrate::migrate("test", database.url(), MIGRATIONS)
            .await
            .unwrap();
        let clock = testkit::clock();
        let settings = database.settings();
        let opened = Rate::open(&settings, clock.clone(), Arc::new(SystemIds));
        let rate = opened.await.unwrap();
        Self {
            service: Service::new(rate.db.clone()),
            rate,
            clock,
            database,
        }
    }

    async fn set(&self, scheme: RateScheme) -> Result<SetRateSchemeResponse, Status> {
        let request = Request::new(SetRateSchemeRequest {
            scheme: Some(scheme),
        });
        self.service
            .set_rate_scheme(request)
            .await
            .map(Response::into_inner)
    }

    async fn get(&self, at: Timestamp) -> Result<EffectiveRate, Status> {
        let (shop_id, pay_type) = (10, PayType::SwiftpassWechat.into());
        let request = GetEffectiveRateRequest {
            shop_id,
            pay_type,
            at_time: Some(to_proto(at)),
        };
        let answer = self
            .service
            .get_effective_rate(Request::new(request))
            .await?;
        Ok(answer.into_inner().rate.unwrap())
    }

    async fn quote(
        &self,
        amount_fen: i64,
        at: Option<Timestamp>,
    ) -> Result<QuoteFeeResponse, Status> {
        let request = Request::new(QuoteFeeRequest {
            shop_id: 10,
            pay_type: PayType::SwiftpassWechat.into(),
            amount_fen,
            at_time: at.map(to_proto),
        });
        self.service
            .quote_fee(request)
            .await
            .map(Response::into_inner)
    }

    async fn history(
        &self,
        shop_id: i64,
        size: i32,
        token: &str,
    ) -> Result<ListRateHistoryResponse, Status> {
        let request = Request::new(ListRateHistoryRequest {
            shop_id,
            pay_type: PayType::SwiftpassWechat.into(),
            page_size: size,
            page_token: token.to_owned(),
        });
        self.service
            .list_rate_history(request)
            .await
            .map(Response::into_inner)
    }

    /// Version and rate in force.
    async fn rate_at(&self, at: Timestamp) -> (i64, i32) {
        let rate = self.get(at).await.unwrap();
        (rate.scheme_version, rate.rate_ppm)
    }
}

fn scheme(version: i64, current_ppm: i32) -> RateScheme {
    let pay_type = PayType::SwiftpassWechat.into();
    RateScheme {
        shop_id: 10,
        pay_type,
        version,
        current_ppm,
        ..RateScheme::default()
    }
}

fn with_future(scheme: RateScheme, ppm: i32, begin: Timestamp) -> RateScheme {
    let future_begin_time = Some(to_proto(begin));
    RateScheme {
        future_ppm: Some(ppm),
        future_begin_time,
        ..scheme
    }
}

fn told(status: &Status) -> (Code, String) {
    (status.code(), mesh::reason_of(status).unwrap())
}

fn reason(code: Code, reason: &str) -> (Code, String) {
    (code, reason.to_owned())
}

fn fields(status: &Status) -> Vec<String> {
    assert_eq!(
        told(status),
        reason(Code::InvalidArgument, "INVALID_ARGUMENT")
    );
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

#[tokio::test]
async fn every_query_is_understood() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        for query in queries::ALL {
            bench.rate.db.prepare(query).await.unwrap();
            let first = query.sql(engine).lines().next();
            assert_eq!(first, Some(format!("-- {}", query.name()).as_str()));
        }
    }
}

#[tokio::test]
async fn a_published_scheme_is_answered_as_it_was_asked_for() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let now = bench.clock.now();
        let limits = RateScheme {
            min_fee_fen: 2,
            cap_fee_fen: Some(5000),
            ..scheme(1, 6000)
        };
        let wanted = with_future(limits, 3800, now + HOUR);
        let first = bench.set(wanted).await.unwrap();
        assert!(first.created);
        assert_eq!(
            first.scheme,
            Some(RateScheme {
                publish_time: Some(to_proto(now)),
                ..wanted
            })
        );
        let rate = bench.get(now + HOUR).await.unwrap();
        let cap_fee_fen = Some(5000);
        let expected = EffectiveRate {
            scheme_version: 1,
            rate_ppm: 3800,
            min_fee_fen: 2,
            cap_fee_fen,
        };
        assert_eq!(rate, expected);
    }
}

#[tokio::test]
async fn the_future_rate_begins_at_its_instant_inclusive() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let begin = bench.clock.now() + HOUR;
        bench
            .set(with_future(scheme(1, 6000), 3800, begin))
            .await
            .unwrap();
        assert_eq!(bench.rate_at(begin - TICK).await, (1, 6000));
        assert_eq!(
            bench.rate_at(begin - Duration::from_nanos(1)).await,
            (1, 6000)
        );
        assert_eq!(bench.rate_at(begin).await, (1, 3800));
        assert_eq!(bench.rate_at(begin + HOUR).await, (1, 3800));
    }
}

#[tokio::test]
async fn a_future_rate_may_begin_as_it_is_published_but_not_before() {
    let bench = Bench::on(Engine::Sqlite).await;
    let now = bench.clock.now();
    let refused = bench
        .set(with_future(scheme(1, 6000), 3800, now - TICK))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["scheme.future_begin_time"]);
    bench
        .set(with_future(scheme(1, 6000), 3800, now))
        .await
        .unwrap();
    assert_eq!(bench.rate_at(now).await, (1, 3800));
}

#[tokio::test]
async fn history_answers_and_not_the_present() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let first = bench.clock.now();
        bench.set(scheme(1, 6000)).await.unwrap();
        bench.clock.advance(HOUR);
        let second = bench.clock.now();
        // Beyond the third version's time, which ends it.
        bench
            .set(with_future(scheme(2, 5000), 4000, second + 3 * HOUR))
            .await
            .unwrap();
        bench.clock.advance(HOUR);
        let third = bench.clock.now();
        bench.set(scheme(3, 3000)).await.unwrap();
        assert_eq!(bench.rate_at(first - 24 * 365 * HOUR).await, (1, 6000));
        assert_eq!(bench.rate_at(first - TICK).await, (1, 6000));
        assert_eq!(bench.rate_at(first).await, (1, 6000));
        assert_eq!(bench.rate_at(second - TICK).await, (1, 6000));
        assert_eq!(bench.rate_at(second).await, (2, 5000));
        assert_eq!(bench.rate_at(third - TICK).await, (2, 5000));
        assert_eq!(bench.rate_at(third).await, (3, 3000));
        assert_eq!(bench.rate_at(second + 4 * HOUR).await, (3, 3000));
    }
}

#[tokio::test]
async fn a_shop_without_a_scheme_has_no_rate() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        bench
            .set(RateScheme {
                shop_id: 11,
                ..scheme(1, 6000)
            })
            .await
            .unwrap();
        let refused = bench.get(bench.clock.now()).await.unwrap_err();
        assert_eq!(told(&refused), reason(Code::NotFound, "RATE_NOT_FOUND"));
    }
}

#[tokio::test]
async fn the_same_version_and_content_is_answered_with_what_exists() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let begin = bench.clock.now() + HOUR;
        let wanted = with_future(scheme(1, 6000), 3800, begin);
        let first = bench.set(wanted).await.unwrap();
        // Also when the future has begun, and when later versions exist.
        bench.clock.advance(2 * HOUR);
        let second = bench.set(wanted).await.unwrap();
        bench.set(scheme(2, 5000)).await.unwrap();
        let third = bench.set(wanted).await.unwrap();
        assert_eq!((second.created, third.created), (false, false));
        assert_eq!(
            (&second.scheme, &third.scheme),
            (&first.scheme, &first.scheme)
        );
    }
}

#[tokio::test]
async fn only_the_next_version_is_published() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let refused = bench.set(scheme(2, 6000)).await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::Aborted, "RATE_VERSION_CONFLICT")
        );
        bench.set(scheme(1, 6000)).await.unwrap();
        for other in [
            scheme(1, 6001),
            RateScheme {
                min_fee_fen: 1,
                ..scheme(1, 6000)
            },
            RateScheme {
                cap_fee_fen: Some(0),
                ..scheme(1, 6000)
            },
            with_future(scheme(1, 6000), 6000, bench.clock.now() + HOUR),
            scheme(3, 6000),
            scheme(i64::MAX, 6000),
        ] {
            let refused = bench.set(other).await.unwrap_err();
            assert_eq!(
                told(&refused),
                reason(Code::Aborted, "RATE_VERSION_CONFLICT")
            );
            let metadata = refused.get_details_error_info().unwrap().metadata;
            assert_eq!(metadata["next_version"], "2");
        }
        assert_eq!(bench.rate_at(bench.clock.now()).await, (1, 6000));
    }
}

#[tokio::test]
async fn of_a_hundred_at_once_one_publishes_and_all_are_answered_alike() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let answers = join_all((0..100).map(|_| bench.set(scheme(1, 6000)))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
        assert!(
            answers
                .iter()
                .all(|answer| answer.scheme == answers[0].scheme)
        );
        let answers = join_all((0..100).map(|ppm| bench.set(scheme(2, ppm)))).await;
        let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (1, 99));
        for status in refused.into_iter().filter_map(Result::err) {
            assert_eq!(
                told(&status),
                reason(Code::Aborted, "RATE_VERSION_CONFLICT")
            );
        }
    }
}

#[tokio::test]
async fn a_clock_set_back_does_not_change_what_was_in_force() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let first = bench.clock.now();
        bench.set(scheme(1, 6000)).await.unwrap();
        bench.clock.set(first - HOUR);
        let second = bench.set(scheme(2, 5000)).await.unwrap().scheme.unwrap();
        assert_eq!(second.publish_time, Some(to_proto(first + TICK)));
        assert_eq!(bench.rate_at(first).await, (1, 6000));
        assert_eq!(bench.rate_at(first + TICK).await, (2, 5000));
    }
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let bench = Bench::on(Engine::Sqlite).await;
    let refused = bench
        .service
        .set_rate_scheme(Request::new(SetRateSchemeRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["scheme"]);
    let bad = RateScheme {
        current_ppm: 1_000_001,
        future_ppm: Some(-1),
        min_fee_fen: -1,
        cap_fee_fen: Some(-2),
        ..RateScheme::default()
    };
    let wanted = [
        "scheme.shop_id",
        "scheme.pay_type",
        "scheme.version",
        "scheme.current_ppm",
        "scheme.future_ppm",
        "scheme.future_begin_time",
        "scheme.min_fee_fen",
        "scheme.cap_fee_fen",
    ];
    let refused = bench.set(bad).await.unwrap_err();
    assert_eq!(fields(&refused), wanted);
    let message = "scheme.current_ppm: must be 0 to 1000000 parts per million";
    assert!(refused.message().contains(message), "{refused}");
    let refused = bench
        .service
        .get_effective_rate(Request::new(GetEffectiveRateRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["shop_id", "pay_type", "at_time"]);
}

#[tokio::test]
async fn half_a_future_and_crossed_limits_are_refused() {
    let bench = Bench::on(Engine::Sqlite).await;
    let begin = to_proto(bench.clock.now() + HOUR);
    let half = RateScheme {
        future_begin_time: Some(begin),
        ..scheme(1, 6000)
    };
    assert_eq!(
        fields(&bench.set(half).await.unwrap_err()),
        ["scheme.future_ppm"]
    );
    let half = RateScheme {
        future_ppm: Some(0),
        ..scheme(1, 6000)
    };
    assert_eq!(
        fields(&bench.set(half).await.unwrap_err()),
        ["scheme.future_begin_time"]
    );
    let crossed = RateScheme {
        min_fee_fen: 2,
        cap_fee_fen: Some(1),
        ..scheme(1, 6000)
    };
    assert_eq!(
        fields(&bench.set(crossed).await.unwrap_err()),
        ["scheme.cap_fee_fen"]
    );
    for nanos in [-1, 1, 999, 1_000_000_000] {
        let begin = prost_types::Timestamp { nanos, ..begin };
        let odd = RateScheme {
            future_ppm: Some(1),
            future_begin_time: Some(begin),
            ..scheme(1, 6000)
        };
        assert_eq!(
            fields(&bench.set(odd).await.unwrap_err()),
            ["scheme.future_begin_time"]
        );
    }
    let free = RateScheme {
        cap_fee_fen: Some(0),
        ..scheme(1, 0)
    };
    bench.set(free).await.unwrap();
}

#[tokio::test]
async fn times_beyond_2038_are_times() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let begin: Timestamp = "2138-01-19T03:14:08Z".parse().unwrap();
        bench
            .set(with_future(scheme(1, 6000), 3800, begin))
            .await
            .unwrap();
        assert_eq!(bench.rate_at(begin - TICK).await, (1, 6000));
        assert_eq!(bench.rate_at(begin).await, (1, 3800));
        assert_eq!(
            bench.rate_at("9999-12-30T00:00:00Z".parse().unwrap()).await,
            (1, 3800)
        );
    }
}

#[tokio::test]
async fn a_corrupt_scheme_stops_its_own_shop_only() {
    let bench = Bench::on(Engine::Sqlite).await;
    bench.set(scheme(1, 6000)).await.unwrap();
    bench
        .database
        .run(
            "INSERT INTO rate_schemes VALUES (11, 43, 1, 6000, NULL, NULL, 5, 4, 0, '', '', 1);
             INSERT INTO rate_schemes VALUES (12, 43, 1, 6000, NULL, NULL, 0, NULL, 0, '', '', 2)",
        )
        .await;
    let now = Some(to_proto(bench.clock.now()));
    let ask = |shop_id| {
        let pay_type = PayType::SwiftpassWechat.into();
        let request = GetEffectiveRateRequest {
            shop_id,
            pay_type,
            at_time: now,
        };
        bench.service.get_effective_rate(Request::new(request))
    };
    let refused = ask(11).await.unwrap_err();
    assert_eq!(
        told(&refused),
        reason(Code::Internal, "DATABASE_COLUMN_CORRUPT")
    );
    assert_eq!(refused.message(), "the database failed");
    assert!(ask(10).await.is_ok() && ask(12).await.is_ok());
}

#[tokio::test]
async fn a_quote_is_what_the_settlement_will_be() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let now = bench.clock.now();
        let limits = RateScheme {
            min_fee_fen: 2,
            cap_fee_fen: Some(5000),
            ..scheme(1, 6000)
        };
        bench
            .set(with_future(limits, 3800, now + HOUR))
            .await
            .unwrap();
        for (amount, at, fee) in [
            (1, None, 1),
            (100, None, 2),
            (10_000, None, 60),
            (10_000, Some(now + HOUR), 38),
            (10_000, Some(now - HOUR), 60),
            (100_000_000, None, 5000),
            (i64::MAX, None, 5000),
        ] {
            let quote = bench.quote(amount, at).await.unwrap();
            assert_eq!((quote.fee_fen, quote.net_fen), (fee, amount - fee));
            let rate = bench.get(at.unwrap_or(now)).await.unwrap();
            assert_eq!(quote.rate, Some(rate));
        }
    }
}

#[tokio::test]
async fn nothing_is_quoted_without_a_rate_or_an_amount() {
    let bench = Bench::on(Engine::Sqlite).await;
    let refused = bench.quote(100, None).await.unwrap_err();
    assert_eq!(told(&refused), reason(Code::NotFound, "RATE_NOT_FOUND"));
    bench.set(scheme(1, 6000)).await.unwrap();
    for amount in [0, -1, i64::MIN] {
        let refused = bench.quote(amount, None).await.unwrap_err();
        assert_eq!(fields(&refused), ["amount_fen"]);
    }
}

#[tokio::test]
async fn history_is_turned_over_with_who_published_each_version() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let mut set = Vec::new();
        for version in 1..=3 {
            let mut request = Request::new(SetRateSchemeRequest {
                scheme: Some(scheme(version, 6000)),
            });
            let who = format!("operator{version}");
            let metadata = request.metadata_mut();
            metadata.insert("x-operator", who.parse().unwrap());
            let answer = bench.service.set_rate_scheme(request).await.unwrap();
            set.push((answer.into_inner().scheme, who));
        }
        let first = bench.history(10, 2, "").await.unwrap();
        let second = bench.history(10, 2, &first.next_page_token).await.unwrap();
        assert_eq!((first.versions.len(), second.versions.len()), (2, 1));
        assert_eq!(second.next_page_token, "");
        let all = first.versions.iter().chain(&second.versions);
        let all: Vec<_> = all.map(|it| (it.scheme, it.published_by.clone())).collect();
        assert_eq!(all, set);
        let token = &first.next_page_token;
        let refused = bench.history(11, 2, token).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_token"]);
        let refused = bench.history(10, -1, token).await.unwrap_err();
        assert_eq!(fields(&refused), ["page_size"]);
        let nobody = bench.history(11, 0, "").await.unwrap();
        assert!(nobody.versions.is_empty() && nobody.next_page_token.is_empty());
    }
}
