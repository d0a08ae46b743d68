//! Lists, and batches.

use super::*;

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

impl Bench {
    async fn merchants(&self, size: i32, token: &str) -> Result<(Vec<i64>, String), Status> {
        let request = Request::new(ListMerchantsRequest {
            page_size: size,
            page_token: token.to_owned(),
        });
        let page = self.service.list_merchants(request).await?.into_inner();
        let ids = page.merchants.iter().map(|it| it.merchant_id).collect();
        Ok((ids, page.next_page_token))
    }

    async fn shops(&self, of: i64, size: i32, token: &str) -> Result<(Vec<i64>, String), Status> {
        let request = Request::new(ListShopsRequest {
            merchant_id: of,
            page_size: size,
            page_token: token.to_owned(),
        });
        let page = self.service.list_shops(request).await?.into_inner();
        let ids = page.shops.iter().map(|it| it.shop_id).collect();
        Ok((ids, page.next_page_token))
    }
}

#[tokio::test]
async fn lists_are_turned_over_in_order_of_id_to_the_end() {
    for engine in ENGINES {
        let bench = Bench::on(engine).await;
        for id in [3, 1, 2] {
            bench.merchant(merchant(id)).await.unwrap();
        }
        for (id, of) in [(14, 1), (11, 2), (13, 1), (12, 1), (15, 1)] {
            bench.shop(shop(id, of)).await.unwrap();
        }
        assert_eq!(
            bench.merchants(0, "").await.unwrap(),
            (vec![1, 2, 3], String::new())
        );
        let (first, token) = bench.merchants(2, "").await.unwrap();
        let (second, end) = bench.merchants(2, &token).await.unwrap();
        assert_eq!((first, second, end.as_str()), (vec![1, 2], vec![3], ""));

        // The last page is full, and still the last. Sizes may change on the way.
        let (first, token) = bench.shops(1, 1, "").await.unwrap();
        let (second, end) = bench.shops(1, 3, &token).await.unwrap();
        assert_eq!(
            (first, second, end.as_str()),
            (vec![12], vec![13, 14, 15], "")
        );
        assert_eq!(bench.shops(0, 0, "").await.unwrap().0, [11, 12, 13, 14, 15]);
        assert_eq!(
            bench.shops(404, 0, "").await.unwrap(),
            (vec![], String::new())
        );
    }
}

#[tokio::test]
async fn a_token_used_in_another_list_is_refused() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.merchant(merchant(2)).await.unwrap();
        bench.shop(shop(11, 1)).await.unwrap();
        let (_, of_merchant) = bench.shops(1, 1, "").await.unwrap();
        let (_, of_all) = bench.merchants(1, "").await.unwrap();
        for refused in [
            bench.shops(2, 1, &of_merchant).await,
            bench.shops(0, 1, &of_merchant).await,
            bench.shops(1, 1, &of_all).await,
            bench.merchants(1, &of_merchant).await,
            bench.merchants(1, "7").await,
        ] {
            assert_eq!(fields(&refused.unwrap_err()), ["page_token"]);
        }
        let refused = bench.shops(-1, -1, "x").await.unwrap_err();
        assert_eq!(fields(&refused), ["merchant_id", "page_size", "page_token"]);
    }
}

#[tokio::test]
async fn accounts_are_turned_over_too() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        for id in 101..=103 {
            bench
                .account(account(id, 10, &id.to_string()))
                .await
                .unwrap();
        }
        let page = async |token: &str| {
            let request = Request::new(ListMerchantAccountsRequest {
                owner: Some(Owner::ShopId(10)),
                page_size: 2,
                page_token: token.to_owned(),
            });
            let listed = bench.service.list_merchant_accounts(request).await.unwrap();
            let listed = listed.into_inner();
            let ids: Vec<_> = listed.accounts.iter().map(|it| it.account_id).collect();
            (ids, listed.next_page_token)
        };
        let (first, token) = page("").await;
        assert_eq!(first, [101, 102]);
        assert_eq!(page(&token).await, (vec![103], String::new()));
    }
}

#[tokio::test]
async fn a_batch_answers_in_the_order_asked_and_names_what_is_missing() {
    for engine in ENGINES {
        let bench = Bench::with_shop(engine).await;
        bench.shop(shop(11, 1)).await.unwrap();
        let got = bench.batch(&[404, 11, 10, 11, 405]).await.unwrap();
        let ids: Vec<_> = got.shops.iter().map(|shop| shop.shop_id).collect();
        assert_eq!((ids, got.missing_shop_ids), (vec![11, 10], vec![404, 405]));
        assert_eq!(got.shops[1], bench.get_shop(10).await.unwrap().0);
        let hundred: Vec<i64> = (1..=100).collect();
        assert_eq!(bench.batch(&hundred).await.unwrap().shops.len(), 2);
    }
}

#[tokio::test]
async fn a_batch_of_none_or_too_many_is_refused() {
    let bench = Bench::on(Engine::Sqlite).await;
    assert_eq!(fields(&bench.batch(&[]).await.unwrap_err()), ["shop_ids"]);
    let many: Vec<i64> = (1..=101).collect();
    assert_eq!(fields(&bench.batch(&many).await.unwrap_err()), ["shop_ids"]);
    let refused = bench.batch(&[1, 0, 2, -1]).await.unwrap_err();
    assert_eq!(fields(&refused), ["shop_ids[1]", "shop_ids[3]"]);
}
