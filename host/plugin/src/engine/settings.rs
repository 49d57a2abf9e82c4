//! Settings of the engine: one synchronous engine compiles and runs all procedures.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::code_cache;
use crate::limits::GUEST_STACK_BYTES_MAX;
use crate::{Error, HostConfig};

/// Core instances of all components together, for each component instance that may be alive.
const CORE_INSTANCES_EACH: u32 = 4;
/// Tables of all components together, for each component instance that may be alive.
const TABLES_EACH: u32 = 3;
/// Memory up to this size is zeroed in place when an instance ends; more is given back to the system, which costs a call.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// The same of tables.
const TABLE_KEEP_RESIDENT_BYTES: usize = 160 << 10;

pub(crate) fn new(config: &HostConfig) -> Result<Engine, Error> {
    let mut engine = Config::new();
    engine
        .wasm_component_model(true)
        // Procedures never suspend; this makes calls three times as fast.
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK_BYTES_MAX)
        // A hostile component takes one core at most while it compiles.
        .parallel_compilation(false)
        // The same inputs give the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .cache(code_cache::open(config))
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    Engine::new(&engine).map_err(|error| Error::Engine(format!("{error:#}")))
}

fn pool(config: &HostConfig) -> PoolingAllocationConfig {
    let instances = config.instances_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES_EACH).max(config.core_instances_max))
        .total_memories(instances.max(config.memories_max))
        .total_tables(instances.saturating_mul(TABLES_EACH).max(config.tables_max))
        .max_core_instances_per_component(config.core_instances_max)
        .max_memories_per_component(config.memories_max)
        .max_tables_per_component(config.tables_max)
        .table_elements(config.table_elements_max)
        .max_memory_size(config.memory_bytes_max)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES);
    pool
}
