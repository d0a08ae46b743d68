//! What else a channel is told of an account: the chain merchant, and the merchant's own app.

use super::*;

const PATHS: [&str; 2] = ["groupno", "sub_appid"];

fn account_of(groupno: &str, sub_appid: &str) -> MerchantAccount {
    MerchantAccount {
        groupno: groupno.to_owned(),
        sub_appid: sub_appid.to_owned(),
        ..account(100, 10, "755")
    }
}

fn of(account: &MerchantAccount) -> (&str, &str) {
    (&account.groupno, &account.sub_appid)
}

impl Bench {
    async fn the_account(&self) -> MerchantAccount {
        let listed = self.accounts(Owner::ShopId(10)).await.unwrap();
        listed.into_iter().next().unwrap()
    }
}

#[tokio::test]
async fn an_accounts_chain_and_app_are_read_back_in_every_list() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        let wanted = account_of("075520000007", "wx1f87d44db95cba7a");
        let created = bench
            .account(wanted.clone())
            .await
            .unwrap()
            .account
            .unwrap();
        assert_eq!(of(&created), of(&wanted));
        assert_eq!(bench.the_account().await, created);
        let merchant = ChannelMerchant {
            channel: Channel::Swiftpass.into(),
            mch_id: "755".to_owned(),
        };
        let listed = bench.accounts(Owner::ChannelMerchant(merchant)).await;
        assert_eq!(listed.unwrap(), std::slice::from_ref(&created));
        let again = bench.account(wanted).await.unwrap();
        assert_eq!((again.created, again.account), (false, Some(created)));
    }
}

#[tokio::test]
async fn chain_and_app_change_by_the_mask_and_are_taken_back() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.account(account(100, 10, "755")).await.unwrap();
        assert_eq!(of(&bench.the_account().await), ("", ""));
        let update = |groupno, sub_appid, paths, version| {
            bench.update_account(account_of(groupno, sub_appid), paths, version)
        };
        let set = update("7", "wx1", &PATHS[..], 1).await.unwrap();
        assert_eq!((of(&set), set.version), (("7", "wx1"), 2));
        assert_eq!(update("7", "wx1", &PATHS[..], 1).await.unwrap(), set);
        let chain = update("8", "ignored", &PATHS[..1], 2).await.unwrap();
        assert_eq!(of(&chain), ("8", "wx1"));
        let app = update("ignored", "wx2", &PATHS[1..], 3).await.unwrap();
        assert_eq!(of(&app), ("8", "wx2"));
        assert_eq!(bench.the_account().await, app);
        let none = update("", "", &PATHS[..], 4).await.unwrap();
        assert_eq!((of(&none), none.version), (("", ""), 5));
        assert_eq!(bench.the_account().await, none);
    }
}

#[tokio::test]
async fn an_account_of_before_has_neither_chain_nor_app() {
    for engine in ENGINES {
        let database = TestDb::create(engine).await;
        let migrate = |steps| store::migrate::migrate("test", database.url(), steps);
        migrate(&MIGRATIONS[..2]).await.unwrap();
        let columns = "account_id, shop_id, channel, pay_type, mch_id, sign_agentno, key_name, \
                       weight, enabled, version, created_at, updated_at, write_id";
        let insert = |id| {
            let values = format!("{id}, 10, 1, 43, '{id}', '', 'k', 100, 1, 1, 0, 0, {id}");
            format!("INSERT INTO merchant_accounts ({columns}) VALUES ({values})")
        };
        database.run(&insert(1)).await;
        migrate(MIGRATIONS).await.unwrap();
        // The version before runs on until it is replaced.
        database.run(&insert(2)).await;
        let center = open(&database, ShopCenterConfig::default(), &testkit::clock()).await;
        let service = Service(Arc::clone(&center.0));
        let request = Request::new(ListMerchantAccountsRequest {
            owner: Some(Owner::ShopId(10)),
            ..ListMerchantAccountsRequest::default()
        });
        let listed = service.list_merchant_accounts(request).await.unwrap();
        let listed = listed.into_inner().accounts;
        assert_eq!(listed.iter().map(of).collect::<Vec<_>>(), [("", ""); 2]);
    }
}
