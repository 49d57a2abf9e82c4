pub(crate) mod backup;
pub(crate) mod check;
pub(crate) mod checkpoint;
pub(crate) mod open;
pub(crate) mod progress;
pub(crate) mod repair;
pub(crate) mod restore;
