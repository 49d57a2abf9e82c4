//! WebAssembly instances from a pool of one's own: warm ones are reused, one that trapped is not.
//!
//! ```text
//! cargo run -p mantis-plugin --example pooled_instances
//! ```
//!
//! Needs nothing of the plugin host. It is here because wasmtime, which takes minutes to build, is built here anyway.

use mantis_pool::{Config, Manager, Metrics, Pool};
use wasmtime::{Engine, Error, Instance, Module, Store, TypedFunc};

/// Counts its calls, and traps at zero.
const MODULE: &str = r#"
    (module
        (global $calls (mut i32) (i32.const 0))
        (func (export "divide") (param i32 i32) (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (i32.div_s (local.get 0) (local.get 1)))
        (func (export "calls") (result i32) (global.get $calls)))
"#;

/// Makes instances of one module.
struct Instances {
    engine: Engine,
    module: Module,
}

/// One instance with its memory.
struct Divider {
    store: Store<()>,
    divide: TypedFunc<(i32, i32), i32>,
    calls: TypedFunc<(), i32>,
    /// Its memory may be in any state.
    has_trapped: bool,
}

impl Divider {
    fn divide(&mut self, dividend: i32, divisor: i32) -> wasmtime::Result<i32> {
        let quotient = self.divide.call(&mut self.store, (dividend, divisor));
        self.has_trapped |= quotient.is_err();
        quotient
    }

    fn calls(&mut self) -> wasmtime::Result<i32> {
        self.calls.call(&mut self.store, ())
    }
}

/// Why there is no instance.
#[derive(Debug, thiserror::Error)]
enum NoInstance {
    #[error("instantiating failed: {0}")]
    Failed(Error),
    #[error("the instance trapped")]
    Trapped,
}

impl Manager for Instances {
    type Object = Divider;
    type Error = NoInstance;

    async fn create(&self) -> Result<Divider, NoInstance> {
        let mut store = Store::new(&self.engine, ());
        let made = Instance::new(&mut store, &self.module, &[]).and_then(|instance| {
            let divide = instance.get_typed_func(&mut store, "divide")?;
            let calls = instance.get_typed_func(&mut store, "calls")?;
            Ok((divide, calls))
        });
        let (divide, calls) = made.map_err(NoInstance::Failed)?;
        Ok(Divider { store, divide, calls, has_trapped: false })
    }

    fn release(&self, divider: &mut Divider, _: &Metrics) -> Result<(), NoInstance> {
        if divider.has_trapped { Err(NoInstance::Trapped) } else { Ok(()) }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(MODULE)?)?;
    // Making an instance never waits, and an idle one does not go bad.
    let config = Config {
        min_idle: 0,
        max: 4,
        max_lifetime: None,
        validate_after_idle: None,
        health_check_interval: None,
        ..Config::default()
    };
    let pool = Pool::new(Instances { engine, module }, config)?;

    // As nothing waits, neither a runtime nor `acquire` is needed.
    for expected in [3, 4, 5] {
        let mut divider = pool.try_acquire()?.ok_or("four instances are in use")?;
        assert_eq!(divider.divide(expected * 7, 7)?, expected);
    }
    let mut divider = pool.try_acquire()?.ok_or("four instances are in use")?;
    assert_eq!(divider.calls()?, 3, "the same instance each time");
    assert!(divider.divide(1, 0).is_err(), "the guest traps");
    drop(divider);

    let mut divider = pool.try_acquire()?.ok_or("four instances are in use")?;
    assert_eq!(divider.calls()?, 0, "another one");
    println!("{}", pool.stats());
    Ok(())
}

#[test]
fn runs() -> Result<(), Box<dyn std::error::Error>> {
    main()
}
