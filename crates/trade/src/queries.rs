//! The queries of trade's tables.

store::queries! {
    ORDERS_INSERT = "orders/insert";
    ORDERS_WINNER = "orders/winner";
    ORDERS_GET = "orders/get";
    ORDERS_BY_MERCHANT_NO = "orders/by_merchant_no";
    ORDERS_BY_EXTERNAL = "orders/by_external";
    ORDERS_LIST = "orders/list";
    ORDERS_MOVE = "orders/move" split;
    ORDER_LOG_INSERT = "order_log/insert";
    ORDER_LOG_WINNER = "order_log/winner";
    ORDER_LOG_LIST = "order_log/list";
    ATTEMPTS_INSERT = "attempts/insert";
    ATTEMPTS_GET = "attempts/get";
    ATTEMPTS_PAY = "attempts/pay" split;
    PAY_REQUESTS_INSERT = "pay_requests/insert";
    PAY_REQUESTS_WINNER = "pay_requests/winner";
    PAY_REQUESTS_GET = "pay_requests/get";
    REMEDIES_INSERT = "remedies/insert";
    REMEDIES_LIST = "remedies/list";
    SETTLEMENTS_INSERT = "settlements/insert";
    SETTLEMENTS_WINNER = "settlements/winner";
    SETTLEMENTS_LIST = "settlements/list";
}

store::migrations!(pub MIGRATIONS = 100 => "0100_orders");
