//! `mantis:db/transactions` for guests that run their own.

use mantis_db::Isolation;
use wasmtime::component::Resource;

use super::bindings::{transactions, types};
use super::context::Context;
use super::error::{Failed, Stop};
use super::resources::{OpenBucket, OpenTable, OpenTransaction, TransactionPlace};
use super::wait::wait_for;
use crate::limits::TRANSACTIONS_MAX;

type Result<T> = std::result::Result<T, Failed>;
type Transaction = Resource<OpenTransaction>;

impl transactions::Host for Context {}

impl transactions::HostTransaction for Context {
    fn begin(&mut self) -> Result<Transaction> {
        self.check_time()?;
        let grants = self.session()?.grants().clone();
        self.transactions_opened += 1;
        let open = OpenTransaction { session: self.database.session_with(grants), number: self.transactions_opened };
        let Ok(handle) = self.transactions.push(open) else {
            self.handles_refused = true;
            let message = format!("{TRANSACTIONS_MAX} transactions are open, which is the limit; end one first");
            return Err(Failed::limit("transactions-too-many", message));
        };
        let open = self.transactions.get_mut(&handle).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        match wait_for(open.session.begin(Isolation::Serializable)) {
            Ok(()) => Ok(handle),
            Err(failed) => {
                let _ = self.transactions.delete(handle);
                Err(failed)
            }
        }
    }

    fn bucket(&mut self, transaction: Transaction, name: String) -> Result<Resource<OpenBucket>> {
        let place = self.place(&transaction)?;
        self.open_bucket(OpenBucket { name: name.into(), transaction: Some(place) })
    }

    fn table(&mut self, transaction: Transaction, name: String) -> Result<Resource<OpenTable>> {
        let place = self.place(&transaction)?;
        self.open_table(OpenTable { name: name.into(), transaction: Some(place) })
    }

    fn commit(&mut self, transaction: Transaction) -> Result<types::Written> {
        self.check_time()?;
        let mut open = self.transactions.delete(transaction).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        // Also where it fails: a commit whose outcome is unknown may have happened.
        self.committed = true;
        let committed = wait_for(open.session.commit()).map_err(|failed| self.note_conflict(failed))?;
        Ok(types::Written { version: committed.version, durable: committed.durable })
    }

    fn drop(&mut self, transaction: Transaction) -> wasmtime::Result<()> {
        let _ = self.transactions.delete(transaction);
        Ok(())
    }
}

impl Context {
    /// The place of an open transaction, for handles that belong to it.
    fn place(&self, transaction: &Transaction) -> Result<TransactionPlace> {
        let open = self.transactions.get(transaction).map_err(|_| Stop::UNKNOWN_HANDLE)?;
        Ok(TransactionPlace { rep: transaction.rep(), number: open.number })
    }
}
