//! A market of one share, on three tables, whose definitions are in `schema/`.
//!
//! | table | a row is |
//! |---|---|
//! | `accounts` | who trades: cash and shares, without what open orders have reserved |
//! | `orders` | an order, open while something remains of it; `orders_open` has the open ones by side, price and age |
//! | `trades` | what was traded between two orders |
//!
//! A call is one transaction: an order, its trades, the orders that it met and the accounts of both sides are written together, or not
//! at all. That nobody spends what they do not have is not checked here: the tables' constraints refuse it.

mantis_guest::generate!(path: ["../../../wit", "wit"], world: "examples:order-book/order-book");

use mantis_guest::table::{FromValue as _, Row};
use mantis_guest::{Result, Table, info};

/// The largest quantity and the largest price: their product fits 64 bits.
const NUMBER_MAX: i64 = 1_000_000_000;
/// Orders that are met at once; an order that meets more goes on with the next ones.
const MET_AT_ONCE: u32 = 100;
const LEVELS_MAX: u32 = 1_000;

struct OrderBook;
export!(OrderBook);

#[derive(Row)]
struct Account {
    name: String,
    cash_cents: i64,
    shares: i64,
}

#[derive(Row)]
struct NewOrder {
    account: String,
    side: String,
    price_cents: i64,
    quantity: i64,
    remaining: i64,
}

#[derive(Row)]
struct Id {
    id: i64,
}

#[derive(Row)]
struct OpenOrder {
    id: i64,
    account: String,
    side: String,
    price_cents: i64,
    remaining: i64,
}

#[derive(Row)]
struct NewTrade {
    buy_order: i64,
    sell_order: i64,
    price_cents: i64,
    quantity: i64,
}

impl Guest for OrderBook {
    fn place(account: String, side: Side, price_cents: i64, quantity: i64) -> Result<Placed> {
        for (name, number) in [("price", price_cents), ("quantity", quantity)] {
            if !(1..=NUMBER_MAX).contains(&number) {
                return Err(Error::invalid("number-out-of-range", format!("the {name} is 1 to {NUMBER_MAX}")));
            }
        }
        let market = Market::open()?;
        // All that it may cost; what it does not cost comes back.
        match side {
            Side::Buy => market.pay(&account, -price_cents * quantity, 0)?,
            Side::Sell => market.pay(&account, 0, -quantity)?,
        }
        let new = NewOrder {
            account: account.clone(),
            side: name_of(side).into(),
            price_cents,
            quantity,
            remaining: quantity,
        };
        let ids: Vec<Id> = market.orders.insert_all([new]).returning()?;
        let order = ids.first().ok_or_else(|| Error::other("order-lost", "the order was not inserted"))?.id;
        let placed = market.trade(order, &account, side, price_cents, quantity)?;
        info!("order {order} of {account}: {} trades, {} left", placed.trades.len(), placed.remaining);
        Ok(placed)
    }

    fn cancel(order: i64) -> Result<i64> {
        let market = Market::open()?;
        let open = market.orders.get::<OpenOrder>(order)?.filter(|order| order.remaining > 0);
        let open = open.ok_or_else(|| Error::invalid("order-not-open", format!("{order} is no open order")))?;
        market.orders.filter("id=eq.$1").bind(order).set("remaining", 0_i64).update()?;
        match &*open.side {
            "buy" => market.pay(&open.account, open.price_cents * open.remaining, 0)?,
            _ => market.pay(&open.account, 0, open.remaining)?,
        }
        Ok(open.remaining)
    }

