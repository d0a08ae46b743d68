//! Creating: once, by the id the caller brings.

use super::*;

#[tokio::test]
async fn what_was_created_is_read_back_with_its_defaults() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        let request = Request::new(GetShopRequest { shop_id: 10 });
        let got = bench.service.get_shop(request).await.unwrap().into_inner();
        let now = Some(proto::time::to_proto(testkit::clock().now()));
        let late_money = Some(LateMoneyPolicy {
            after_system: LateMoney::Keep.into(),
            after_customer: LateMoney::Refund.into(),
            after_store: LateMoney::Refund.into(),
        });
        let (status, kind) = (ShopStatus::Open.into(), ShopKind::Regular.into());
        let wanted = Merchant {
            late_money,
            create_time: now,
            version: 1,
            update_time: now,
            ..merchant(1)
        };
        assert_eq!(got.merchant, Some(wanted.clone()));
        assert_eq!(
            got.shop,
            Some(Shop {
                status,
                kind,
                create_time: now,
                version: 1,
                update_time: now,
                ..shop(10, 1)
            })
        );
        let request = Request::new(GetMerchantRequest { merchant_id: 1 });
        let got = bench
            .service
            .get_merchant(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(got.merchant, Some(wanted));
    }
}

#[tokio::test]
async fn each_late_money_policy_is_kept() {
    let bench = Bench::on(Engine::Sqlite).await;
    for code in 0..8 {
        let fate = |bit| {
            if code & bit == 0 {
                LateMoney::Keep
            } else {
                LateMoney::Refund
            }
            .into()
        };
        let policy = LateMoneyPolicy {
            after_system: fate(1),
            after_customer: fate(2),
            after_store: fate(4),
        };
        let wanted = Merchant {
            late_money: Some(policy),
            ..merchant(code + 1)
        };
        bench.merchant(wanted).await.unwrap();
        let request = Request::new(GetMerchantRequest {
            merchant_id: code + 1,
        });
        let got = bench
            .service
            .get_merchant(request)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(got.merchant.unwrap().late_money, Some(policy));
    }
}

#[tokio::test]
async fn creating_twice_answers_what_exists() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let first = bench.merchant(merchant(1)).await.unwrap();
        let second = bench.merchant(merchant(1)).await.unwrap();
        assert_eq!((first.created, second.created), (true, false));
        assert_eq!(first.merchant, second.merchant);
        let first = bench.shop(shop(10, 1)).await.unwrap();
        // The defaults spelled out are the same content; what the server sets is not content.
        let (status, kind) = (ShopStatus::Open.into(), ShopKind::Regular.into());
        let long_ago = "2000-01-01T00:00:00Z".parse().unwrap();
        let create_time = Some(proto::time::to_proto(long_ago));
        let second = bench
            .shop(Shop {
                status,
                kind,
                create_time,
                ..shop(10, 1)
            })
            .await
            .unwrap();
        assert_eq!((first.created, second.created), (true, false));
        assert_eq!(first.shop, second.shop);
        let first = bench.account(account(100, 10, "755")).await.unwrap();
        let second = bench.account(account(100, 10, "755")).await.unwrap();
        assert_eq!((first.created, second.created), (true, false));
        assert_eq!(first.account, second.account);
        assert_eq!(first.account.unwrap().weight, 100);
    }
}

#[tokio::test]
async fn of_a_hundred_at_once_one_creates_and_all_are_answered_alike() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        let answers = join_all((0..100).map(|_| bench.merchant(merchant(7)))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
        assert!(
            answers
                .iter()
                .all(|answer| answer.merchant == answers[0].merchant)
        );
        let answers = join_all((0..100).map(|_| bench.account(account(100, 10, "755")))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert_eq!(answers.iter().filter(|answer| answer.created).count(), 1);
        assert!(
            answers
                .iter()
                .all(|answer| answer.account == answers[0].account)
        );
        assert_eq!(bench.list(Owner::ShopId(10)).await.unwrap(), [100]);
    }
}

