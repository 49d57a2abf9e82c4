//! `mantis:db/transactions` for guests that run their own.

use mantis_db::Isolation;
use wasmtime::component::Resource;

use super::bindings::{transactions, types};
use super::context::{Context, TRANSACTIONS_MAX, UNKNOWN_HANDLE, ready};
use super::error::Failed;
use super::resources::{OpenBucket, OpenTransaction, TransactionPlace};

type Result<T> = std::result::Result<T, Failed>;
type Transaction = Resource<OpenTransaction>;

impl transactions::Host for Context {}

impl transactions::HostTransaction for Context {
    fn begin(&mut self) -> Result<Transaction> {
        self.check_time()?;
        let full = || {
            let message = format!("{TRANSACTIONS_MAX} transactions are open, which is the limit; end one first");
            Failed::with_code("transactions-too-many", types::Error::Limit, message)
        };
        if self.transactions.is_full() {
            return Err(full());
        }
        let grants = self.session()?.grants().clone();
        let mut session = self.database.session_with(grants);
        ready(session.begin(Isolation::Serializable))?;
        self.transactions_opened += 1;
        self.transactions.insert(OpenTransaction { session, number: self.transactions_opened }).ok_or_else(full)
    }

    fn bucket(&mut self, transaction: Transaction, name: String) -> Result<Resource<OpenBucket>> {
        let open = self.transactions.get(&transaction).ok_or(UNKNOWN_HANDLE)?;
        let place = TransactionPlace { rep: transaction.rep(), number: open.number };
        self.open_bucket(OpenBucket { name: name.into(), transaction: Some(place) })
    }

    fn commit(&mut self, transaction: Transaction) -> Result<types::Written> {
        self.check_time()?;
        let mut open = self.transactions.remove(&transaction).ok_or(UNKNOWN_HANDLE)?;
        let committed = ready(open.session.commit()).map_err(|failed| self.told(failed))?;
        Ok(types::Written { version: committed.version, durable: committed.durable })
    }

    fn drop(&mut self, transaction: Transaction) -> wasmtime::Result<()> {
        self.transactions.remove(&transaction);
        Ok(())
    }
}
