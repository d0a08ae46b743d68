//! The queries, by name.

store::queries! {
    MERCHANTS_INSERT = "merchants/insert";
    MERCHANTS_WINNER = "merchants/winner";
    MERCHANTS_GET = "merchants/get";
    SHOPS_INSERT = "shops/insert";
    SHOPS_WINNER = "shops/winner";
    SHOPS_GET = "shops/get";
    ACCOUNTS_INSERT = "merchant_accounts/insert";
    ACCOUNTS_WINNER = "merchant_accounts/winner";
    ACCOUNTS_GET = "merchant_accounts/get";
    ACCOUNTS_OF_SHOP = "merchant_accounts/of_shop";
    ACCOUNTS_OF_MCH_ID = "merchant_accounts/of_mch_id";
    ACCOUNTS_OF_ROUTE = "merchant_accounts/of_route";
}
