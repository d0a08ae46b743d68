//! Lookups: what is cached, for how long, and what a flood of unknown ids costs.

use super::*;

const TTL: Duration = Duration::from_secs(5);
const NEGATIVE: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_secs(4);
const ALMOST: Duration = Duration::from_micros(999_999);
const TICK: Duration = Duration::from_micros(1);

#[tokio::test]
async fn a_flood_of_unknown_ids_costs_one_read_each_and_negative_ttl() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let flood = async || {
            // In bursts: all ids at once, again and again.
            for _ in 0..10 {
                let lookups = (0..1000).map(|n| bench.get_shop(1000 + n % 100));
                for answer in join_all(lookups).await {
                    let refused = answer.unwrap_err();
                    assert_eq!(told(&refused), reason(Code::NotFound, "SHOP_NOT_FOUND"));
                }
            }
        };
        flood().await;
        assert_eq!(bench.reads(), 100);
        bench.clock.advance(ALMOST);
        flood().await;
        assert_eq!(bench.reads(), 100);
        bench.clock.advance(TICK);
        flood().await;
        assert_eq!(bench.reads(), 200);
    }
}

#[tokio::test]
async fn a_flood_of_random_ids_holds_few_reads_at_once_and_known_shops_are_served() {
    for engine in ENGINES {
        let config = ShopCenterConfig {
            lookups: 2,
            lookup_wait: Duration::ZERO,
            ..ShopCenterConfig::default()
        };
        let bench = Bench::with(engine, config).await;
        bench.merchant(merchant(1)).await.unwrap();
        bench.shop(shop(10, 1)).await.unwrap();
        bench.get_shop(10).await.unwrap();
        let before = bench.reads();
        let unknown = join_all((1000..2000).map(|id| bench.get_shop(id)));
        let known = join_all((0..1000).map(|_| bench.get_shop(10)));
        let (unknown, known) = futures::join!(unknown, known);
        assert!(known.iter().all(Result::is_ok));
        let refused: Vec<Status> = unknown.into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.len(), 1000);
        let busy = refused
            .iter()
            .filter(|status| status.code() == Code::ResourceExhausted);
        let busy: Vec<_> = busy.collect();
        for status in &busy {
            assert_eq!(
                told(status),
                reason(Code::ResourceExhausted, "LOOKUPS_BUSY")
            );
            assert!(mesh::retry_after_of(status).is_some());
        }
        // Who was told to come back has read nothing.
        assert_eq!(bench.reads() - before, 1000 - busy.len());
        assert!(!busy.is_empty());
    }
}

#[tokio::test]
async fn unknown_accounts_cost_one_read_too() {
    let bench = Bench::with_shop(Engine::Sqlite).await;
    let merchant = || {
        Owner::ChannelMerchant(ChannelMerchant {
            channel: Channel::Swiftpass.into(),
            mch_id: "755".to_owned(),
        })
    };
    for _ in 0..100 {
        assert!(bench.list(Owner::ShopId(10)).await.unwrap().is_empty());
        assert!(bench.list(merchant()).await.unwrap().is_empty());
    }
    assert_eq!(bench.reads(), 2);
    // Who records an account sees it at once, both ways.
    bench.account(account(100, 10, "755")).await.unwrap();
    assert_eq!(bench.list(Owner::ShopId(10)).await.unwrap(), [100]);
    assert_eq!(bench.list(merchant()).await.unwrap(), [100]);
}

#[tokio::test]
async fn what_is_created_is_seen_though_it_was_missing_a_moment_ago() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        assert!(bench.get_shop(10).await.is_err());
        bench.merchant(merchant(1)).await.unwrap();
        bench.shop(shop(10, 1)).await.unwrap();
        bench.get_shop(10).await.unwrap();
        let renamed = Merchant {
            name: "renamed".to_owned(),
            ..merchant(1)
        };
        bench.update_merchant(renamed, &["name"], 1).await.unwrap();
        assert_eq!(bench.get_shop(10).await.unwrap().1.name, "renamed");
    }
}

#[tokio::test]
async fn a_change_by_another_process_is_seen_within_the_ttl() {
    // SQLite serves one process.
    let bench = Bench::with_shop(Engine::MySql).await;
    let other = open(&bench.database, ShopCenterConfig::default(), &bench.clock).await;
    let other = Bench {
        service: Service(Arc::clone(&other.0)),
        center: other,
        clock: bench.clock.clone(),
        database: TestDb::create(Engine::Sqlite).await,
    };
    assert_eq!(
        other.get_shop(10).await.unwrap().0.status(),
        ShopStatus::Open
    );
    assert!(other.get_shop(11).await.is_err());
    bench
        .set_status((10, 1), ShopStatus::Suspended)
        .await
        .unwrap();
    bench.shop(shop(11, 1)).await.unwrap();
    bench.clock.advance(NEGATIVE);
    assert_eq!(other.get_shop(11).await.unwrap().0.shop_id, 11);
    bench.clock.advance(REST);
    assert_eq!(
        other.get_shop(10).await.unwrap().0.status(),
        ShopStatus::Suspended
    );
    // What does not come from the cache is true at once.
    let renamed = merchant(1);
    let renamed = Merchant {
        name: "renamed".to_owned(),
        ..renamed
    };
    bench.update_merchant(renamed, &["name"], 1).await.unwrap();
    assert_eq!(other.get_merchant(1).await.unwrap().name, "renamed");
}

#[tokio::test]
async fn a_cache_that_keeps_another_shop_under_a_key_is_not_believed() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.shop(shop(11, 1)).await.unwrap();
        // Under shop 10's key stands an entry for that key, with shop 11 in it.
        let lookups = &bench.center.0.lookups;
        lookups
            .plant(10, &bench.get_shop(11).await.unwrap().0)
            .await;
        let got = bench.get_shop(10).await.unwrap().0;
        assert_eq!(got.shop_id, 10);
        assert_eq!(bench.get_shop(11).await.unwrap().0.shop_id, 11);
    }
}

#[tokio::test]
async fn without_the_database_nothing_old_is_served_and_callers_are_told() {
    let bench = Bench::with_shop(Engine::Sqlite).await;
    bench.get_shop(10).await.unwrap();
    bench.center.close().await;
    bench.get_shop(10).await.unwrap();
    bench.clock.advance(TTL);
    let refused = bench.get_shop(10).await.unwrap_err();
    assert_eq!(
        told(&refused),
        reason(Code::Unavailable, "DATABASE_UNAVAILABLE")
    );
    assert!(mesh::retry_after_of(&refused).is_some());
}
