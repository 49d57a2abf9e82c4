//! The configuration file: TOML, strict.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::listen::ListenAddress;
use super::table::{
    ConnectionInput, HttpInput, LimitInput, LogInput, PluginInput, PoolInput, ServerInput, SettingsInput, StorageInput,
    TableInput,
};

/// Bytes of a configuration file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is larger than any configuration.
    #[error("the configuration file {} has more than {FILE_BYTES_MAX} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not TOML, or has an unknown name. The message shows the line.
    #[error("in the configuration file {}: {}", path.display(), told(source))]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        source: Box<toml::de::Error>,
    },
}

/// The error with its line, in words for people.
fn told(error: &toml::de::Error) -> String {
    error.to_string().replace(error.message(), &mantis_db::reader_error(error.message()))
}

// serde cannot combine `flatten` with `deny_unknown_fields`, so the settings outside any section are listed once more.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<ListenAddress>,
    allowed_hosts: Option<Vec<String>>,
    /// Its place before there was a section for it.
    cors_origins: Option<Vec<String>>,
    http: HttpInput,
    tables: TableInput,
    storage: StorageInput,
    log: LogInput,
    connections: ConnectionInput,
    limits: LimitInput,
    pool: PoolInput,
    plugins: PluginInput,
}

impl SettingsInput {
    /// What a file gives.
    ///
    /// # Errors
    /// The file cannot be read, is not TOML, or has an unknown name.
    pub fn from_file(path: &Path) -> Result<Self, FileError> {
        let read = |source| FileError::Read { path: path.to_owned(), source };
        // Of a device without an end no length is known.
        let file = std::fs::File::open(path).map_err(read)?;
        let mut text = String::new();
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(read)?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(FileError::TooLarge { path: path.to_owned() });
        }
        Self::from_toml(&text).map_err(|source| FileError::Parse { path: path.to_owned(), source: Box::new(source) })
    }

    fn from_toml(text: &str) -> Result<Self, toml::de::Error> {
        let File {
            listen,
            allowed_hosts,
            cors_origins,
            http,
            tables,
            storage,
            log,
            connections,
            limits,
            pool,
            plugins,
        } = toml::from_str(text)?;
        let server = ServerInput { listen, allowed_hosts };
        let http = http.or(HttpInput { cors_origins });
        Ok(Self { server, http, tables, storage, log, connections, limits, pool, plugins })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn the_printed_settings_are_a_valid_file_with_the_same_values() {
        let settings = Settings::default();
        let printed = toml::to_string(&settings).unwrap();
        assert_eq!(SettingsInput::from_toml(&printed).unwrap().resolve(), settings);
    }

    #[track_caller]
    fn check(text: &str, parts: &[&str]) {
        let message = SettingsInput::from_toml(text).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{message:?} names {part:?}");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        check("listen = \"127.0.0.1:1\"\nlissten = 1\n", &["line 2", "lissten", "listen"]);
        check("[limits]\n\nbody_bytes = 1\n", &["line 3", "body_bytes", "body_bytes_max"]);
        check("[limits]\nbody_bytes_max = \"ten\"\n", &["line 2", "ten", "64MiB"]);
        check("[limits]\nbody_bytes_max = \"1h\"\n", &["line 2", "1h", "64MiB"]);
        check("[limits]\nbody_timeout_ms = \"1MiB\"\n", &["line 2", "1MiB", "1h30m"]);
        check("[limits]\nbody_bytes_max = 1.5\n", &["line 2"]);
        check("[limits]\nrequests_max = \"1k\"\n", &["line 2"]);
        check("[pool]\nmax = -1\n", &["line 2"]);
        check("listen = 8080\n", &["line 1"]);
        check("[limits\n", &["line 1"]);
        check("[table]\nsafe_update = true\n", &["line 1", "table"]);
    }

    #[test]
    fn sizes_and_times_may_have_units() {
        let text =
            "listen = \":9\"\n[limits]\nbody_bytes_max = \"64MiB\"\nbody_timeout_ms = \"1m30s\"\nstore_bytes_max = 7\n";
        let settings = SettingsInput::from_toml(text).unwrap().resolve();
        let limits = settings.limits;
        assert_eq!((limits.body_bytes_max, limits.body_timeout_ms, limits.store_bytes_max), (64 << 20, 90_000, 7));
        assert_eq!(settings.server.listen.to_string(), "127.0.0.1:9");
    }

    #[test]
    fn origins_are_also_read_from_where_they_were_before() {
        let origins = |text| SettingsInput::from_toml(text).unwrap().resolve().http.cors_origins;
        assert_eq!(origins("cors_origins = [\"a\"]"), ["a"]);
        assert_eq!(origins("cors_origins = [\"a\"]\n[http]\ncors_origins = [\"b\"]"), ["b"]);
    }
}
