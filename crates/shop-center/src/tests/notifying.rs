//! Where a merchant is told of its orders, and under which key: both or neither.

use super::*;

const URL: &str = "https://shop.example.com/told";
const KEY: &str = "merchant-1";
const PATHS: [&str; 2] = ["notify_url", "notify_key_name"];

fn told_at(id: i64, url: &str, key_name: &str) -> Merchant {
    Merchant {
        notify_url: url.to_owned(),
        notify_key_name: key_name.to_owned(),
        ..merchant(id)
    }
}

fn of(merchant: &Merchant) -> (&str, &str) {
    (&merchant.notify_url, &merchant.notify_key_name)
}

#[tokio::test]
async fn a_merchants_url_and_key_name_are_read_back_and_told_with_its_shops() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let created = bench.merchant(told_at(1, URL, KEY)).await.unwrap().merchant;
        assert_eq!(of(created.as_ref().unwrap()), (URL, KEY));
        assert_eq!(bench.get_merchant(1).await.ok(), created);
        bench.shop(shop(10, 1)).await.unwrap();
        assert_eq!(
            bench.get_shop(10).await.unwrap().1,
            created.clone().unwrap()
        );
        bench.merchant(merchant(2)).await.unwrap();
        let request = Request::new(ListMerchantsRequest::default());
        let listed = bench.service.list_merchants(request).await.unwrap();
        let listed = listed.into_inner().merchants;
        assert_eq!(listed[0], created.unwrap());
        assert_eq!(of(&listed[1]), ("", ""));
    }
}

#[tokio::test]
async fn a_repeated_merchant_is_told_the_same_way_or_is_another() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let first = bench.merchant(told_at(1, URL, KEY)).await.unwrap();
        // The same URL, written otherwise.
        let written = "HTTPS://Shop.Example.com:443/./told";
        for url in [URL, written] {
            let again = bench.merchant(told_at(1, url, KEY)).await.unwrap();
            assert!(!again.created);
            assert_eq!(again.merchant, first.merchant);
        }
        let others = [
            merchant(1),
            told_at(1, "https://shop.example.com/other", KEY),
            told_at(1, URL, "merchant-2"),
        ];
        for other in others {
            let refused = bench.merchant(other).await.unwrap_err();
            assert_eq!(
                told(&refused),
                reason(Code::AlreadyExists, "MERCHANT_DIFFERS")
            );
        }
        assert_eq!(bench.get_merchant(1).await.ok(), first.merchant);
    }
}

#[tokio::test]
async fn url_and_key_name_change_by_the_mask_and_are_taken_back_together() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        bench.merchant(merchant(1)).await.unwrap();
        let update = |url, key_name, paths, version| {
            bench.update_merchant(told_at(1, url, key_name), paths, version)
        };
        let set = update(URL, KEY, &PATHS[..], 1).await.unwrap();
        assert_eq!((of(&set), set.version), ((URL, KEY), 2));
        // A repeat of it is answered again.
        assert_eq!(update(URL, KEY, &PATHS[..], 1).await.unwrap(), set);
        let other = "https://other.example.com/";
        let moved = update(other, "ignored", &PATHS[..1], 2).await.unwrap();
        assert_eq!((of(&moved), moved.version), ((other, KEY), 3));
        let rotated = update("ignored", "next", &PATHS[1..], 3).await.unwrap();
        assert_eq!((of(&rotated), rotated.version), ((other, "next"), 4));
        let renamed = update("", "", &["name", "late_money"], 4).await.unwrap();
        assert_eq!(of(&renamed), (other, "next"));
        assert_eq!(of(&bench.get_merchant(1).await.unwrap()), (other, "next"));
        let none = update("", "", &PATHS[..], renamed.version).await.unwrap();
        assert_eq!(of(&none), ("", ""));
        assert_eq!(of(&bench.get_merchant(1).await.unwrap()), ("", ""));
    }
}

