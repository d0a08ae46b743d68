//! The queries, by name.

store::queries! {
    MERCHANTS_INSERT = "merchants/insert";
    MERCHANTS_WINNER = "merchants/winner";
    MERCHANTS_CHANGE = "merchants/change" split;
    MERCHANTS_GET = "merchants/get";
    MERCHANTS_LIST = "merchants/list";
    SHOPS_INSERT = "shops/insert";
    SHOPS_WINNER = "shops/winner";
    SHOPS_CHANGE = "shops/change" split;
    SHOPS_GET = "shops/get";
    SHOPS_LIST = "shops/list";
    SHOPS_OF_MERCHANT = "shops/of_merchant";
    ACCOUNTS_INSERT = "merchant_accounts/insert";
    ACCOUNTS_WINNER = "merchant_accounts/winner";
    ACCOUNTS_CHANGE = "merchant_accounts/change" split;
    ACCOUNTS_GET = "merchant_accounts/get";
    ACCOUNTS_OF_SHOP = "merchant_accounts/of_shop";
    ACCOUNTS_OF_MCH_ID = "merchant_accounts/of_mch_id";
    ACCOUNTS_OF_ROUTE = "merchant_accounts/of_route";
    CHANGES_INSERT = "changes/insert";
    CHANGES_WINNER = "changes/winner";
    CHANGES_CONTENT = "changes/content";
}
