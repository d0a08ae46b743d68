//! The generated messages, clients and servers of `proto/`, and their descriptors.

mod redact;

pub mod time;

/// All files of `proto/` as an encoded `FileDescriptorSet`, options included:
/// what reflection serves and the mesh reads its policies from.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/paymesh.binpb"));

macro_rules! packages {
    ($($name:ident),*) => {$(
        #[doc = concat!("The package `paymesh.", stringify!($name), "`.")]
        pub mod $name {
            /// Version 1.
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/paymesh.", stringify!($name), ".v1.rs"));
            }
        }
    )*};
}

packages!(feed, gateway, mesh, rate, sandbox, shop, task, trade);
