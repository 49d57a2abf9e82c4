//! The macros of `mantis-guest`. Use them through that crate.
//!
//! | macro | makes |
//! |---|---|
//! | `generate!` | the bindings of a plugin's world |
//! | `#[derive(Row)]` | a struct into a row of a table |
//!
//! `wit` is the WIT of the host, so that a plugin needs no copy of it.

mod generate;
mod sdk;

use proc_macro2::TokenStream;
use quote::quote;
use syn::spanned::Spanned as _;
use syn::{Data, DeriveInput, Error, Field, Fields, LitStr, Result, parse_macro_input};

/// Generates the bindings of a plugin's world on top of those of `mantis-guest`: the trait `Guest`, and the macro `export!` for the type
/// that implements it.
///
/// `world` is the world's full name. Its WIT is in the folder `wit` of the plugin, unless `inline` has it as text. `path` lists all
/// folders instead, that of `mantis:db` first. A world that includes `mantis:db/task` ends the call with `transactions`.
#[proc_macro]
pub fn generate(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    generate::expand(parse_macro_input!(input as generate::Input)).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a struct with named fields a row of a table: each field is the column of its name, or of `#[row(column = "name")]`.
///
/// The types of the fields implement `FromValue` and `IntoValue`: integers, floats, `bool`, `String`, `Vec<u8>`, those of
/// `mantis_guest::table`, and an `Option` of each for a column that may be null.
#[proc_macro_derive(Row, attributes(row))]
pub fn derive_row(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    row(&input).unwrap_or_else(Error::into_compile_error).into()
}

fn row(input: &DeriveInput) -> Result<TokenStream> {
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => &fields.named,
            _ => return Err(Error::new(input.span(), "a row has named fields, at least one")),
        },
        _ => return Err(Error::new(input.span(), "only a struct is a row")),
    };
    let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
    let select = columns.iter().map(|column| quoted(&column.value())).collect::<Vec<_>>().join(",");
    let fields: Vec<_> = fields.iter().filter_map(|field| field.ident.as_ref()).collect();
    let name = &input.ident;
    let sdk = sdk::path()?;
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    Ok(quote! {
        impl #impl_generics #sdk::table::Row for #name #type_generics #where_clause {
            const COLUMNS: &'static [&'static str] = &[#(#columns),*];
            const SELECT: &'static str = #select;

            fn from_values(values: &mut #sdk::table::Values<'_>) -> #sdk::Result<Self> {
                ::core::result::Result::Ok(Self { #(#fields: values.next(#columns)?),* })
            }

            fn into_values(self) -> ::std::vec::Vec<#sdk::table::Value> {
                ::std::vec![#(#sdk::table::IntoValue::into_value(self.#fields)),*]
            }
        }
    })
}

/// The name of a field's column.
fn column(field: &Field) -> Result<LitStr> {
    let mut column = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("row")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("column") {
                return Err(meta.error("expected `column = \"name\"`"));
            }
            column = Some(meta.value()?.parse::<LitStr>()?);
            Ok(())
        })?;
    }
    match (column, &field.ident) {
        (Some(column), _) => Ok(column),
        (None, Some(ident)) => {
            let ident_text = ident.to_string();
            Ok(LitStr::new(ident_text.strip_prefix("r#").unwrap_or(&ident_text), ident.span()))
        }
        (None, None) => Err(Error::new(field.span(), "a column has a name")),
    }
}

/// A column's name as a select writes it.
fn quoted(column: &str) -> String {
    let is_plain = column.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { column.to_owned() } else { format!("\"{}\"", column.replace('\\', "\\\\").replace('"', "\\\"")) }
}
