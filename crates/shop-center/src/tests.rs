//! The service as callers see it, on both engines.

use std::sync::Arc;

use futures::future::join_all;
use proto::shop::v1::list_merchant_accounts_request::Owner;
use proto::shop::v1::shop_service_server::ShopService as _;
use proto::shop::v1::{
    Channel, ChannelMerchant, CreateMerchantAccountRequest, CreateMerchantAccountResponse,
    CreateMerchantRequest, CreateMerchantResponse, CreateShopRequest, CreateShopResponse,
    GetMerchantRequest, GetShopRequest, LateMoney, LateMoneyPolicy, ListMerchantAccountsRequest,
    Merchant, MerchantAccount, PayType, Shop, ShopKind, ShopStatus,
};
use seam::{Clock, SystemIds};
use store::Engine;
use testkit::{ENGINES, TestDb};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::{MIGRATIONS, Service, ShopCenter, queries};

struct Bench {
    service: Service,
    center: ShopCenter,
    _database: TestDb,
}

impl Bench {
    async fn on(engine: Engine) -> Self {
        let database = TestDb::create(engine).await;
        store::migrate::migrate("test", database.url(), MIGRATIONS)
            .await
            .unwrap();
        let settings = database.settings();
        let opened = ShopCenter::open(&settings, testkit::clock(), Arc::new(SystemIds));
        let center = opened.await.unwrap();
        Self {
            service: Service::new(center.db.clone()),
            center,
            _database: database,
        }
    }

    /// With merchant 1 and its shop 10.
    async fn with_shop(engine: Engine) -> Self {
        let bench = Self::on(engine).await;
        bench.merchant(merchant(1)).await.unwrap();
        bench.shop(shop(10, 1)).await.unwrap();
        bench
    }

    async fn merchant(&self, merchant: Merchant) -> Result<CreateMerchantResponse, Status> {
        let request = CreateMerchantRequest {
            merchant: Some(merchant),
        };
        self.service
            .create_merchant(Request::new(request))
            .await
            .map(tonic::Response::into_inner)
    }

    async fn shop(&self, shop: Shop) -> Result<CreateShopResponse, Status> {
        let request = CreateShopRequest { shop: Some(shop) };
        self.service
            .create_shop(Request::new(request))
            .await
            .map(tonic::Response::into_inner)
    }

    async fn account(
        &self,
        account: MerchantAccount,
    ) -> Result<CreateMerchantAccountResponse, Status> {
        let request = Request::new(CreateMerchantAccountRequest {
            account: Some(account),
        });
        self.service
            .create_merchant_account(request)
            .await
            .map(tonic::Response::into_inner)
    }

    async fn list(&self, owner: Owner) -> Result<Vec<i64>, Status> {
        let request = Request::new(ListMerchantAccountsRequest { owner: Some(owner) });
        let listed = self
            .service
            .list_merchant_accounts(request)
            .await?
            .into_inner();
        Ok(listed
            .accounts
            .iter()
            .map(|account| account.account_id)
            .collect())
    }
}

fn merchant(id: i64) -> Merchant {
    Merchant {
        merchant_id: id,
        name: "上海早餐 🥢".to_owned(),
        ..Merchant::default()
    }
}

fn shop(id: i64, merchant_id: i64) -> Shop {
    Shop {
        shop_id: id,
        merchant_id,
        name: "南京路店".to_owned(),
        ..Shop::default()
    }
}

fn account(id: i64, shop_id: i64, mch_id: &str) -> MerchantAccount {
    MerchantAccount {
        account_id: id,
        shop_id,
        channel: Channel::Swiftpass.into(),
        pay_type: PayType::SwiftpassWechat.into(),
        mch_id: mch_id.to_owned(),
        key_name: "swiftpass-main".to_owned(),
        enabled: true,
        ..MerchantAccount::default()
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
            bench.center.db.prepare(query).await.unwrap();
            let first = query.sql(engine).lines().next();
            assert_eq!(first, Some(format!("-- {}", query.name()).as_str()));
        }
    }
}

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
            ..merchant(1)
        };
        assert_eq!(got.merchant, Some(wanted.clone()));
        assert_eq!(
            got.shop,
            Some(Shop {
                status,
                kind,
                create_time: now,
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

#[tokio::test]
async fn accounts_are_listed_by_shop_or_channel_merchant_in_order() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.shop(shop(11, 1)).await.unwrap();
        for (id, shop_id, mch_id) in [(103, 10, "A1"), (101, 10, "B1"), (102, 11, "A1")] {
            bench.account(account(id, shop_id, mch_id)).await.unwrap();
        }
        let disabled = MerchantAccount {
            enabled: false,
            ..account(104, 10, "a1")
        };
        bench.account(disabled).await.unwrap();
        let channel = Channel::Swiftpass.into();
        let behind = |mch_id: &str| {
            Owner::ChannelMerchant(ChannelMerchant {
                channel,
                mch_id: mch_id.to_owned(),
            })
        };
        assert_eq!(
            bench.list(Owner::ShopId(10)).await.unwrap(),
            [101, 103, 104]
        );
        assert_eq!(bench.list(behind("A1")).await.unwrap(), [102, 103]);
        assert_eq!(bench.list(behind("a1")).await.unwrap(), [104]);
        assert_eq!(bench.list(behind("C1")).await.unwrap(), [0; 0]);
    }
}

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
    let request = Request::new(ListMerchantAccountsRequest { owner });
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
