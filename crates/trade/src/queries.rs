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
    ORDER_LOG_TRIES = "order_log/tries";
    ATTEMPTS_INSERT = "attempts/insert";
    ATTEMPTS_GET = "attempts/get";
    ATTEMPTS_TOLD = "attempts/told" split;
    PAY_REQUESTS_INSERT = "pay_requests/insert";
    PAY_REQUESTS_WINNER = "pay_requests/winner";
    PAY_REQUESTS_GET = "pay_requests/get";
    REMEDIES_INSERT = "remedies/insert";
    REMEDIES_LIST = "remedies/list";
    REFUNDS_INSERT = "refunds/insert";
    REFUNDS_GET = "refunds/get";
    REFUNDS_OF_ORDER = "refunds/of_order";
    REFUNDS_BY_MERCHANT_NO = "refunds/by_merchant_no";
    REFUNDS_MOVE = "refunds/move" split;
    SETTLEMENTS_INSERT = "settlements/insert";
    SETTLEMENTS_WINNER = "settlements/winner";
    SETTLEMENTS_LIST = "settlements/list";
    SETTLEMENTS_OF_CHARGE = "settlements/of_charge";
}

store::migrations!(pub MIGRATIONS = 100 => "0100_orders");
