//! The patterns of texts, from the bounds that they are checked with.

use mantis_db::BUCKET_NAME_PATTERN;
use mantis_plugin::NAME_BYTES_MAX;

use crate::api::description::Pattern;
use crate::openapi::subject::Subject;

fn bucket_name() -> String {
    format!("^{BUCKET_NAME_PATTERN}$")
}

/// The pattern of a parameter's text.
pub(super) fn text(pattern: &Pattern, subject: &Subject<'_>) -> String {
    match pattern {
        Pattern::BucketName => bucket_name(),
        Pattern::PluginName => format!("^[a-z][a-z0-9-]{{0,{}}}$", NAME_BYTES_MAX - 1),
        Pattern::Grants => {
            let grant = format!("{BUCKET_NAME_PATTERN}:(read|write)");
            format!(r"^(none|\*:write|{grant}(,{grant})*)$")
        }
        Pattern::FeedPlace => {
            // A running server knows the incarnation of its store.
            let incarnation = subject.incarnation.unwrap_or("[0-9a-f]{16}");
            format!("^(now|earliest|0|{incarnation}-[0-9]{{1,15}}(-[0-9]{{1,9}})?)$")
        }
        Pattern::Fixed(pattern) => (*pattern).to_owned(),
    }
}
