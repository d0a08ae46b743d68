//! The roles of a mesh of separate processes.

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    ShopCenter,
    Rate,
    PayGateway,
    Trade,
    Callback,
    WorkPayGateway,
    WorkTrade,
    /// The channel: outside of the mesh, and there is one.
    Sandbox,
}

/// All of them, in the order in which they begin: who is called before who calls. They end the
/// other way round.
pub(crate) const ALL: [Role; 8] = [
    Role::Sandbox,
    Role::ShopCenter,
    Role::Rate,
    Role::PayGateway,
    Role::Trade,
    Role::Callback,
    Role::WorkPayGateway,
    Role::WorkTrade,
];

impl Role {
    /// In one word: of logs, of what is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ShopCenter => "shop-center",
            Self::Rate => "rate",
            Self::PayGateway => "pay-gateway",
            Self::Trade => "trade",
            Self::Callback => "callback",
            Self::WorkPayGateway => "work-pay-gateway",
            Self::WorkTrade => "work-trade",
            Self::Sandbox => "sandbox",
        }
    }

    /// Whose certificate it shows: all roles of a service have one name.
    pub(crate) fn identity(self) -> &'static str {
        match self {
            Self::Callback | Self::WorkPayGateway => Self::PayGateway.name(),
            Self::WorkTrade => Self::Trade.name(),
            other => other.name(),
        }
    }

    /// The command of `paymesh` that plays it.
    pub(crate) fn command(self) -> &'static [&'static str] {
        match self {
            Self::ShopCenter => &["serve", "shop-center"],
            Self::Rate => &["serve", "rate"],
            Self::PayGateway => &["serve", "pay-gateway"],
            Self::Trade => &["serve", "trade"],
            Self::Callback => &["callback"],
            Self::WorkPayGateway => &["work", "pay-gateway"],
            Self::WorkTrade => &["work", "trade"],
            Self::Sandbox => &["sandbox"],
        }
    }

    /// How many processes play it.
    pub(crate) fn instances(self) -> usize {
        match self {
            Self::Sandbox => 1,
            _ => 2,
        }
    }

    /// Whether others find it by its list of addresses.
    pub(crate) fn is_called(self) -> bool {
        !matches!(
            self,
            Self::Callback | Self::WorkPayGateway | Self::WorkTrade
        )
    }
}
