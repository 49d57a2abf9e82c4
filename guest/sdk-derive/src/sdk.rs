//! The path of `mantis-guest` in the plugin that uses it, which may have renamed it.

use proc_macro_crate::{FoundCrate, crate_name};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::{Error, Result};

const SDK: &str = "mantis-guest";

pub(crate) fn path() -> Result<TokenStream> {
    let name = name()?;
    let name = Ident::new(&name, Span::call_site());
    Ok(quote!(::#name))
}

/// The crate's name in Rust.
pub(crate) fn name() -> Result<String> {
    match crate_name(SDK) {
        Ok(FoundCrate::Name(name)) => Ok(name),
        // Its own examples, which are crates that depend on it.
        Ok(FoundCrate::Itself) => Ok(SDK.replace('-', "_")),
        Err(error) => {
            Err(Error::new(Span::call_site(), format!("cannot find `{SDK}` among the dependencies: {error}")))
        }
    }
}
