//! Changes: one version after another, each kept.

use super::*;

const HOUR: Duration = Duration::from_hours(1);

#[tokio::test]
async fn a_change_makes_the_next_version_and_says_when() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        let created = bench.get_shop(10).await.unwrap().0;
        assert_eq!(created.version, 1);
        assert_eq!(created.update_time, created.create_time);
        bench.clock.advance(HOUR);
        let renamed = bench.rename((10, 1), "外滩店").await.unwrap();
        let update_time = Some(proto::time::to_proto(bench.clock.now()));
        let wanted = Shop {
            name: "外滩店".to_owned(),
            version: 2,
            update_time,
            ..created
        };
        assert_eq!(renamed, wanted);
        // The process that wrote reads its own write.
        assert_eq!(bench.get_shop(10).await.unwrap().0, wanted);
    }
}

#[tokio::test]
async fn only_the_fields_of_the_mask_change() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        let policy = |after_customer, after_store| LateMoneyPolicy {
            after_system: LateMoney::Keep.into(),
            after_customer,
            after_store,
        };
        let (keep, refund) = (LateMoney::Keep.into(), LateMoney::Refund.into());
        let wanted = Merchant {
            merchant_id: 1,
            name: "other".to_owned(),
            late_money: Some(policy(keep, keep)),
            ..Merchant::default()
        };
        let paths = ["late_money.after_customer"];
        let changed = bench.update_merchant(wanted, &paths, 1).await.unwrap();
        assert_eq!(changed.late_money, Some(policy(keep, refund)));
        assert_eq!(changed.name, merchant(1).name);
        // The policy as a whole: what is not said takes its default.
        let changed = bench.update_merchant(merchant(1), &["late_money"], 2).await;
        assert_eq!(changed.unwrap().late_money, Some(policy(refund, refund)));

        bench.account(account(100, 10, "755")).await.unwrap();
        let wanted = MerchantAccount {
            account_id: 100,
            key_name: "next".to_owned(),
            weight: 7,
            sign_agentno: "102".to_owned(),
            ..MerchantAccount::default()
        };
        let changed = bench.update_account(wanted.clone(), &["weight", "enabled"], 1);
        let changed = changed.await.unwrap();
        assert_eq!((changed.weight, changed.enabled), (7, false));
        assert_eq!(changed.key_name, "swiftpass-main");
        let paths = ["key_name", "sign_agentno"];
        let changed = bench.update_account(wanted, &paths, 2).await.unwrap();
        assert_eq!(
            (changed.key_name, changed.sign_agentno),
            ("next".to_owned(), "102".to_owned())
        );
        assert_eq!((changed.weight, changed.version), (7, 3));
        assert_eq!(
            bench.accounts(Owner::ShopId(10)).await.unwrap()[0].version,
            3
        );
    }
}

#[tokio::test]
async fn a_change_meant_for_another_version_is_told_the_present_one() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.account(account(100, 10, "755")).await.unwrap();
        bench.rename((10, 1), "second").await.unwrap();
        for version in [1, 3, i64::MAX] {
            let refused = bench.rename((10, version), "third").await.unwrap_err();
            assert_eq!(
                told(&refused),
                reason(Code::Aborted, "SHOP_VERSION_CONFLICT")
            );
            assert_eq!(metadata(&refused, "version"), "2");
            assert_eq!(metadata(&refused, "shop_id"), "10");
        }
        let refused = bench.update_merchant(merchant(1), &["name"], 2).await;
        let refused = refused.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::Aborted, "MERCHANT_VERSION_CONFLICT")
        );
        let refused = bench.update_account(account(100, 10, "755"), &["enabled"], 2);
        let refused = refused.await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::Aborted, "MERCHANT_ACCOUNT_VERSION_CONFLICT")
        );
        assert_eq!(bench.get_shop(10).await.unwrap().0.name, "second");
    }
}

#[tokio::test]
async fn a_change_that_was_made_already_is_answered_again() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        let first = bench.rename((10, 1), "second").await.unwrap();
        assert_eq!(bench.rename((10, 1), "second").await.unwrap(), first);
        // Also when more has happened since: the answer is what is true now.
        let third = bench
            .set_status((10, 2), ShopStatus::Suspended)
            .await
            .unwrap();
        assert_eq!(bench.rename((10, 1), "second").await.unwrap(), third);
        let again = bench.set_status((10, 2), ShopStatus::Suspended).await;
        assert_eq!(again.unwrap(), third);
        // A change that changes nothing makes no version.
        assert_eq!(bench.rename((10, 3), "second").await.unwrap(), third);
    }
}

