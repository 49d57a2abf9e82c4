//! Names the shared library for the dynamic linker: with the number of its interface where it is installed (`scripts/install-c.sh`).

fn main() {
    println!("cargo::rerun-if-env-changed=MANTISDB_SONAME");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        let name = std::env::var("MANTISDB_SONAME").unwrap_or_else(|_| "libmantisdb_c.so".to_owned());
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,{name}");
    }
}
