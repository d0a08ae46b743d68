//! The queries of pay-gateway's tables.

store::queries! {
    PAYMENTS_INSERT = "payments/insert";
    PAYMENTS_WINNER = "payments/winner";
    PAYMENTS_GET = "payments/get";
    PAYMENTS_OF_ORDER = "payments/of_order";
    PAYMENTS_OF_CHANNEL = "payments/of_channel";
    PAYMENTS_MOVE = "payments/move" split;
    PAYMENT_LOG_INSERT = "payment_log/insert";
    PAYMENT_LOG_WINNER = "payment_log/winner";
    PAYMENT_LOG_OF_ORDER = "payment_log/of_order";
    INBOX_INSERT = "inbox/insert";
    INBOX_WINNER = "inbox/winner";
    INBOX_BY_DIGEST = "inbox/by_digest";
    INBOX_GET = "inbox/get";
    INBOX_FLAGS_INSERT = "inbox_flags/insert";
    INBOX_FLAGS_WINNER = "inbox_flags/winner";
    INBOX_FLAGS_OF_ORDER = "inbox_flags/of_order";
    REFUNDS_INSERT = "refunds/insert";
    REFUNDS_GET = "refunds/get";
    REFUNDS_OF_PAYMENT = "refunds/of_payment";
    REFUNDS_OF_ORDER = "refunds/of_order";
    REFUNDS_MOVE = "refunds/move" split;
    REFUND_LOG_INSERT = "refund_log/insert";
    REFUND_LOG_WINNER = "refund_log/winner";
    REFUND_LOG_OF_ORDER = "refund_log/of_order";
}

store::migrations!(pub MIGRATIONS =
    100 => "0100_payments",
    101 => "0101_account_sub_ids",
    102 => "0102_payments_channel",
    103 => "0103_inbox_flags_detail",
);
