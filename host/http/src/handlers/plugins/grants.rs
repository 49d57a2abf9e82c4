//! A plugin's grants as text (`scores:write,users:read`), in the query parameter and in JSON.

use mantis_db::{Access, Grants};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::description::{Kind, Parameter, Pattern, Role};
use crate::limits;
use crate::protocol::problem::Result;

pub(super) static BUCKETS: Parameter = Parameter {
    name: "buckets",
    kind: Kind::Text { pattern: Pattern::Grants, bytes_max: limits::GRANTS_BYTES_MAX },
    description: "The buckets that the plugin sees, and whether it may write to them: `scores:write,users:read`. `*:write` is everything.",
    role: Role::Optional,
};

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Grant", deny_unknown_fields)]
pub(super) struct GrantOut<'a> {
    bucket: &'a str,
    #[schemars(extend("enum" = ["read", "write"]))]
    access: &'static str,
}

/// Reads `scores:write,users:read`.
pub(super) fn read(text: &str) -> Result<Grants> {
    let mut grants = Grants::none();
    for grant in text.split(',') {
        let malformed = || BUCKETS.invalid(&format!("has `{grant}`; grants look like `scores:write` or `users:read`"));
        let (bucket, access) = grant.split_once(':').ok_or_else(malformed)?;
        let access = match access {
            "read" => Access::Read,
            "write" => Access::Write,
            _ => return Err(malformed()),
        };
        match bucket {
            "*" if access == Access::Write && text == grant => return Ok(Grants::all()),
            "*" => return Err(BUCKETS.invalid("has `*`, which goes only as `*:write` and alone")),
            bucket if is_bucket_name(bucket) => grants = grants.bucket(bucket, access),
            _ => return Err(malformed()),
        }
    }
    Ok(grants)
}

fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=limits::BUCKET_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || matches!(byte, b'-' | b'_' | b'.'))
}

/// The grants in the words of the query parameter that gave them.
pub(super) fn shown(grants: &Grants) -> Vec<GrantOut<'_>> {
    if grants.is_all() {
        return vec![GrantOut { bucket: "*", access: "write" }];
    }
    let name = |access| if access == Access::Write { "write" } else { "read" };
    grants.buckets().iter().map(|(bucket, access)| GrantOut { bucket, access: name(*access) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&Grants>) {
        assert_eq!(read(text).ok().as_ref(), expected, "{text}");
    }

    #[test]
    fn grants_name_buckets_and_what_is_allowed() {
        check("a:read", Some(&Grants::none().bucket("a", Access::Read)));
        check("a:read,b-c:write", Some(&Grants::none().bucket("a", Access::Read).bucket("b-c", Access::Write)));
        check("*:write", Some(&Grants::all()));
        for text in ["", "a", "a:", ":read", "a:READ", "a:read,", "*:read", "*:write,a:read", "A:read", "a:read:write"]
        {
            check(text, None);
        }
    }
}
