//! `generate!`: `wit_bindgen::generate!` with what every plugin gives it.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Error, LitStr, Result, Token};

use crate::sdk;

/// The WIT of the host.
const HOST_WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wit");

pub(crate) struct Input {
    path: Option<TokenTree>,
    inline: Option<LitStr>,
    world: LitStr,
    transactions: bool,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let (mut path, mut inline, mut world, mut transactions) = (None, None, None, false);
        while !input.is_empty() {
            let key: Ident = input.parse()?;
            if key == "transactions" {
                transactions = true;
            } else {
                input.parse::<Token![:]>()?;
                match key.to_string().as_str() {
                    "path" => path = Some(input.parse()?),
                    "inline" => inline = Some(input.parse()?),
                    "world" => world = Some(input.parse()?),
                    _ => return Err(Error::new(key.span(), "expected `path`, `inline`, `world` or `transactions`")),
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        let world =
            world.ok_or_else(|| input.error("`world` is missing: the full name, as in \"example:visits/visits\""))?;
        Ok(Self { path, inline, world, transactions })
    }
}

pub(crate) fn expand(input: Input) -> Result<TokenStream> {
    let Input { path, inline, world, transactions } = input;
    let sdk = sdk::path()?;
    let runtime_path = format!("::{}::wit_bindgen::rt", sdk::name()?);
    let path = match (path, &inline) {
        (Some(path), _) => quote!(#path),
        (None, None) => quote!([#HOST_WIT, "wit"]),
        (None, Some(_)) => quote!([#HOST_WIT]),
    };
    let inline = inline.map(|text| quote!(inline: #text,));
    let transactions =
        transactions.then(|| quote!("mantis:db/transactions@0.1.0": #sdk::bindings::mantis::db::transactions,));
    Ok(quote! {
        #sdk::wit_bindgen::generate!({
            #inline
            path: #path,
            world: #world,
            runtime_path: #runtime_path,
            with: {
                "mantis:db/types@0.1.0": #sdk::bindings::mantis::db::types,
                "mantis:db/kv@0.1.0": #sdk::bindings::mantis::db::kv,
                "mantis:db/tables@0.1.0": #sdk::bindings::mantis::db::tables,
                "mantis:db/system@0.1.0": #sdk::bindings::mantis::db::system,
                #transactions
            },
            generate_all,
        });
    })
}