#[tokio::test]
async fn a_url_without_a_key_name_is_refused_and_the_reverse() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let says = |refused: &Status, field: &str, other: &str| {
            assert_eq!(fields(refused), [field]);
            let fix = format!("must be set with {other}");
            assert!(refused.message().contains(&fix), "{refused}");
        };
        let (url, key_name) = ("merchant.notify_url", "merchant.notify_key_name");
        let refused = bench.merchant(told_at(1, URL, "")).await.unwrap_err();
        says(&refused, key_name, "notify_url");
        let refused = bench.merchant(told_at(1, "", KEY)).await.unwrap_err();
        says(&refused, url, "notify_key_name");
        // What a change leaves alone counts, too.
        bench.merchant(merchant(1)).await.unwrap();
        bench.merchant(told_at(2, URL, KEY)).await.unwrap();
        let update = |it, path| bench.update_merchant(it, path, 1);
        let refused = update(told_at(1, URL, KEY), &PATHS[..1]).await.unwrap_err();
        says(&refused, key_name, "notify_url");
        let refused = update(told_at(1, URL, KEY), &PATHS[1..]).await.unwrap_err();
        says(&refused, url, "notify_key_name");
        let refused = update(told_at(2, "", ""), &PATHS[..1]).await.unwrap_err();
        says(&refused, url, "notify_key_name");
        let refused = update(told_at(2, URL, ""), &PATHS[..]).await.unwrap_err();
        says(&refused, key_name, "notify_url");
        assert_eq!(bench.get_merchant(1).await.unwrap().version, 1);
        assert_eq!(bench.get_merchant(2).await.unwrap().version, 1);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_url_or_a_key_name_is_said() {
    let bench = Bench::on(Engine::Sqlite).await;
    let bad = told_at(1, "https://127.0.0.1/told", "../key");
    let refused = bench.merchant(bad.clone()).await.unwrap_err();
    let wanted = ["merchant.notify_url", "merchant.notify_key_name"];
    assert_eq!(fields(&refused), wanted);
    for fix in [
        "notify_url: must have a public host",
        "notify_key_name: must be 1 to 64 letters",
    ] {
        assert!(refused.message().contains(fix), "{refused}");
    }
    let refused = bench.update_merchant(bad, &PATHS, 1).await.unwrap_err();
    assert_eq!(fields(&refused), wanted);
}

#[tokio::test]
async fn a_merchant_of_before_is_told_nowhere_and_can_be_told() {
    for engine in ENGINES {
        let database = TestDb::create(engine).await;
        let migrate = |steps| store::migrate::migrate("test", database.url(), steps);
        migrate(&MIGRATIONS[..1]).await.unwrap();
        let columns = "merchant_id, name, late_money, version, created_at, updated_at, write_id";
        let insert =
            |id| format!("INSERT INTO merchants ({columns}) VALUES ({id}, 'a', 0, 1, 0, 0, {id})");
        database.run(&insert(1)).await;
        migrate(MIGRATIONS).await.unwrap();
        // The version before runs on until it is replaced.
        database.run(&insert(2)).await;
        let center = open(&database, ShopCenterConfig::default(), &testkit::clock()).await;
        let service = Service(Arc::clone(&center.0));
        for merchant_id in [1, 2] {
            let get = || service.get_merchant(Request::new(GetMerchantRequest { merchant_id }));
            let got = get().await.unwrap().into_inner().merchant.unwrap();
            assert_eq!(of(&got), ("", ""));
            let request = Request::new(UpdateMerchantRequest {
                merchant: Some(told_at(merchant_id, URL, KEY)),
                update_mask: Some(mask(&PATHS)),
                expected_version: 1,
            });
            service.update_merchant(request).await.unwrap();
            let got = get().await.unwrap().into_inner().merchant.unwrap();
            assert_eq!(of(&got), (URL, KEY));
        }
    }
}
