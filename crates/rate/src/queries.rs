//! The queries, by name.

store::queries! {
    SCHEMES_INSERT = "rate_schemes/insert";
    SCHEMES_WINNER = "rate_schemes/winner";
    SCHEMES_GET = "rate_schemes/get";
    SCHEMES_LAST = "rate_schemes/last";
    SCHEMES_IN_FORCE = "rate_schemes/in_force";
    SCHEMES_HISTORY = "rate_schemes/history";
}
