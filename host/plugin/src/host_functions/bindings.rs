//! The interfaces of `wit/` as Rust traits, which [`Context`](super::Context) implements.

wasmtime::component::bindgen!({
    path: "../../wit",
    interfaces: "
        import mantis:db/types@0.1.0;
        import mantis:db/kv@0.1.0;
        import mantis:db/tables@0.1.0;
        import mantis:db/transactions@0.1.0;
        import mantis:db/system@0.1.0;
    ",
    imports: { default: trappable },
    trappable_error_type: { "mantis:db/types.error" => crate::host_functions::error::Failed },
    with: {
        "mantis:db/kv.bucket": crate::host_functions::resources::OpenBucket,
        "mantis:db/tables.table": crate::host_functions::resources::OpenTable,
        "mantis:db/transactions.transaction": crate::host_functions::resources::OpenTransaction,
    },
});

pub(crate) use mantis::db::{kv, system, tables, transactions, types};