#[tokio::test]
async fn of_a_hundred_that_differ_one_is_kept_and_the_others_are_told() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let named = |n: i32| Merchant {
            name: format!("m{n}"),
            ..merchant(7)
        };
        let answers = join_all((0..100).map(|n| bench.merchant(named(n)))).await;
        let created = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(created, 1);
        for status in answers.into_iter().filter_map(Result::err) {
            assert_eq!(
                told(&status),
                reason(Code::AlreadyExists, "MERCHANT_DIFFERS")
            );
        }
    }
}

#[tokio::test]
async fn the_same_id_with_other_content_is_refused_and_changes_nothing() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.merchant(merchant(2)).await.unwrap();
        bench.account(account(100, 10, "755")).await.unwrap();
        let other = Merchant {
            name: "other".to_owned(),
            ..merchant(1)
        };
        let refused = bench.merchant(other).await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::AlreadyExists, "MERCHANT_DIFFERS")
        );
        let refused = bench.shop(shop(10, 2)).await.unwrap_err();
        assert_eq!(told(&refused), reason(Code::AlreadyExists, "SHOP_DIFFERS"));
        for other in [
            MerchantAccount {
                enabled: false,
                ..account(100, 10, "755")
            },
            MerchantAccount {
                weight: 99,
                ..account(100, 10, "755")
            },
            MerchantAccount {
                sign_agentno: "102".to_owned(),
                ..account(100, 10, "755")
            },
            MerchantAccount {
                groupno: "103".to_owned(),
                ..account(100, 10, "755")
            },
            MerchantAccount {
                sub_appid: "wx1f".to_owned(),
                ..account(100, 10, "755")
            },
            account(100, 10, "756"),
        ] {
            let refused = bench.account(other).await.unwrap_err();
            assert_eq!(
                told(&refused),
                reason(Code::AlreadyExists, "MERCHANT_ACCOUNT_DIFFERS")
            );
        }
        assert!(
            !bench
                .account(account(100, 10, "755"))
                .await
                .unwrap()
                .created
        );
    }
}

#[tokio::test]
async fn a_route_has_one_account() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.account(account(100, 10, "755")).await.unwrap();
        let refused = bench.account(account(101, 10, "755")).await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::AlreadyExists, "MERCHANT_ACCOUNT_TAKEN")
        );
        let metadata = refused.get_details_error_info().unwrap().metadata;
        assert_eq!(metadata["account_id"], "100");
        // At once: one wins, whichever it is, and no other write of the batch suffers.
        let answers = join_all((200..250).map(|id| bench.account(account(id, 10, "756")))).await;
        let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (1, 49));
        for status in refused.into_iter().filter_map(Result::err) {
            assert_eq!(
                told(&status),
                reason(Code::AlreadyExists, "MERCHANT_ACCOUNT_TAKEN")
            );
        }
        assert_eq!(bench.list(Owner::ShopId(10)).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn nothing_is_created_below_what_does_not_exist() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let refused = bench.shop(shop(10, 404)).await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::FailedPrecondition, "MERCHANT_NOT_FOUND")
        );
        let violations = refused
            .get_details_precondition_failure()
            .unwrap()
            .violations;
        assert_eq!(violations[0].subject, "merchants/404");
        let refused = bench.account(account(100, 404, "755")).await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::FailedPrecondition, "SHOP_NOT_FOUND")
        );
        assert_eq!(bench.list(Owner::ShopId(404)).await.unwrap(), [0; 0]);
        let request = Request::new(GetShopRequest { shop_id: 10 });
        let refused = bench.service.get_shop(request).await.unwrap_err();
        assert_eq!(told(&refused), reason(Code::NotFound, "SHOP_NOT_FOUND"));
        let request = Request::new(GetMerchantRequest { merchant_id: 404 });
        let refused = bench.service.get_merchant(request).await.unwrap_err();
        assert_eq!(told(&refused), reason(Code::NotFound, "MERCHANT_NOT_FOUND"));
    }
}
