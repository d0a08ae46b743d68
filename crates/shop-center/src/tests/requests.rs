//! Requests that are wrong, and a service that is closing.

use super::*;

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let bench = Bench::on(Engine::Sqlite).await;
    let late_money = Some(LateMoneyPolicy {
        after_system: 9,
        after_customer: 0,
        after_store: -1,
    });
    let bad = Merchant {
        late_money,
        ..Merchant::default()
    };
    let wanted = [
        "merchant.merchant_id",
        "merchant.name",
        "merchant.late_money.after_system",
        "merchant.late_money.after_store",
    ];
    assert_eq!(fields(&bench.merchant(bad).await.unwrap_err()), wanted);
    let bad = Shop {
        status: 9,
        kind: 9,
        ..Shop::default()
    };
    let wanted = [
        "shop.shop_id",
        "shop.merchant_id",
        "shop.name",
        "shop.status",
        "shop.kind",
    ];
    let refused = bench.shop(bad).await.unwrap_err();
    assert_eq!(fields(&refused), wanted);
    assert!(
        refused
            .message()
            .contains("shop.name: must be 1 to 128 characters"),
        "{refused}"
    );
    let bad = MerchantAccount {
        mch_id: "7 5".to_owned(),
        sign_agentno: "-".to_owned(),
        groupno: "a".repeat(33),
        sub_appid: "wx 1f".to_owned(),
        weight: 1001,
        ..MerchantAccount::default()
    };
    let wanted = [
        "account.account_id",
        "account.shop_id",
        "account.channel",
        "account.pay_type",
        "account.mch_id",
        "account.sign_agentno",
        "account.groupno",
        "account.sub_appid",
        "account.key_name",
        "account.weight",
    ];
    assert_eq!(fields(&bench.account(bad).await.unwrap_err()), wanted);
}

#[tokio::test]
async fn a_request_without_its_subject_is_refused() {
    let Bench { service, .. } = &Bench::on(Engine::Sqlite).await;
    let refused = service
        .create_merchant(Request::new(CreateMerchantRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["merchant"]);
    let refused = service
        .create_shop(Request::new(CreateShopRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["shop"]);
    let refused = service
        .create_merchant_account(Request::new(CreateMerchantAccountRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["account"]);
    let refused = service
        .get_merchant(Request::new(GetMerchantRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["merchant_id"]);
    let refused = service
        .get_shop(Request::new(GetShopRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["shop_id"]);
    let refused = service
        .list_merchant_accounts(Request::new(ListMerchantAccountsRequest::default()))
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["owner"]);
    let owner = Some(Owner::ChannelMerchant(ChannelMerchant::default()));
    let request = Request::new(ListMerchantAccountsRequest {
        owner,
        ..ListMerchantAccountsRequest::default()
    });
    let refused = service.list_merchant_accounts(request).await.unwrap_err();
    assert_eq!(
        fields(&refused),
        ["channel_merchant.channel", "channel_merchant.mch_id"]
    );
}

#[tokio::test]
async fn after_closing_callers_are_told_to_come_back() {
    let bench = Bench::on(Engine::Sqlite).await;
    bench.center.close().await;
    let refused = bench.merchant(merchant(1)).await.unwrap_err();
    assert_eq!(told(&refused), reason(Code::Unavailable, "SHUTTING_DOWN"));
    assert!(mesh::retry_after_of(&refused).is_some());
}

#[tokio::test]
async fn a_mask_names_fields_that_may_change() {
    let bench = Bench::with_shop(Engine::Sqlite).await;
    for (path, says) in [
        ("status", "status is changed by SetShopStatus"),
        ("merchant_id", "merchant_id never changes"),
        ("kind", "kind never changes"),
        ("version", "version is set by the server"),
        ("colour", "\"colour\" is no field; what may change: name"),
        ("*", "\"*\" is no field"),
    ] {
        let refused = bench
            .update_shop(shop(10, 1), &[path], 1)
            .await
            .unwrap_err();
        assert_eq!(fields(&refused), ["update_mask"]);
        assert!(refused.message().contains(says), "{refused}");
    }
    let refused =
        bench.update_account(account(1, 10, "755"), &["mch_id", "weights", "key_name"], 1);
    assert_eq!(
        fields(&refused.await.unwrap_err()),
        ["update_mask", "update_mask"]
    );
    let refused = bench
        .update_merchant(merchant(1), &["late_money.after_all"], 1)
        .await;
    assert_eq!(fields(&refused.unwrap_err()), ["update_mask"]);
    assert_eq!(bench.get_shop(10).await.unwrap().0.version, 1);
}

#[tokio::test]
async fn every_bad_field_of_a_change_is_named_at_once() {
    let bench = Bench::on(Engine::Sqlite).await;
    let refused = bench
        .update_shop(Shop::default(), &[], 0)
        .await
        .unwrap_err();
    assert_eq!(
        fields(&refused),
        ["update_mask", "shop.shop_id", "expected_version"]
    );
    let refused = bench
        .update_shop(Shop::default(), &["name"], -1)
        .await
        .unwrap_err();
    assert_eq!(
        fields(&refused),
        ["shop.shop_id", "shop.name", "expected_version"]
    );
    let bad = MerchantAccount {
        weight: -1,
        sign_agentno: "-".to_owned(),
        groupno: "1_2".to_owned(),
        sub_appid: "微信".to_owned(),
        ..MerchantAccount::default()
    };
    let paths = [
        "weight",
        "key_name",
        "sign_agentno",
        "groupno",
        "sub_appid",
        "enabled",
    ];
    let refused = bench
        .update_account(bad.clone(), &paths, 1)
        .await
        .unwrap_err();
    let wanted = [
        "account.account_id",
        "account.sign_agentno",
        "account.groupno",
        "account.sub_appid",
        "account.key_name",
        "account.weight",
    ];
    assert_eq!(fields(&refused), wanted);
    let fix = "account.groupno: must be at most 32 letters or digits";
    assert!(refused.message().contains(fix), "{refused}");
    // What the mask does not name is not looked at.
    let refused = bench
        .update_account(bad, &["enabled"], 1)
        .await
        .unwrap_err();
    assert_eq!(fields(&refused), ["account.account_id"]);
    let refused = bench.set_status((0, -1), ShopStatus::Unspecified).await;
    let refused = refused.unwrap_err();
    assert_eq!(fields(&refused), ["shop_id", "status", "expected_version"]);
    let request = Request::new(UpdateMerchantRequest::default());
    let refused = bench.service.update_merchant(request).await.unwrap_err();
    assert_eq!(fields(&refused), ["merchant"]);
}
