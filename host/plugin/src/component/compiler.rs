//! Compiles components on threads of their own, few at once.
//!
//! The compiler cannot be interrupted. When an install stops waiting, its thread continues until the component is compiled, and
//! counts against the bound of compiles until then. The cost of a compile is bounded by the component's size, by one core (the
//! compiler runs single-threaded), and by the limits of the WebAssembly validator (7.6 MB a function, 1,000,000 functions).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{Cache, Hash};
use super::{imports, linking, nesting};
use crate::text::shortened;
use crate::{Error, HostConfig};

/// Components up to this size are hashed where they arrive.
const HASHED_HERE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of stack of a compiling thread: the compiler recurses over its input.
const STACK_BYTES: usize = 16 << 20;

pub(crate) struct Compiler {
    engine: Engine,
    active: Arc<AtomicUsize>,
    active_max: usize,
    component_bytes_max: usize,
    timeout_ms: u64,
    compiled: Mutex<Cache>,
}

/// A place among the compiles under way.
struct Active(Arc<AtomicUsize>);

impl Compiler {
    pub(crate) fn new(engine: Engine, config: &HostConfig) -> Self {
        Self {
            engine,
            active: Arc::default(),
            active_max: config.compiles_max.max(1),
            component_bytes_max: config.component_bytes_max,
            timeout_ms: config.compile_timeout_ms,
            compiled: Mutex::new(Cache::new(config.compiled_bytes_max)),
        }
    }

    pub(crate) async fn compile(&self, source: Bytes) -> Result<(Component, Hash), Error> {
        let (bytes, max) = (source.len(), self.component_bytes_max);
        if bytes > max {
            return Err(Error::ComponentTooLarge { bytes, max });
        }
        check_header(&source)?;
        let hash = hash_of(&source).await?;
        if let Some(component) = self.compiled.lock().find(&hash) {
            return Ok((component, hash));
        }
        let component = self.compile_on_thread(source).await?;
        self.compiled.lock().keep(hash, bytes, component.clone());
        Ok((component, hash))
    }

    async fn compile_on_thread(&self, source: Bytes) -> Result<Component, Error> {
        let active = self.begin()?;
        let (reply, answer) = oneshot::channel();
        let engine = self.engine.clone();
        let thread = std::thread::Builder::new().name("mantis-compile".into()).stack_size(STACK_BYTES);
        let spawned = thread.spawn(move || {
            let compiled = compile(&engine, &source);
            drop(active);
            let _ = reply.send(compiled);
        });
        spawned.map_err(|error| Error::Engine(format!("cannot start a thread to compile on: {error}")))?;
        match tokio::time::timeout(Duration::from_millis(self.timeout_ms), answer).await {
            Ok(Ok(compiled)) => compiled,
            Ok(Err(_)) => Err(Error::ComponentInvalid("the compiler failed on it".into())),
            Err(_) => Err(Error::CompileTimeout { timeout_ms: self.timeout_ms }),
        }
    }

    fn begin(&self) -> Result<Active, Error> {
        let max = self.active_max;
        let begun =
            self.active.try_update(Ordering::Relaxed, Ordering::Relaxed, |active| (active < max).then_some(active + 1));
        begun.map(|_| Active(Arc::clone(&self.active))).map_err(|_| Error::CompilerBusy { max })
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The hash of a component: of a large one on another thread, as 32 MiB take a tenth of a second.
async fn hash_of(source: &Bytes) -> Result<Hash, Error> {
    if source.len() <= HASHED_HERE_BYTES_MAX {
        return Ok(Sha256::digest(source).into());
    }
    let source = source.clone();
    let hashed = tokio::task::spawn_blocking(move || Sha256::digest(&source).into()).await;
    hashed.map_err(|error| Error::Engine(format!("cannot hash the component: {error}")))
}

fn compile(engine: &Engine, source: &[u8]) -> Result<Component, Error> {
    nesting::check(source)?;
    linking::check(source)?;
    imports::check(source)?;
    Component::from_binary(engine, source).map_err(|error| refusal(&error))
}

/// The engine's refusal of a component.
fn refusal(error: &wasmtime::Error) -> Error {
    let text = format!("{error:#}");
    // The engine refuses at once what would never fit into an instance; its error for this has no type.
    if text.contains("pooling allocator") {
        let reason = shortened(&error.root_cause().to_string());
        return Error::RequirementsTooLarge(format!(
            "{reason}; the host's limits are core_instances_max, memories_max, tables_max, table_elements_max and memory_bytes_max"
        ));
    }
    Error::ComponentInvalid(shortened(&text))
}

/// Refuses bytes that are no component, and says what else they are where that is easy to see.
fn check_header(source: &[u8]) -> Result<(), Error> {
    const MAGIC: &[u8] = b"\0asm";
    const MODULE: &[u8] = &[1, 0, 0, 0];
    let invalid = |reason: &str| Err(Error::ComponentInvalid(reason.into()));
    match source.split_at_checked(8) {
        Some((header, _)) if header.starts_with(MAGIC) && header.ends_with(MODULE) => {
            invalid("this is a core module; make a component of it with `wasm-tools component new`")
        }
        Some((header, _)) if header.starts_with(MAGIC) => Ok(()),
        _ => invalid("these bytes are not WebAssembly"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many small components would take far more memory than their source has bytes.
    #[tokio::test]
    async fn kept_code_is_bounded_by_its_own_size() {
        const EACH_BYTES_MAX: usize = 64 << 10;
        let config = HostConfig { instances_max: 1, compiled_bytes_max: 4 * EACH_BYTES_MAX, ..HostConfig::default() };
        let compiler = Compiler::new(crate::engine::new(&config).unwrap(), &config);
        for number in 0..100 {
            let text = format!("(component (core module (func (export \"f\") (result i32) i32.const {number})))");
            let source = wat::parse_str(text).unwrap();
            assert!(source.len() < 100);
            compiler.compile(source.into()).await.unwrap();
        }
        let taken = compiler.compiled.lock().code_bytes();
        assert!((1..=config.compiled_bytes_max).contains(&taken), "{taken} bytes");
    }
}
