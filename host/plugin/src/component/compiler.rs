//! Compiles components on threads of their own, few at once.
//!
//! The compiler cannot be interrupted. When an install stops waiting, its thread continues until the component is compiled, counts
//! against the bound of compiles until then, and its work is kept: an install of the same component joins it, or finds it done. The
//! cost of a compile is bounded by the component's size, by one core (the compiler runs single-threaded), and by the limits of the
//! WebAssembly validator (7.6 MB a function, 1,000,000 functions).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::cache::{Cache, Hash};
use super::{imports, linking, nesting};
use crate::engine::CodePlace;
use crate::text::shortened;
use crate::{Error, HostConfig};

/// Components up to this size are hashed where they arrive.
const HASHED_HERE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of stack of a compiling thread: the compiler recurses over its input.
const STACK_BYTES: usize = 16 << 20;

pub(crate) struct Compiler {
    engine: Engine,
    active_max: usize,
    component_bytes_max: usize,
    timeout_ms: u64,
    /// Where the engine keeps code for the next process.
    code: Arc<CodePlace>,
    work: Arc<Mutex<Work>>,
}

/// What has been compiled, and what is being compiled.
struct Work {
    compiled: Cache,
    under_way: HashMap<Hash, Outcome>,
}

/// The outcome of a compile, once there is one.
type Outcome = watch::Receiver<Option<Result<Component, Error>>>;

/// A compile under way, which ends when this is dropped: also when the compiler panics.
struct UnderWay {
    work: Arc<Mutex<Work>>,
    hash: Hash,
}

impl Compiler {
    pub(crate) fn new(engine: Engine, config: &HostConfig) -> Self {
        Self {
            engine,
            active_max: config.compiles_max.max(1),
            component_bytes_max: config.component_bytes_max,
            timeout_ms: config.compile_timeout_ms,
            code: Arc::new(CodePlace::new(config)),
            work: Arc::new(Mutex::new(Work {
                compiled: Cache::new(config.compiled_bytes_max),
                under_way: HashMap::new(),
            })),
        }
    }

    pub(crate) async fn compile(&self, source: Bytes) -> Result<(Component, Hash), Error> {
        let (bytes, max) = (source.len(), self.component_bytes_max);
        if bytes > max {
            return Err(Error::ComponentTooLarge { bytes, max });
        }
        check_header(&source)?;
        let hash = hash_of(&source).await?;
        let mut outcome = match self.find_or_begin(source, hash)? {
            Ok(component) => return Ok((component, hash)),
            Err(outcome) => outcome,
        };
        match tokio::time::timeout(Duration::from_millis(self.timeout_ms), outcome.wait_for(Option::is_some)).await {
            Ok(Ok(compiled)) => match &*compiled {
                Some(compiled) => compiled.clone().map(|component| (component, hash)),
                None => Err(failed()),
            },
            Ok(Err(_)) => Err(failed()),
            Err(_) => Err(Error::CompileTimeout { timeout_ms: self.timeout_ms }),
        }
    }

    /// Bytes of the code that is kept, by the hash of its source.
    pub(crate) fn code_bytes(&self) -> HashMap<Hash, usize> {
        self.work.lock().compiled.code_bytes()
    }

    /// Gives back the code of a component that nobody uses any more.
    pub(crate) fn forget(&self, hash: &Hash) {
        self.work.lock().compiled.forget(hash);
    }

    /// The component if it is compiled, else the compile under way, which may begin here.
    fn find_or_begin(&self, source: Bytes, hash: Hash) -> Result<Result<Component, Outcome>, Error> {
        let mut work = self.work.lock();
        if let Some(component) = work.compiled.find(&hash) {
            return Ok(Ok(component));
        }
        if let Some(outcome) = work.under_way.get(&hash) {
            return Ok(Err(outcome.clone()));
        }
        if work.under_way.len() >= self.active_max {
            return Err(Error::CompilerBusy { max: self.active_max });
        }
        let (reply, outcome) = watch::channel(None);
        let under_way = UnderWay { work: Arc::clone(&self.work), hash };
        let (engine, code) = (self.engine.clone(), Arc::clone(&self.code));
        let thread = std::thread::Builder::new().name("mantis-compile".into()).stack_size(STACK_BYTES);
        work.under_way.insert(hash, outcome.clone());
        drop(work);
        let spawned = thread.spawn(move || {
            let compiled = compile(&engine, &code, &source);
            if let Ok(component) = &compiled {
                under_way.work.lock().compiled.keep(hash, source.len(), component.clone());
            }
            drop(under_way);
            let _ = reply.send(Some(compiled));
        });
        spawned.map_err(|error| Error::Engine(format!("cannot start a thread to compile on: {error}")))?;
        Ok(Err(outcome))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.work.lock().under_way.remove(&self.hash);
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

fn failed() -> Error {
    Error::ComponentInvalid("the compiler failed on it".into())
}

fn compile(engine: &Engine, code: &CodePlace, source: &[u8]) -> Result<Component, Error> {
    nesting::check(source)?;
    linking::check(source)?;
    imports::check(source)?;
    code.prepare();
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
        let taken: usize = compiler.code_bytes().values().sum();
        assert!((1..=config.compiled_bytes_max).contains(&taken), "{taken} bytes");
    }

    /// What an install no longer waits for is kept for the next one, and installs of one component share one compile.
    #[tokio::test]
    async fn a_compile_that_finishes_late_is_kept() {
        let config = HostConfig { instances_max: 1, compile_timeout_ms: 0, compiles_max: 1, ..HostConfig::default() };
        let compiler = Compiler::new(crate::engine::new(&config).unwrap(), &config);
        let body = "i32.const 1 i32.add ".repeat(20_000);
        let text = format!("(component (core module (func (param i32) (result i32) local.get 0 {body})))");
        let source = Bytes::from(wat::parse_str(text).unwrap());
        let other = Bytes::from(wat::parse_str("(component (core module))").unwrap());
        let hash: Hash = Sha256::digest(&source).into();
        loop {
            match compiler.compile(source.clone()).await {
                // Finished before the first look at the clock.
                Ok(_) if compiler.code_bytes().contains_key(&hash) => break,
                Err(Error::CompileTimeout { .. }) => {}
                outcome => panic!("{:?}", outcome.map(|(_, hash)| hash)),
            }
            assert!(compiler.work.lock().under_way.len() <= 1);
            tokio::task::yield_now().await;
        }
        assert!(compiler.work.lock().under_way.is_empty());
        compiler.forget(&hash);
        assert!(compiler.code_bytes().is_empty());
        assert!(matches!(compiler.compile(other).await, Ok(_) | Err(Error::CompileTimeout { .. })));
    }
}