    fn book(levels: u32) -> Result<Vec<Level>> {
        if levels > LEVELS_MAX {
            return Err(Error::invalid("levels-too-many", format!("at most {LEVELS_MAX} levels are shown")));
        }
        let orders = Table::open("orders")?;
        let mut book = Vec::new();
        for (side, order) in [(Side::Sell, "price_cents"), (Side::Buy, "price_cents.desc")] {
            let open = orders.filter("side=eq.$1&remaining=gt.0").bind(name_of(side)).order(order).limit(levels);
            let rows = open.values("price_cents,remaining.sum()::bigint")?.rows;
            for row in rows {
                let mut numbers = row.into_iter().map(i64::from_value);
                let mut next = || numbers.next().unwrap_or_else(|| Err(Error::other("row-too-short", "")));
                book.push(Level { side, price_cents: next()?, quantity: next()? });
            }
        }
        Ok(book)
    }
}

struct Market {
    accounts: Table,
    orders: Table,
    trades: Table,
}

impl Market {
    fn open() -> Result<Self> {
        Ok(Self { accounts: Table::open("accounts")?, orders: Table::open("orders")?, trades: Table::open("trades")? })
    }

    /// Changes what an account has.
    fn pay(&self, name: &str, cash_cents: i64, shares: i64) -> Result<()> {
        let account = self.accounts.get::<Account>(name)?;
        let account =
            account.ok_or_else(|| Error::invalid("account-unknown", format!("there is no account {name}")))?;
        let sum = |had: i64, more: i64| {
            had.checked_add(more)
                .ok_or_else(|| Error::invalid("account-full", format!("{} has too much", account.name)))
        };
        let (cash_cents, shares) = (sum(account.cash_cents, cash_cents)?, sum(account.shares, shares)?);
        let row = self.accounts.filter("name=eq.$1").bind(name);
        row.set("cash_cents", cash_cents).set("shares", shares).update().map(drop)
    }

    /// Trades an order against those on the other side, the best price first, and of one price the oldest.
    fn trade(&self, order: i64, account: &str, side: Side, price_cents: i64, quantity: i64) -> Result<Placed> {
        let (other, filter, best_first) = match side {
            Side::Buy => (Side::Sell, "side=eq.$1&remaining=gt.0&price_cents=lte.$2", "price_cents,id"),
            Side::Sell => (Side::Buy, "side=eq.$1&remaining=gt.0&price_cents=gte.$2", "price_cents.desc,id"),
        };
        let mut placed = Placed { order, trades: Vec::new(), remaining: quantity };
        while placed.remaining > 0 {
            let met = self.orders.filter(filter).bind(name_of(other)).bind(price_cents);
            let met: Vec<OpenOrder> = met.order(best_first).limit(MET_AT_ONCE).rows()?;
            if met.is_empty() {
                break;
            }
            for met in met {
                if placed.remaining == 0 {
                    break;
                }
                let quantity = placed.remaining.min(met.remaining);
                let left = met.remaining - quantity;
                self.orders.filter("id=eq.$1").bind(met.id).set("remaining", left).update()?;
                let (price, cash) = (met.price_cents, met.price_cents * quantity);
                match side {
                    // What the buyer would have paid at most comes back.
                    Side::Buy => {
                        self.pay(account, (price_cents - price) * quantity, quantity)?;
                        self.pay(&met.account, cash, 0)?;
                    }
                    Side::Sell => {
                        self.pay(account, cash, 0)?;
                        self.pay(&met.account, 0, quantity)?;
                    }
                }
                placed.remaining -= quantity;
                placed.trades.push(Trade { against: met.id, price_cents: price, quantity });
            }
        }
        self.orders.filter("id=eq.$1").bind(order).set("remaining", placed.remaining).update()?;
        self.trades.insert_all(placed.trades.iter().map(|trade| new_trade(order, side, trade))).run()?;
        Ok(placed)
    }
}

fn new_trade(order: i64, side: Side, trade: &Trade) -> NewTrade {
    let (buy_order, sell_order) = match side {
        Side::Buy => (order, trade.against),
        Side::Sell => (trade.against, order),
    };
    NewTrade { buy_order, sell_order, price_cents: trade.price_cents, quantity: trade.quantity }
}

fn name_of(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}