#[tokio::test]
async fn of_many_changes_to_one_version_one_is_made() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        let names: Vec<String> = (0..50).map(|n| format!("n{n}")).collect();
        let answers = join_all(names.iter().map(|name| bench.rename((10, 1), name))).await;
        let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!((done.len(), refused.len()), (1, 49));
        for status in refused.into_iter().filter_map(Result::err) {
            assert_eq!(
                told(&status),
                reason(Code::Aborted, "SHOP_VERSION_CONFLICT")
            );
        }
        assert_eq!(bench.get_shop(10).await.unwrap().0.version, 2);
    }
}

#[tokio::test]
async fn a_shop_is_suspended_reopened_and_closed_for_ever() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        // 0: whichever version it has.
        let moves = [ShopStatus::Suspended, ShopStatus::Open, ShopStatus::Closed];
        for (status, version) in moves.into_iter().zip(2..) {
            let set = bench.set_status((10, 0), status).await.unwrap();
            assert_eq!((set.status(), set.version), (status, version));
            let again = bench.set_status((10, 0), status).await.unwrap();
            assert_eq!(again, set);
            assert_eq!(bench.get_shop(10).await.unwrap().0, set);
        }
        let refused = bench
            .set_status((10, 0), ShopStatus::Open)
            .await
            .unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::FailedPrecondition, "SHOP_CLOSED")
        );
        let refused = bench.set_status((10, 3), ShopStatus::Suspended).await;
        assert_eq!(
            told(&refused.unwrap_err()),
            reason(Code::Aborted, "SHOP_VERSION_CONFLICT")
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_does_not_change() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        let refused = [
            (bench.rename((404, 1), "n").await.err(), "SHOP_NOT_FOUND"),
            (
                bench.set_status((404, 0), ShopStatus::Open).await.err(),
                "SHOP_NOT_FOUND",
            ),
            (
                bench
                    .update_merchant(merchant(404), &["name"], 1)
                    .await
                    .err(),
                "MERCHANT_NOT_FOUND",
            ),
            (
                bench
                    .update_account(account(404, 10, "755"), &["weight"], 1)
                    .await
                    .err(),
                "MERCHANT_ACCOUNT_NOT_FOUND",
            ),
        ];
        for (status, wanted) in refused {
            assert_eq!(told(&status.unwrap()), reason(Code::NotFound, wanted));
        }
    }
}

#[tokio::test]
async fn a_create_repeated_after_changes_is_answered_with_what_it_became() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.account(account(100, 10, "755")).await.unwrap();
        bench.rename((10, 1), "renamed").await.unwrap();
        bench.set_status((10, 2), ShopStatus::Closed).await.unwrap();
        let other = Merchant {
            name: "renamed".to_owned(),
            ..merchant(1)
        };
        bench
            .update_merchant(other.clone(), &["name"], 1)
            .await
            .unwrap();
        let disabled = MerchantAccount {
            enabled: false,
            ..account(100, 10, "755")
        };
        bench
            .update_account(disabled.clone(), &["enabled"], 1)
            .await
            .unwrap();

        let again = bench.shop(shop(10, 1)).await.unwrap();
        assert!(!again.created);
        let again = again.shop.unwrap();
        assert_eq!((again.name.as_str(), again.version), ("renamed", 3));
        let again = bench.merchant(merchant(1)).await.unwrap();
        assert_eq!((again.created, again.merchant.unwrap().version), (false, 2));
        let again = bench.account(account(100, 10, "755")).await.unwrap();
        assert_eq!(
            (again.created, again.account.unwrap().enabled),
            (false, false)
        );
        // What it is now is not what it was created as.
        let refused = bench.merchant(other).await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::AlreadyExists, "MERCHANT_DIFFERS")
        );
        let refused = bench.account(disabled).await.unwrap_err();
        assert_eq!(
            told(&refused),
            reason(Code::AlreadyExists, "MERCHANT_ACCOUNT_DIFFERS")
        );
    }
}

#[tokio::test]
async fn every_version_is_kept_with_who_when_and_what() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.clock.advance(HOUR);
        let mut request = Request::new(SetShopStatusRequest {
            shop_id: 10,
            status: ShopStatus::Suspended.into(),
            expected_version: 1,
        });
        request
            .metadata_mut()
            .insert("x-operator", "li.wei".parse().unwrap());
        bench.service.set_shop_status(request).await.unwrap();
        let history = "SELECT version, event, actor, at, LENGTH(trace_id), content \
                       FROM changes WHERE kind = 2 AND id = 10 ORDER BY version";
        let rows = bench.database.rows(history).await;
        let at = |time: jiff::Timestamp| time.as_microsecond().to_string();
        let now = bench.clock.now();
        assert_eq!(rows[0][..5], ["1", "CREATE", "rpc", &at(now - HOUR), "32"]);
        assert_eq!(rows[1][..5], ["2", "SET_STATUS", "li.wei", &at(now), "32"]);
        assert_ne!(rows[0][5], rows[1][5]);
        let all = "SELECT COUNT(*) FROM changes";
        assert_eq!(bench.database.count(all).await, 3);
    }
}
